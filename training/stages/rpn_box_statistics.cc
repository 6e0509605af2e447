#include "rcnn/training/stages/rpn_box_statistics.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <vector>

#include "rcnn/base/status_macros.h"
#include "rcnn/data/loader/sample_transform.h"
#include "rcnn/training/trainer/map_sizes.h"

namespace rcnn::training {
namespace {

using detection::GroundTruth;

// Maps [1, 1, H_l, W_l] without contents.
std::vector<at::Tensor> MakeMaps(MapSizes& sizes, int64_t height, int64_t width) {
  const std::vector<int64_t>& heights = sizes.Heights(height);
  const std::vector<int64_t>& widths = sizes.Widths(width);
  std::vector<at::Tensor> maps;
  for (size_t level = 0; level < heights.size(); ++level) {
    maps.push_back(at::zeros({1}).expand({1, 1, heights[level], widths[level]}));
  }
  return maps;
}

GroundTruth MakeGroundTruth(const data::Dataset& dataset, int64_t index,
                            const data::ImageInfo& info, const data::SampleTransform& transform) {
  std::vector<float> boxes;
  std::vector<int64_t> labels;
  std::vector<uint8_t> hidden;
  for (const data::Object& object : dataset.objects(index)) {
    const data::Box box = transform.Apply(object.box, info, dataset.inclusive_boxes());
    boxes.insert(boxes.end(), {box.x1, box.y1, box.x2, box.y2});
    labels.push_back(object.label);
    hidden.push_back(object.crowd || object.difficult);
  }
  const auto count = static_cast<int64_t>(labels.size());
  return {at::tensor(boxes, at::kFloat).view({count, 4}), at::tensor(labels, at::kLong),
          at::tensor(hidden, at::kByte).to(at::kBool)};
}

int64_t RoundUp(int64_t length, int64_t multiple) {
  return (length + multiple - 1) / multiple * multiple;
}

struct Sums {
  int64_t count = 0;
  at::Tensor sum = at::zeros({4}, at::kDouble);
  at::Tensor squares = at::zeros({4}, at::kDouble);

  void Add(const at::Tensor& targets) {
    const at::Tensor values = targets.to(at::kDouble);
    count += values.size(0);
    sum += values.sum(0);
    squares += values.square().sum(0);
  }

  RpnBoxStatistics Result() const {
    RpnBoxStatistics none = {at::zeros({4}), at::ones({4})};
    if (count < 2) return none;
    const at::Tensor mean = sum / count;
    const at::Tensor std = (squares / count - mean.square()).clamp_min(0).sqrt();
    if ((std < 1e-8).any().item<bool>()) return none;
    return {mean.to(at::kFloat), std.to(at::kFloat)};
  }
};

absl::Status AddImage(const detection::FasterRcnn& model, const data::Dataset& dataset,
                      int64_t index, const configs::TransformConfig& config, MapSizes& sizes,
                      Sums& sums) {
  const data::ImageInfo info = dataset.image(index);
  RCNN_ASSIGN_OR_RETURN(data::SampleTransform transform, data::EvaluationTransform(config, info));
  const int64_t height = RoundUp(transform.height, config.pad_to_multiple_px());
  const int64_t width = RoundUp(transform.width, config.pad_to_multiple_px());
  const std::vector<at::Tensor> maps = MakeMaps(sizes, height, width);
  const detection::InputSizes input = {{static_cast<float>(transform.height),
                                        static_cast<float>(transform.width),
                                        static_cast<float>(transform.scale_y)}};
  const int across = config.flip() == configs::TransformConfig::NEVER ? 1 : 2;
  const int passes = config.flip_vertically() ? 2 * across : across;
  for (int pass = 0; pass < passes; ++pass) {
    transform.flipped = pass % across == 1;
    transform.flipped_vertically = pass / across == 1;
    sums.Add(model.rpn()->PositiveBoxTargets(maps, height, width, input,
                                             {MakeGroundTruth(dataset, index, info, transform)}));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<RpnBoxStatistics> MeasureRpnBoxTargets(detection::FasterRcnn& model,
                                                      const data::Dataset& dataset,
                                                      const configs::TransformConfig& transform) {
  at::NoGradGuard no_grad;
  MapSizes sizes(model);
  Sums sums;
  for (int64_t i = 0; i < dataset.size(); ++i) {
    if (dataset.objects(i).empty()) continue;
    RCNN_RETURN_IF_ERROR(AddImage(model, dataset, i, transform, sizes, sums));
  }
  return sums.Result();
}

}  // namespace rcnn::training
