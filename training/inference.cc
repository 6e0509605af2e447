#include "rcnn/training/inference.h"

#include <ATen/ATen.h>

#include <exception>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "rcnn/base/exception_status.h"
#include "rcnn/base/shutdown.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/data/loader.h"
#include "rcnn/training/batch_targets.h"
#include "rcnn/training/unreadable_picture.h"

namespace rcnn::training {
namespace {

using detection::FasterRcnn;

absl::StatusOr<std::unique_ptr<data::Loader>> MakeLoader(
    std::shared_ptr<const data::Dataset> dataset, const configs::ModelConfig& model,
    const InferenceOptions& options, int64_t first) {
  data::LoaderOptions loader;
  loader.batches.mode = data::LoaderMode::kEvaluation;
  loader.batches.transform = options.transform;
  loader.contents.normalization = model.normalization();
  loader.contents.proposals = options.proposals;
  if (options.max_proposals > 0) {
    loader.contents.max_proposals = options.max_proposals;
  } else {
    loader.contents.max_proposals = std::numeric_limits<int32_t>::max();
  }
  loader.resources = options.loader;
  loader.first_iteration = first;
  return data::Loader::Create(std::move(dataset), loader);
}

absl::Status Failed(const data::Batch& batch, const std::exception& error) {
  const absl::Status status = ExceptionStatus(error, absl::StatusCode::kInternal);
  return {status.code(), absl::StrCat(batch.entries[0].info.name, ": ", status.message())};
}

// One batch of one picture: its mirror image.
void Mirror(data::Batch& batch) {
  data::BatchImage& entry = batch.entries[0];
  batch.images.narrow(3, 0, entry.width)
      .copy_(batch.images.narrow(3, 0, entry.width).clone().flip(3));
  entry.info.flipped = true;
}

PictureProposals ToPicture(const ops::Proposals& found, const data::BatchImage& entry) {
  const at::Tensor boxes = ToStoredPixels(found.rois.slice(1, 1), entry).contiguous();
  const auto rows = boxes.accessor<float, 2>();
  PictureProposals picture;
  for (int64_t i = 0; i < boxes.size(0); ++i) {
    picture.boxes.push_back({rows[i][0], rows[i][1], rows[i][2], rows[i][3]});
  }
  const at::Tensor scores = found.scores.contiguous();
  picture.scores.assign(scores.data_ptr<float>(), scores.data_ptr<float>() + scores.numel());
  return picture;
}

// [P, 5], of the only picture of a batch.
at::Tensor RoisOf(const at::Tensor& boxes) {
  return at::cat({at::zeros({boxes.size(0), 1}), boxes}, 1);
}

detection::Detections DetectOne(const DetectionNetworks& networks, const data::Batch& batch) {
  const at::Tensor info = ImageInfoOf(batch);
  const std::vector<ops::ImageSize> sizes = OriginalSizesOf(batch);
  if (networks.rpn == networks.detector) {
    return networks.detector->Detect(batch.images, info, sizes).front();
  }
  at::NoGradGuard no_grad;
  const at::Tensor rois = networks.rpn != nullptr ? networks.rpn->Propose(batch.images, info).rois
                                                  : RoisOf(batch.entries[0].proposals);
  const std::vector<at::Tensor> maps = networks.detector->Features(batch.images);
  return networks.detector->Detect(maps, rois, info, sizes).front();
}

void Append(const detection::Detections& found, const data::BatchImage& entry,
            const data::Dataset& dataset, eval::Detections& all) {
  const auto boxes = found.boxes.accessor<float, 2>();
  const auto scores = found.scores.accessor<float, 1>();
  const auto labels = found.labels.accessor<int64_t, 1>();
  // An inclusive box ends behind its last pixel.
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

ops::Proposals ProposeOne(const FasterRcnn& model, const configs::ProposalsConfig& limits,
                          const InferenceOptions& options, const data::Batch& batch) {
  const at::Tensor info = ImageInfoOf(batch);
  if (options.features == nullptr) return model.Propose(batch.images, info, limits);
  return model.Propose(options.features->Of(batch), batch.images.size(2), batch.images.size(3),
                       info, limits);
}

absl::StatusOr<data::Batch> NextOf(data::Loader& loader) {
  absl::StatusOr<data::Batch> batch = loader.Next();
  if (!batch.ok()) return UnreadablePicture(batch.status());
  return batch;
}

absl::Status CheckNotStopped() {
  if (!ShutdownRequested()) return absl::OkStatus();
  return absl::CancelledError("stopped; the same command goes on here");
}

}  // namespace

absl::Status ProposeAll(const FasterRcnn& model, std::shared_ptr<const data::Dataset> dataset,
                        const configs::ProposalsConfig& limits, const InferenceOptions& options,
                        int64_t first, bool mirrored,
                        absl::FunctionRef<absl::Status(const PictureProposals&)> take) {
  RCNN_ASSIGN_OR_RETURN(const auto loader, MakeLoader(dataset, model.config(), options, first));
  for (int64_t i = first; i < dataset->size(); ++i) {
    RCNN_RETURN_IF_ERROR(CheckNotStopped());
    RCNN_ASSIGN_OR_RETURN(data::Batch batch, NextOf(*loader));
    if (mirrored) Mirror(batch);
    PictureProposals picture;
    try {
      picture = ToPicture(ProposeOne(model, limits, options, batch), batch.entries[0]);
    } catch (const std::exception& error) {
      return Failed(batch, error);
    }
    RCNN_RETURN_IF_ERROR(take(picture), batch.entries[0].info.name);
    if (options.progress) options.progress(i + 1);
  }
  return absl::OkStatus();
}

absl::StatusOr<eval::Detections> DetectAll(const DetectionNetworks& networks,
                                           std::shared_ptr<const data::Dataset> dataset,
                                           const InferenceOptions& options) {
  RCNN_ASSIGN_OR_RETURN(const auto loader,
                        MakeLoader(dataset, networks.detector->config(), options, 0));
  eval::Detections all;
  for (int64_t i = 0; i < dataset->size(); ++i) {
    RCNN_RETURN_IF_ERROR(CheckNotStopped());
    RCNN_ASSIGN_OR_RETURN(const data::Batch batch, NextOf(*loader));
    try {
      Append(DetectOne(networks, batch), batch.entries[0], *dataset, all);
    } catch (const std::exception& error) {
      return Failed(batch, error);
    }
    if (options.progress) options.progress(i + 1);
  }
  return all;
}

}  // namespace rcnn::training
