#include "rcnn/training/trainer/losses.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cstdint>
#include <exception>
#include <memory>
#include <utility>

#include "rcnn/detection/counted_truths.h"
#include "rcnn/detection/device_copy.h"
#include "rcnn/detection/fast_rcnn_head.h"
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
using detection::TrainingNetwork;
using detection::TrainingTargets;

StepLosses MakeStep(const detection::Losses& losses) {
  const at::Tensor total = losses.Total();
  return {total,
          losses.parts,
          {losses.counts.begin(), losses.counts.end()},
          losses.unread_counts,
          losses.finite,
          !total.is_cpu()};
}

// The one place where the form of the samples is chosen.
bool HasFixedSize(const FasterRcnn& model, const at::Device& device, Sampling sampling) {
  return sampling == Sampling::kFixedSize || (device.is_cuda() && !model.has_branches());
}

BatchFeatures ComputeFeatures(const FasterRcnn& model, FrozenFeatures* frozen,
                              const data::Batch& batch, const at::Device& device) {
  return frozen != nullptr ? frozen->Maps(batch) : model.Features(MakeImages(batch, device));
}

// Samples RoIs in pixels of the stored images, and returns them in pixels of the
// input. All on the CPU, where the batch is.
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

// On the device of a network. With `fixed_size` the ground truth is in tensors of a fixed size.
TrainingTargets MakeTargets(const data::Batch& batch, const at::Device& device, bool fixed_size) {
  TrainingTargets targets = {MakeInputSizes(batch), {}};
  if (!fixed_size) {
    targets.truths = TruthsOn(device, batch);
    return targets;
  }
  targets.counted = detection::CountTruths(MakeGroundTruths(batch), targets.sizes, device);
  return targets;
}

// With the sizes of the maps of other processes' images.
TrainingTargets MakeTargets(const data::Batch& batch, const at::Device& device, bool fixed_size,
                            MapSizes& map_sizes) {
  TrainingTargets targets = MakeTargets(batch, device, fixed_size);
  if (!OwnImages(batch)) return targets;
  for (const data::BatchImage& entry : batch.entries) {
    targets.extents.push_back(map_sizes.Extents(SizeOfInput(entry)));
  }
  return targets;
}

bool TakesNoImage(const data::Batch& batch) { return batch.images.size(0) == 0; }

RoiSamples OfOwnImages(RoiSamples samples, const OptionalRange& own) {
  return own ? detection::SamplesOfImages(samples, *own) : std::move(samples);
}

// Joint training where several ranks share a batch.
struct SharedTraining {
  std::shared_ptr<FasterRcnn> model;
  std::shared_ptr<ProposalExchange> exchange;
  at::Device device;
  bool fixed_size = false;
  std::shared_ptr<MapSizes> map_sizes;
};

// The first half of a step, and the targets that it was computed for.
struct FirstHalf {
  TrainingTargets targets;
  detection::JointRpnPass pass;
};

// The other ranks of the batch wait for this one's proposals, even if it has none.
FirstHalf ComputeJointRpn(const SharedTraining& shared, const data::Batch& batch,
                          const at::Generator& generator) {
  if (TakesNoImage(batch)) return {};
  try {
    FirstHalf half;
    half.targets = MakeTargets(batch, shared.device, shared.fixed_size, *shared.map_sizes);
    half.pass = shared.model->ComputeJointRpn(MakeImages(batch, shared.device), half.targets,
                                              generator, OwnImages(batch));
    return half;
  } catch (const std::exception&) {
    shared.exchange->Abandon();
    throw;
  }
}

// Rows of zeros fill what the images lack. With the capacity of one process, so that the shapes
// are those of one process.
RoiSamples SampleCounted(const detection::FastRcnnHead& head, const SharedProposals& proposals,
                         const detection::CountedTruths& truths, const at::Generator& generator) {
  const auto images = static_cast<int64_t>(proposals.images.size());
  const at::Tensor boxes = at::zeros({images, std::max<int64_t>(proposals.capacity, 1), 4});
  const at::Tensor counts = at::empty({images}, at::kLong);
  for (int64_t b = 0; b < images; ++b) {
    const at::Tensor& of_image = proposals.images[static_cast<size_t>(b)];
    boxes[b].narrow(0, 0, of_image.size(0)).copy_(of_image);
    counts.data_ptr<int64_t>()[b] = of_image.size(0);
  }
  const at::Device device = truths.boxes.device();
  return head.SampleCounted(detection::CopyToDevice(boxes, device),
                            detection::CopyToDevice(counts, device), truths, generator);
}

