// Which errors and suspected labels a report shows, and how they are drawn.
//
// A part of report_page.h.

#ifndef RCNN_EVAL_HTML_REPORT_EXAMPLES_H_
#define RCNN_EVAL_HTML_REPORT_EXAMPLES_H_

#include <cstdint>
#include <vector>

#include "rcnn/eval/html/example_figure.h"
#include "rcnn/eval/html/report_analysis.h"

namespace rcnn::eval {

// At most `count` errors, of each kind about as many: those of the highest scores,
// the largest objects of those missed; of one class and of one image only a few, so that
// every class gets its turn. Ordered by kind.
std::vector<ExampleFigure> ErrorExamples(const GroundTruth& truth, const Detections& detections,
                                         const ReportAnalysis& analysis, int64_t count);

// The first `count` suspects.
std::vector<ExampleFigure> SuspectExamples(const GroundTruth& truth, const Detections& detections,
                                           const ReportAnalysis& analysis, int64_t count);

}  // namespace rcnn::eval

#endif  // RCNN_EVAL_HTML_REPORT_EXAMPLES_H_
