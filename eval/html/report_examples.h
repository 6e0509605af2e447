// Which errors and suspected labels a report shows, and how they are drawn.
//
// A part of report_page.h.

#ifndef RCNN_EVAL_HTML_REPORT_EXAMPLES_H_
#define RCNN_EVAL_HTML_REPORT_EXAMPLES_H_

#include <vector>

#include "rcnn/eval/html/example_figure.h"
#include "rcnn/eval/html/report_analysis.h"
#include "rcnn/eval/html/report_input.h"

namespace rcnn::eval {

// At most max_examples errors, of each kind about as many: those of the highest scores,
// the largest objects of those missed; of one class and of one image only a few, so that
// every class gets its turn. Ordered by kind.
std::vector<ExampleFigure> ErrorExamples(const ReportPageInput& input,
                                         const ReportAnalysis& analysis);

// The first max_suspects suspects.
std::vector<ExampleFigure> SuspectExamples(const ReportPageInput& input,
                                           const ReportAnalysis& analysis);

}  // namespace rcnn::eval

#endif  // RCNN_EVAL_HTML_REPORT_EXAMPLES_H_