// Of all images of the batch.
RoiSamples SampleRois(const SharedTraining& shared, SharedProposals proposals,
                      const TrainingTargets& targets, const at::Generator& generator) {
  const detection::FastRcnnHead& head = *shared.model->head();
  if (targets.counted) return SampleCounted(head, proposals, *targets.counted, generator);
  for (at::Tensor& boxes : proposals.images) boxes = boxes.to(shared.device);
  return head.Sample(proposals.images, targets.truths, generator);
}

StepLosses JointLossOfPart(const SharedTraining& shared, const data::Batch& batch,
                           const at::Generator& generator) {
  FirstHalf half = ComputeJointRpn(shared, batch, generator);
  SharedProposals proposals =
      shared.exchange->ShareCounted(half.pass.proposals, half.pass.proposal_capacity);
  if (TakesNoImage(batch)) return {};
  const RoiSamples samples = OfOwnImages(
      SampleRois(shared, std::move(proposals), half.targets, generator), OwnImages(batch));
  half.pass.losses.Append(
      shared.model->ComputeHeadLosses(half.pass.maps, samples, half.targets.truths, generator));
  return MakeStep(half.pass.losses);
}

}  // namespace

LossFunction MakeRpnLoss(std::shared_ptr<FasterRcnn> model, std::shared_ptr<FrozenFeatures> frozen,
                         Sampling sampling, std::shared_ptr<TrainingNetwork> network) {
  const at::Device device = detection::ModuleDevice(*model);
  const bool fixed_size = HasFixedSize(*model, device, sampling);
  const auto map_sizes = std::make_shared<MapSizes>(*model);
  return [=](const data::Batch& batch, const at::Generator& generator) {
    if (TakesNoImage(batch)) return StepLosses();
    const TrainingTargets targets = MakeTargets(batch, device, fixed_size, *map_sizes);
    const OptionalRange own = OwnImages(batch);
    if (network != nullptr) {
      const detection::NetworkOutput output = network->Forward(MakeImages(batch, device));
      return MakeStep(model->ComputeRpnLosses(output, targets, generator, own));
    }
    const BatchFeatures maps = ComputeFeatures(*model, frozen.get(), batch, device);
    return MakeStep(model->ComputeRpnLosses(maps, targets, generator, own));
  };
}

LossFunction MakeFastRcnnLoss(std::shared_ptr<FasterRcnn> model,
                              std::shared_ptr<FrozenFeatures> frozen, Sampling sampling,
                              std::shared_ptr<TrainingNetwork> network) {
  const at::Device device = detection::ModuleDevice(*model);
  const bool fixed_size = HasFixedSize(*model, device, sampling);
  return [=](const data::Batch& batch, const at::Generator& generator) {
    if (TakesNoImage(batch)) return StepLosses();
    RoiSamples samples =
        OfOwnImages(SampleInStoredPixels(*model->head(), batch, generator), OwnImages(batch));
    if (fixed_size) samples = CountRois(samples, batch.images.size(0));
    const BatchFeatures maps = network != nullptr
                                   ? network->Forward(MakeImages(batch, device)).maps
                                   : ComputeFeatures(*model, frozen.get(), batch, device);
    const GroundTruths truths = fixed_size ? GroundTruths() : TruthsOn(device, batch);
    return MakeStep(model->ComputeHeadLosses(maps, ToDevice(samples, device), truths, generator));
  };
}

LossFunction MakeSharedJointLoss(std::shared_ptr<FasterRcnn> model,
                                 std::shared_ptr<ProposalExchange> exchange, Sampling sampling) {
  const at::Device device = detection::ModuleDevice(*model);
  const bool fixed_size = HasFixedSize(*model, device, sampling);
  const auto map_sizes = std::make_shared<MapSizes>(*model);
  const SharedTraining shared = {std::move(model), std::move(exchange), device, fixed_size,
                                 map_sizes};
  return [shared](const data::Batch& batch, const at::Generator& generator) {
    return JointLossOfPart(shared, batch, generator);
  };
}

LossFunction MakeJointLoss(std::shared_ptr<FasterRcnn> model, Sampling sampling,
                           std::shared_ptr<TrainingNetwork> network) {
  const at::Device device = detection::ModuleDevice(*model);
  const bool fixed_size = HasFixedSize(*model, device, sampling);
  return [=](const data::Batch& batch, const at::Generator& generator) {
    const TrainingTargets targets = MakeTargets(batch, device, fixed_size);
    const detection::BatchMap images = MakeImages(batch, device);
    return MakeStep(network != nullptr
                        ? model->ComputeLosses(network->Forward(images), targets, generator)
                        : model->ComputeLosses(images, targets, generator));
  };
}

}  // namespace rcnn::training
