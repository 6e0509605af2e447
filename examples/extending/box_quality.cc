// A branch that predicts how well each RoI fits its object, registered as "box_quality":
//   branch { name: "box_quality" }
//
// One linear layer on the RoI's pooled features gives the logit of its IoU with the object.
// Detections get it as extra["box_quality"], [N] in [0, 1].
//
// Source: Jiang et al., IoU-Net, arXiv:1807.11590, Sec. 3.1, reduced to one layer.

#include <ATen/ATen.h>

#include <memory>

#include "absl/status/statusor.h"
#include "rcnn/detection/layers.h"
#include "rcnn/detection/pool_rois.h"
#include "rcnn/detection/roi_branch.h"
#include "rcnn/ops/boxes.h"
#include "rcnn/ops/roi_align.h"

namespace rcnn::examples {
namespace {

using detection::BatchFeatures;
using detection::Detections;
using detection::FeatureMaps;
using detection::GroundTruths;
using detection::Losses;
using detection::RoiSamples;

class BoxQuality : public detection::RoiBranch {
 public:
  explicit BoxQuality(const detection::FeatureLevel& level) : stride_(level.stride) {
    detection::Init init;
    init.kind = detection::Init::kNormal;
    init.stddev = 0.01;
    logit_ = detection::AddLinear(*this, "logit", level.channels * kBins * kBins, 1, init);
  }

  Losses ComputeLosses(const BatchFeatures& maps, const RoiSamples& samples,
                       const GroundTruths& truths, at::Generator) const override {
    const at::Tensor logits = Predict(maps, samples.rois);
    const at::Tensor loss = at::binary_cross_entropy_with_logits(logits, BestIou(samples, truths));
    return {{{"box_quality", loss}}, {}};
  }

  void Detect(const BatchFeatures& maps, int64_t image, const at::Tensor& boxes,
              Detections& detections) const override {
    const at::Tensor index = at::full({boxes.size(0), 1}, static_cast<double>(image));
    // Detections are on the CPU, whatever the device of the maps.
    const at::Tensor rois = at::cat({index, boxes}, 1).to(maps.parts[0].levels[0].device());
    detections.extra["box_quality"] = Predict(maps, rois).sigmoid().cpu();
  }

 private:
  static constexpr int64_t kBins = 3;

  // The logits [R] of RoIs [R, 5] on the first map.
  at::Tensor Predict(const BatchFeatures& maps, const at::Tensor& rois) const {
    const double scale = 1.0 / static_cast<double>(stride_);
    const auto pool = [&](const FeatureMaps& part, const at::Tensor& own) {
      return ops::RoiAlign(part.levels[0], own, {kBins, kBins, scale});
    };
    const at::Tensor pooled = detection::PoolRois(maps, rois, pool);
    return logit_->Forward(pooled.flatten(1)).squeeze(1);
  }

  // The IoU [R] of each RoI with the object of its image that it overlaps most; 0 without objects.
  static at::Tensor BestIou(const RoiSamples& samples, const GroundTruths& truths) {
    const at::Tensor image = samples.rois.select(1, 0);
    at::Tensor best = at::zeros({samples.rois.size(0)}, samples.rois.options());
    for (size_t b = 0; b < truths.size(); ++b) {
      if (truths[b].boxes.size(0) == 0) continue;
      const at::Tensor iou = ops::BoxIou(samples.rois.slice(1, 1), truths[b].boxes).amax(1);
      best = at::where(image == static_cast<int64_t>(b), iou, best);
    }
    return best;
  }

  int64_t stride_;
  std::shared_ptr<detection::Linear> logit_;
};

absl::StatusOr<std::shared_ptr<detection::RoiBranch>> MakeBoxQuality(
    const detection::RoiBranchInput& input) {
  return std::make_shared<BoxQuality>(input.levels.front());
}

const bool kRegistered = detection::RegisterRoiBranch("box_quality", &MakeBoxQuality);

}  // namespace
}  // namespace rcnn::examples
