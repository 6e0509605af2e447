#include "rcnn/training/stages/detect_all.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/data/loader/batch.h"
#include "rcnn/detection/batch_map.h"
#include "rcnn/detection/device_copy.h"
#include "rcnn/detection/graphed_network.h"
#include "rcnn/detection/module_device.h"
#include "rcnn/detection/targets.h"
#include "rcnn/training/stages/image_groups.h"
#include "rcnn/training/stages/image_passage.h"
#include "rcnn/training/stages/inferred_image.h"
#include "rcnn/training/trainer/batch_targets.h"

namespace rcnn::training {
namespace {

// The loader's proposals of all images of a batch; RoIs on `device`.
ops::Proposals StoredProposals(const data::Batch& batch, const at::Device& device) {
  std::vector<at::Tensor> rois, scores;
  std::vector<int64_t> counts;
  for (const data::BatchImage& entry : batch.entries) {
    const int64_t count = entry.proposals.size(0);
    const at::Tensor image = at::full({count, 1}, static_cast<double>(counts.size()), at::kFloat);
    rois.push_back(at::cat({image, entry.proposals}, 1));
    scores.push_back(entry.proposal_scores);
    counts.push_back(count);
  }
  return {detection::CopyToDevice(at::cat(rois), device), at::cat(scores), at::tensor(counts)};
}

// Whether the RPN is a part of the detector.
bool IsOneNetwork(const DetectionNetworks& networks) {
  return networks.rpn != nullptr && networks.rpn == networks.detector;
}

// The maps and proposals of a batch.
struct MapsAndProposals {
  detection::BatchFeatures maps;
  ops::Proposals proposals;
};

// `graphed`, of the detector, is used if that has the RPN too.
MapsAndProposals TakeProposals(const DetectionNetworks& networks,
                               detection::GraphedNetwork& graphed, const data::Batch& batch) {
  const at::Device device = detection::ModuleDevice(*networks.detector);
  const detection::BatchMap images = MakeInputs(batch, device);
  const detection::InputSizes sizes = MakeInputSizes(batch);
  if (IsOneNetwork(networks)) {
    detection::NetworkOutput output = graphed.Forward(images);
    const configs::ProposalsConfig& limits = networks.rpn->config().rpn().test_proposals();
    return {std::move(output.maps), networks.rpn->rpn()->Propose(output.rpn, sizes, limits)};
  }
  MapsAndProposals found;
  found.maps = networks.detector->Features(images);
  if (networks.rpn != nullptr) {
    found.proposals = networks.rpn->Propose(images, sizes);
  } else {
    found.proposals = StoredProposals(batch, device);
  }
  return found;
}

void Append(const detection::Detections& found, const data::BatchImage& entry,
            const data::Dataset& dataset, eval::Detections& all) {
  const auto boxes = found.boxes.accessor<float, 2>();
  const auto scores = found.scores.accessor<float, 1>();
  const auto labels = found.labels.accessor<int64_t, 1>();
  // An inclusive box ends after its last pixel.
  const double extra = dataset.inclusive_boxes() ? 1 : 0;
  for (int64_t i = 0; i < found.labels.size(0); ++i) {
    eval::Detection detection;
    detection.image_id = entry.info.id;
    detection.category_id = dataset.classes().category_ids[static_cast<size_t>(labels[i] - 1)];
    const double x = boxes[i][0], y = boxes[i][1];
    detection.box = {x, y, boxes[i][2] - x + extra, boxes[i][3] - y + extra};
    detection.score = scores[i];
    all.Add(detection);
  }
}

std::vector<InferredImage> DetectBatch(const DetectionNetworks& networks,
                                       detection::GraphedNetwork& graphed,
                                       const data::Dataset& dataset, const data::Batch& batch,
                                       bool with_proposals) {
  at::NoGradGuard no_grad;
  const detection::InputSizes sizes = MakeInputSizes(batch);
  std::vector<detection::Detections> found;
  std::vector<InferredProposals> proposals_of_each;
  if (IsOneNetwork(networks) && !with_proposals) {
    // Does not wait for the number of proposals.
    const at::Device device = detection::ModuleDevice(*networks.detector);
    found = graphed.Detect(MakeInputs(batch, device), sizes, OriginalSizes(batch));
  } else {
    const auto [maps, proposals] = TakeProposals(networks, graphed, batch);
    found = networks.detector->Detect(maps, proposals.rois, sizes, OriginalSizes(batch));
    if (with_proposals) proposals_of_each = SplitProposals(proposals, batch);
  }
  std::vector<InferredImage> images(found.size());
  for (size_t b = 0; b < images.size(); ++b) {
    Append(found[b], batch.entries[b], dataset, images[b].detections);
    if (with_proposals) images[b].proposals = std::move(proposals_of_each[b]);
  }
  return images;
}

}  // namespace

absl::StatusOr<eval::Detections> DetectAll(const DetectionNetworks& networks,
                                           std::shared_ptr<const data::Dataset> dataset,
                                           const InferenceOptions& options) {
  if (options.started) options.started(0);
  ImagePassage passage;
  passage.device = detection::ModuleDevice(*networks.detector);
  passage.keep_bytes = !passage.device.is_cpu();
  detection::GraphedNetwork graphed(*networks.detector,
                                    IsOneNetwork(networks) ? options.max_graphs : 0);
  eval::Detections all;
  RCNN_RETURN_IF_ERROR(PassImages(
      dataset, networks.detector->config(), passage, options,
      [&](data::Batch& batch) {
        return graphed.WithinMemory([&] {
          return DetectBatch(networks, graphed, *dataset, batch, options.take_proposals != nullptr);
        });
      },
      [&](InferredImage& found) {
        all.Append(found.detections);
        if (options.take_proposals) options.take_proposals(std::move(found.proposals));
        return absl::OkStatus();
      }));
  return all;
}

}  // namespace rcnn::training
