#include "rcnn/training/stages/box_statistics.h"

#include <ATen/ATen.h>

#include <vector>

#include "rcnn/base/status_macros.h"
#include "rcnn/detection/config_options.h"
#include "rcnn/ops/box_coder.h"
#include "rcnn/ops/matcher.h"

namespace rcnn::training {
namespace {

struct Objects {
  at::Tensor boxes;   // [G, 4]
  at::Tensor labels;  // [G]
};

Objects CollectObjects(const data::Dataset& dataset, int64_t index) {
  std::vector<data::Box> boxes;
  std::vector<int64_t> labels;
  for (const data::Object& object : dataset.objects(index)) {
    if (object.crowd || object.difficult) continue;
    boxes.push_back(object.box);
    labels.push_back(object.label);
  }
  const auto count = static_cast<int64_t>(boxes.size());
  return {at::from_blob(boxes.data(), {count, 4}, at::kFloat).clone(),
          at::tensor(labels, at::kLong)};
}

at::Tensor Candidates(const data::ImageProposals& proposals, const Objects& objects, bool add) {
  const auto count = static_cast<int64_t>(proposals.boxes.size());
  const at::Tensor boxes =
      at::from_blob(const_cast<data::Box*>(proposals.boxes.data()), {count, 4}, at::kFloat);
  return add ? at::cat({boxes, objects.boxes}) : boxes.clone();
}

// Sums of targets and of their squares, by class.
class Sums {
 public:
  explicit Sums(int64_t classes)
      : count_(at::zeros({classes, 1}, at::kDouble)),
        sum_(at::zeros({classes, 4}, at::kDouble)),
        squares_(at::zeros({classes, 4}, at::kDouble)) {}

  void Add(const at::Tensor& targets, const at::Tensor& labels) {
    const at::Tensor values = targets.to(at::kDouble);
    count_.index_add_(0, labels, at::ones({labels.size(0), 1}, at::kDouble));
    sum_.index_add_(0, labels, values);
    squares_.index_add_(0, labels, values.square());
  }

  BoxStatistics Result() const {
    const at::Tensor counts = count_.clamp_min(1);
    at::Tensor mean = sum_ / counts;
    at::Tensor std = (squares_ / counts - mean.square()).clamp_min(0).sqrt();
    const at::Tensor constant = (std < 1e-8).any(1, /*keepdim=*/true).logical_or(count_ < 2);
    mean = at::where(constant, at::zeros_like(mean), mean);
    std = at::where(constant, at::ones_like(std), std);
    return {mean.to(at::kFloat), std.to(at::kFloat)};
  }

 private:
  at::Tensor count_, sum_, squares_;
};

ops::MatcherOptions MakeMatcherOptions(const configs::HeadConfig& head) {
  ops::MatcherOptions matcher;
  matcher.foreground_iou = head.targets().foreground_iou();
  matcher.background_max_iou = head.targets().foreground_iou();
  matcher.match_best_of_each_gt = false;
  matcher.inclusive = head.box_coder().inclusive_corners();
  return matcher;
}

// The factors of a target in each version of an image: unchanged, then flipped.
std::vector<at::Tensor> Signs(const BoxStatisticsOptions& options) {
  std::vector<at::Tensor> signs;
  for (const float y : {1.0f, -1.0f}) {
    for (const float x : {1.0f, -1.0f}) {
      if ((x > 0 || options.mirrored) && (y > 0 || options.upside_down)) {
        signs.push_back(at::tensor({x, y, 1.0f, 1.0f}));
      }
    }
  }
  return signs;
}

}  // namespace

absl::StatusOr<BoxStatistics> MeasureBoxTargets(const data::Dataset& dataset,
                                                const data::ProposalFile& proposals,
                                                const configs::HeadConfig& head,
                                                const BoxStatisticsOptions& options) {
  RCNN_ASSIGN_OR_RETURN(const ops::BoxCoderOptions coder,
                        detection::MakeBoxCoderOptions(head.box_coder(), "head.box_coder"));
  Sums sums(dataset.classes().size() + 1);
  for (int64_t i = 0; i < dataset.size(); ++i) {
    const Objects objects = CollectObjects(dataset, i);
    if (objects.labels.size(0) == 0) continue;
    RCNN_ASSIGN_OR_RETURN(data::ImageProposals found, proposals.Get(i));
    if (options.max_proposals > 0) found = found.First(options.max_proposals);
    const at::Tensor boxes = Candidates(found, objects, head.targets().add_ground_truth());
    const ops::Matches matches = ops::MatchBoxes(boxes, objects.boxes, MakeMatcherOptions(head));
    const at::Tensor rows = (matches.labels == ops::kForeground).nonzero().squeeze(1);
    const at::Tensor gt = matches.gt_index.index_select(0, rows);
    const at::Tensor targets =
        ops::EncodeBoxes(boxes.index_select(0, rows), objects.boxes.index_select(0, gt), coder);
    const at::Tensor labels = objects.labels.index_select(0, gt);
    for (const at::Tensor& sign : Signs(options)) sums.Add(targets * sign, labels);
  }
  return sums.Result();
}

}  // namespace rcnn::training
