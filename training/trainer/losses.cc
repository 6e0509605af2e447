#include "rcnn/training/trainer/losses.h"

#include <ATen/ATen.h>

#include "rcnn/training/trainer/batch_targets.h"

namespace rcnn::training {
namespace {

using detection::FasterRcnn;
using detection::FeatureMaps;
using detection::GroundTruths;
using detection::RoiSamples;

StepLosses MakeStep(const detection::Losses& losses) {
  const at::Tensor total = losses.Total();
  return {total,
          losses.parts,
          {losses.counts.begin(), losses.counts.end()},
          losses.finite,
          !total.is_cpu()};
}

FeatureMaps ComputeFeatures(const FasterRcnn& model, FrozenFeatures* frozen,
                            const data::Batch& batch) {
  return frozen != nullptr ? frozen->Maps(batch) : model.Features(batch.images);
}

// Samples RoIs in pixels of the stored images, and returns them in pixels of the
// input.
RoiSamples SampleInStoredPixels(const detection::FastRcnnHead& head, const data::Batch& batch,
                                const at::Generator& generator) {
  GroundTruths truths = MakeGroundTruths(batch);
  std::vector<at::Tensor> proposals;
  std::vector<at::Tensor> scales;
  for (size_t b = 0; b < truths.size(); ++b) {
    const data::BatchImage& entry = batch.entries[b];
    truths[b].boxes = ToStoredPixels(truths[b].boxes, entry);
    proposals.push_back(ToStoredPixels(entry.proposals, entry));
    const auto x = static_cast<float>(entry.scale_x), y = static_cast<float>(entry.scale_y);
    scales.push_back(at::tensor({1.0f, x, y, x, y}));
  }
  RoiSamples samples = head.Sample(proposals, truths, generator);
  samples.rois =
      samples.rois * at::stack(scales).index_select(0, samples.rois.select(1, 0).to(at::kLong));
  return samples;
}

detection::TrainingTargets MakeTargets(const data::Batch& batch) {
  return {MakeInputSizes(batch), MakeGroundTruths(batch)};
}

}  // namespace

LossFunction MakeRpnLoss(std::shared_ptr<FasterRcnn> model,
                         std::shared_ptr<FrozenFeatures> frozen) {
  return [model, frozen](const data::Batch& batch, const at::Generator& generator) {
    return MakeStep(model->ComputeRpnLosses(ComputeFeatures(*model, frozen.get(), batch),
                                            MakeTargets(batch), generator));
  };
}

LossFunction MakeFastRcnnLoss(std::shared_ptr<FasterRcnn> model,
                              std::shared_ptr<FrozenFeatures> frozen) {
  return [model, frozen](const data::Batch& batch, const at::Generator& generator) {
    const RoiSamples samples = SampleInStoredPixels(*model->head(), batch, generator);
    const FeatureMaps maps = ComputeFeatures(*model, frozen.get(), batch);
    return MakeStep(model->ComputeHeadLosses(maps, samples, MakeGroundTruths(batch), generator));
  };
}

LossFunction MakeJointLoss(std::shared_ptr<FasterRcnn> model) {
  return [model](const data::Batch& batch, const at::Generator& generator) {
    return MakeStep(model->ComputeLosses(batch.images, MakeTargets(batch), generator));
  };
}

}  // namespace rcnn::training
