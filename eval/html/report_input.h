// The contents of a report.

#ifndef RCNN_EVAL_HTML_REPORT_INPUT_H_
#define RCNN_EVAL_HTML_REPORT_INPUT_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "rcnn/eval/detections.h"
#include "rcnn/eval/ground_truth.h"
#include "rcnn/eval/html/example_figure.h"
#include "rcnn/eval/metrics_report.h"
#include "rcnn/eval/proposal_recall.h"
#include "rcnn/eval/shape_results.h"

namespace rcnn::eval {

// A curve of a training stage: a loss, or a measure of validation.
struct TrainingCurve {
  std::string stage;
  std::string name;
  // (iteration, value)
  std::vector<std::pair<double, double>> points;
  // A measure of validation, from 0 to 1.
  bool validation = false;
};

struct ReportPageInput {
  // What was evaluated: the name of a run or a file.
  std::string title;
  // What it was evaluated on; not in the heading if empty.
  std::string dataset = {};
  const GroundTruth* truth = nullptr;
  const Detections* detections = nullptr;
  // The numbers that the table shows.
  const Report* report = nullptr;
  // Recall by number of the proposals that the detections come from; null: not known.
  const ProposalRecall* proposals = nullptr;
  // Masks or keypoints of the detections, compared and drawn instead of boxes; null:
  // boxes. The detections still need boxes (AddBoxes).
  const ShapeResults* shapes = nullptr;
  // Empty: boxes are drawn without images.
  LoadImageFunction load_image;
  // VOC: difficult objects are regions to ignore.
  bool ignore_difficult = false;
  // All of these may be empty; their sections are then left out.
  std::vector<TrainingCurve> training;
  std::string config;
  std::vector<std::pair<std::string, std::string>> environment;
  std::vector<std::string> commands;  // that repeat the evaluation, one per line
  // Examples of errors and of suspected labels, at most.
  int64_t max_examples = 140;
  int64_t max_suspects = 60;
  // 0: all cores.
  int threads = 0;
};

}  // namespace rcnn::eval

#endif  // RCNN_EVAL_HTML_REPORT_INPUT_H_
