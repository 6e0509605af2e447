// Chooses and draws the errors and suspected labels of a report.
//
// A part of report_page.h.

#ifndef RCNN_EVAL_HTML_REPORT_EXAMPLES_H_
#define RCNN_EVAL_HTML_REPORT_EXAMPLES_H_

#include <vector>

#include "rcnn/eval/html/example_figure.h"
#include "rcnn/eval/html/report_analysis.h"
#include "rcnn/eval/html/report_input.h"

namespace rcnn::eval {

// At most max_examples errors, about as many of each kind, ordered by kind: those of
// the highest scores, and the largest missed objects. Only a few per class and image,
// so that every class is represented.
std::vector<ExampleFigure> ErrorExamples(const ReportPageInput& input,
                                         const ReportAnalysis& analysis);

// The first max_suspects suspects.
std::vector<ExampleFigure> SuspectExamples(const ReportPageInput& input,
                                           const ReportAnalysis& analysis);

}  // namespace rcnn::eval

#endif  // RCNN_EVAL_HTML_REPORT_EXAMPLES_H_
