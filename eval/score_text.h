// Scores as people read them in captions and tables.
//
// Example:
//   absl::StrAppend(&caption, name, " ", ScoreText(0.934));

#ifndef RCNN_EVAL_SCORE_TEXT_H_
#define RCNN_EVAL_SCORE_TEXT_H_

#include <string>

namespace rcnn::eval {

// "0.93"; "1e+300" where two decimals would take a line.
std::string ScoreText(double score);

// A score threshold, rounded down, so that it keeps the detection that it comes from:
// "0.296" of 0.29612; two digits of smaller ones.
std::string ThresholdText(double score);

}  // namespace rcnn::eval

#endif  // RCNN_EVAL_SCORE_TEXT_H_
