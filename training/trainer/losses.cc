#include "rcnn/training/trainer/losses.h"

#include <ATen/ATen.h>

#include <exception>
#include <memory>
#include <utility>

#include "rcnn/detection/counted_truths.h"
#include "rcnn/detection/module_device.h"
#include "rcnn/training/trainer/batch_targets.h"
#include "rcnn/training/trainer/device_targets.h"
#include "rcnn/training/trainer/map_sizes.h"

namespace rcnn::training {
namespace {

using detection::BatchFeatures;
using detection::FasterRcnn;
using detection::GroundTruths;
using detection::OptionalRange;
using detection::RoiSamples;

StepLosses MakeStep(const detection::Losses& losses) {
  const at::Tensor total = losses.Total();
  return {total,
          losses.parts,
          {losses.counts.begin(), losses.counts.end()},
          losses.unread_counts,
          losses.finite,
          !total.is_cpu()};
}

// The one place where the sampling is chosen.
bool SamplesByCounters(const FasterRcnn& model, const at::Device& device, Sampling sampling) {
  return sampling == Sampling::kByCounters || (device.is_cuda() && !model.has_branches());
}

BatchFeatures ComputeFeatures(const FasterRcnn& model, FrozenFeatures* frozen,
                              const data::Batch& batch, const at::Device& device) {
  return frozen != nullptr ? frozen->Maps(batch) : model.Features(MakeImages(batch, device));
}

// Samples RoIs in pixels of the stored images, and returns them in pixels of the
// input. All on the CPU, where the batch is: so every device gets the same RoIs.
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

GroundTruths TruthsOn(const at::Device& device, const data::Batch& batch) {
  return ToDevice(MakeGroundTruths(batch), device);
}

// Not set where this process takes the whole batch.
OptionalRange OwnImages(const data::Batch& batch) {
  if (batch.images.size(0) == static_cast<int64_t>(batch.entries.size())) return c10::nullopt;
  return detection::ImageRange{batch.own_begin, batch.own_end()};
}

// With the sizes of the maps of other processes' images.
detection::TrainingTargets MakeTargets(const data::Batch& batch, MapSizes& map_sizes,
                                       const at::Device& device) {
  detection::TrainingTargets targets = {MakeInputSizes(batch), TruthsOn(device, batch)};
  if (!OwnImages(batch)) return targets;
  for (const data::BatchImage& entry : batch.entries) {
    targets.extents.push_back(map_sizes.Extents(SizeOfInput(entry)));
  }
  return targets;
}

// For samples by counters.
detection::TrainingTargets MakeCountedTargets(const data::Batch& batch, const at::Device& device) {
  detection::TrainingTargets targets = {MakeInputSizes(batch), {}};
  targets.counted =
      detection::CountTruths(MakeGroundTruths(batch), targets.sizes, ImageIds(batch), device);
  return targets;
}

bool TakesNoImage(const data::Batch& batch) { return batch.images.size(0) == 0; }

RoiSamples OfOwnImages(RoiSamples samples, const OptionalRange& own) {
  return own ? detection::SamplesOfImages(samples, *own) : std::move(samples);
}

// The other ranks of the batch wait for this one's proposals, even if it has none.
detection::JointRpnPass ComputeJointRpn(const FasterRcnn& model, const data::Batch& batch,
                                        const at::Device& device, MapSizes& map_sizes,
                                        const at::Generator& generator,
                                        ProposalExchange& exchange) {
  if (TakesNoImage(batch)) return {};
  try {
    return model.ComputeJointRpn(MakeImages(batch, device), MakeTargets(batch, map_sizes, device),
                                 generator, OwnImages(batch));
  } catch (const std::exception&) {
    exchange.Abandon();
    throw;
  }
}

StepLosses JointLossOfPart(const FasterRcnn& model, const data::Batch& batch,
                           const at::Device& device, MapSizes& map_sizes,
                           const at::Generator& generator, ProposalExchange& exchange) {
  detection::JointRpnPass pass =
      ComputeJointRpn(model, batch, device, map_sizes, generator, exchange);
  std::vector<at::Tensor> proposals = exchange.Share(pass.proposals);
  if (TakesNoImage(batch)) return {};
  for (at::Tensor& boxes : proposals) boxes = boxes.to(device);
  const GroundTruths truths = TruthsOn(device, batch);
  const RoiSamples samples =
      OfOwnImages(model.head()->Sample(proposals, truths, generator), OwnImages(batch));
  pass.losses.Append(model.ComputeHeadLosses(pass.maps, samples, truths, generator));
  return MakeStep(pass.losses);
}

}  // namespace

LossFunction MakeRpnLoss(std::shared_ptr<FasterRcnn> model, std::shared_ptr<FrozenFeatures> frozen,
                         Sampling sampling) {
  const at::Device device = detection::ModuleDevice(*model);
  const bool by_counters = SamplesByCounters(*model, device, sampling);
  const auto map_sizes = std::make_shared<MapSizes>(*model);
  return [model, frozen, device, by_counters, map_sizes](const data::Batch& batch,
                                                         const at::Generator& generator) {
    if (TakesNoImage(batch)) return StepLosses();
    return MakeStep(model->ComputeRpnLosses(
        ComputeFeatures(*model, frozen.get(), batch, device),
        by_counters ? MakeCountedTargets(batch, device) : MakeTargets(batch, *map_sizes, device),
        generator, OwnImages(batch)));
  };
}

LossFunction MakeFastRcnnLoss(std::shared_ptr<FasterRcnn> model,
                              std::shared_ptr<FrozenFeatures> frozen, Sampling sampling) {
  const at::Device device = detection::ModuleDevice(*model);
  const bool by_counters = SamplesByCounters(*model, device, sampling);
  return [model, frozen, device, by_counters](const data::Batch& batch,
                                              const at::Generator& generator) {
    if (TakesNoImage(batch)) return StepLosses();
    RoiSamples samples =
        OfOwnImages(SampleInStoredPixels(*model->head(), batch, generator), OwnImages(batch));
    if (by_counters) samples = CountRois(samples, batch.images.size(0));
    const BatchFeatures maps = ComputeFeatures(*model, frozen.get(), batch, device);
    const GroundTruths truths = by_counters ? GroundTruths() : TruthsOn(device, batch);
    return MakeStep(model->ComputeHeadLosses(maps, ToDevice(samples, device), truths, generator));
  };
}

LossFunction MakeSharedJointLoss(std::shared_ptr<FasterRcnn> model,
                                 std::shared_ptr<ProposalExchange> exchange) {
  const at::Device device = detection::ModuleDevice(*model);
  const auto map_sizes = std::make_shared<MapSizes>(*model);
  return [model, exchange, device, map_sizes](const data::Batch& batch,
                                              const at::Generator& generator) {
    return JointLossOfPart(*model, batch, device, *map_sizes, generator, *exchange);
  };
}

LossFunction MakeJointLoss(std::shared_ptr<FasterRcnn> model, Sampling sampling) {
  const at::Device device = detection::ModuleDevice(*model);
  const bool by_counters = SamplesByCounters(*model, device, sampling);
  return [model, device, by_counters](const data::Batch& batch, const at::Generator& generator) {
    const detection::TrainingTargets targets =
        by_counters ? MakeCountedTargets(batch, device)
                    : detection::TrainingTargets{MakeInputSizes(batch), TruthsOn(device, batch)};
    return MakeStep(model->ComputeLosses(MakeImages(batch, device), targets, generator));
  };
}

}  // namespace rcnn::training
