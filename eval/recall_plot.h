// Proposal recall as a table and as a plot (SVG).
//
// The plot is the paper's Figure 4, recall against IoU for some numbers of
// proposals with one line per method, plus average recall against the number of
// proposals.
//
// Source: Ren et al., arXiv:1506.01497v3, Fig. 4.
//
// Example:
//   const std::string plot = RecallPlotSvg({{"RPN", rpn}, {"SS", search}});
//   RCNN_RETURN_IF_ERROR(WriteFileAtomically("recall.svg", plot).status());

#ifndef RCNN_EVAL_RECALL_PLOT_H_
#define RCNN_EVAL_RECALL_PLOT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "rcnn/eval/proposal_recall.h"

namespace rcnn::eval {

// Proposals of one method, measured with the same options as the others.
struct RecallSeries {
  std::string name;
  ProposalRecall recall;
};

// One line per method and number of proposals: recall at IoU 0.5, 0.7 and 0.9 if
// measured, average recall over all thresholds, and average recall by object area;
// in percent, "-" without objects.
std::string FormatRecallTable(const std::vector<RecallSeries>& series);

// One panel per measured number of proposals in `counts`, at most four (by default
// the figure's 300, 1000 and 2000), and one of average recall against the number of
// proposals.
std::string RecallPlotSvg(const std::vector<RecallSeries>& series,
                          const std::vector<int64_t>& counts = {300, 1000, 2000});

}  // namespace rcnn::eval

#endif  // RCNN_EVAL_RECALL_PLOT_H_
