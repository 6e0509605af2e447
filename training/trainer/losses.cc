#include "rcnn/training/trainer/losses.h"

#include <ATen/ATen.h>

#include "rcnn/training/trainer/batch_targets.h"

namespace rcnn::training {
namespace {

using detection::FasterRcnn;
using detection::GroundTruths;
using detection::HeadLosses;
using detection::RoiSamples;
using detection::RpnLosses;

void Add(const RpnLosses& losses, StepLosses& step) {
  step.parts.emplace_back("rpn_objectness", losses.objectness);
  step.parts.emplace_back("rpn_box", losses.box);
  step.counts.emplace_back("anchors_positive", losses.positives);
  step.counts.emplace_back("anchors_negative", losses.negatives);
}

void Add(const HeadLosses& losses, StepLosses& step) {
  step.parts.emplace_back("head_classes", losses.classes);
  step.parts.emplace_back("head_box", losses.box);
  step.counts.emplace_back("rois_positive", losses.positives);
  step.counts.emplace_back("rois_negative", losses.negatives);
}

StepLosses Summed(StepLosses step) {
  for (const auto& [name, part] : step.parts) {
    step.total = step.total.defined() ? step.total + part : part;
  }
  return step;
}

std::vector<at::Tensor> ComputeFeatures(const FasterRcnn& model, FrozenFeatures* frozen,
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

}  // namespace

ComputeLosses RpnTraining(std::shared_ptr<FasterRcnn> model,
                          std::shared_ptr<FrozenFeatures> frozen) {
  return [model, frozen](const data::Batch& batch, const at::Generator& generator) {
    StepLosses step;
    Add(model->ComputeRpnLosses(ComputeFeatures(*model, frozen.get(), batch), batch.images.size(2),
                                batch.images.size(3), MakeImageInfo(batch), MakeGroundTruths(batch),
                                generator),
        step);
    return Summed(std::move(step));
  };
}

ComputeLosses FastRcnnTraining(std::shared_ptr<FasterRcnn> model,
                               std::shared_ptr<FrozenFeatures> frozen) {
  return [model, frozen](const data::Batch& batch, const at::Generator& generator) {
    const detection::FastRcnnHead& head = *model->head();
    const RoiSamples samples = SampleInStoredPixels(head, batch, generator);
    const std::vector<at::Tensor> maps = ComputeFeatures(*model, frozen.get(), batch);
    StepLosses step;
    Add(head.Losses(head.Forward(maps, samples.rois, generator), samples), step);
    return Summed(std::move(step));
  };
}

ComputeLosses JointTraining(std::shared_ptr<FasterRcnn> model) {
  return [model](const data::Batch& batch, const at::Generator& generator) {
    const detection::JointLosses losses =
        model->Losses(batch.images, MakeImageInfo(batch), MakeGroundTruths(batch), generator);
    StepLosses step;
    Add(losses.rpn, step);
    Add(losses.head, step);
    return Summed(std::move(step));
  };
}

}  // namespace rcnn::training
