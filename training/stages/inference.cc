#include "rcnn/training/stages/inference.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <limits>
#include <string>
#include <utility>

#include "rcnn/base/exception_status.h"
#include "rcnn/base/shutdown.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/data/loader/loader.h"
#include "rcnn/training/trainer/batch_targets.h"
#include "rcnn/training/trainer/small_images.h"
#include "rcnn/training/trainer/unreadable_image.h"

namespace rcnn::training {
namespace {

using detection::FasterRcnn;

absl::StatusOr<std::unique_ptr<data::Loader>> MakeLoader(
    std::shared_ptr<const data::Dataset> dataset, const configs::ModelConfig& model,
    const InferenceOptions& options, int64_t first,
    std::function<bool(const data::BatchImage&)> needs_pixels) {
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
  loader.contents.needs_pixels = std::move(needs_pixels);
  loader.resources = options.loader;
  loader.first_iteration = first;
  return data::Loader::Create(std::move(dataset), loader);
}

// The mirror image of a batch of one image.
void Mirror(data::Batch& batch) {
  data::BatchImage& entry = batch.entries[0];
  batch.images.narrow(3, 0, entry.width)
      .copy_(batch.images.narrow(3, 0, entry.width).clone().flip(3));
  entry.info.flipped = true;
}

InferredProposals ToImage(const ops::Proposals& found, const data::BatchImage& entry) {
  const at::Tensor boxes = ToStoredPixels(found.rois.slice(1, 1), entry).contiguous();
  const auto rows = boxes.accessor<float, 2>();
  InferredProposals image;
  for (int64_t i = 0; i < boxes.size(0); ++i) {
    image.boxes.push_back({rows[i][0], rows[i][1], rows[i][2], rows[i][3]});
  }
  const at::Tensor scores = found.scores.contiguous();
  image.scores.assign(scores.data_ptr<float>(), scores.data_ptr<float>() + scores.numel());
  return image;
}

// RoIs [P, 5] of the only image of a batch.
at::Tensor MakeRois(const at::Tensor& boxes) {
  return at::cat({at::zeros({boxes.size(0), 1}), boxes}, 1);
}

struct DetectedImage {
  detection::Detections detections;
  InferredProposals proposals;  // only if they are asked for
};

// `maps` are those of the detector, for an RPN that shares its backbone.
ops::Proposals TakeProposals(const DetectionNetworks& networks, const data::Batch& batch,
                             const detection::FeatureMaps& maps) {
  if (networks.rpn == nullptr) {
    const data::BatchImage& entry = batch.entries[0];
    return {MakeRois(entry.proposals), entry.proposal_scores, {}};
  }
  const detection::InputSizes sizes = MakeInputSizes(batch);
  if (networks.rpn != networks.detector) return networks.rpn->Propose(batch.images, sizes);
  return networks.rpn->Propose(maps, sizes, networks.rpn->config().rpn().test_proposals());
}

DetectedImage DetectOne(const DetectionNetworks& networks, const data::Batch& batch,
                        bool with_proposals) {
  at::NoGradGuard no_grad;
  const detection::FeatureMaps maps = networks.detector->Features(batch.images);
  const ops::Proposals proposals = TakeProposals(networks, batch, maps);
  DetectedImage image;
  image.detections =
      networks.detector->Detect(maps, proposals.rois, MakeInputSizes(batch), OriginalSizes(batch))
          .front();
  if (with_proposals) image.proposals = ToImage(proposals, batch.entries[0]);
  return image;
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

ops::Proposals ProposeOne(const FasterRcnn& model, const configs::ProposalsConfig& limits,
                          const InferenceOptions& options, const data::Batch& batch) {
  const detection::InputSizes sizes = MakeInputSizes(batch);
  if (options.features == nullptr) return model.Propose(batch.images, sizes, limits);
  return model.Propose(options.features->Maps(batch), sizes, limits);
}

absl::Status CheckNotStopped() {
  if (!ShutdownRequested()) return absl::OkStatus();
  return absl::CancelledError("stopped; run the same command again to continue");
}

// Returns up to `most` next images. Images before an unreadable one are returned before its
// error.
absl::StatusOr<std::vector<data::Batch>> NextFew(data::Loader& loader, int64_t most,
                                                 absl::Status& unreadable) {
  std::vector<data::Batch> batches;
  while (static_cast<int64_t>(batches.size()) < most &&
         (batches.empty() || AreSmall(batches.back()))) {
    absl::StatusOr<data::Batch> batch = loader.Next();
    if (!batch.ok()) {
      unreadable = UnreadableImageError(batch.status());
      break;
    }
    batches.push_back(*std::move(batch));
  }
  if (batches.empty()) return unreadable;
  return batches;
}

// Calls compute(batch) for each, converting exceptions to errors.
template <typename Result>
std::vector<absl::StatusOr<Result>> ComputeEach(std::vector<data::Batch>& batches,
                                                absl::FunctionRef<Result(data::Batch&)> compute) {
  std::vector<absl::StatusOr<Result>> results(batches.size());
  const auto compute_range = [&](int64_t begin, int64_t end) {
    for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) {
      results[i] = CatchExceptions([&]() -> absl::StatusOr<Result> { return compute(batches[i]); });
    }
  };
  // Only the last batch may be large; it gets all threads, after the others.
  const auto count = static_cast<int64_t>(batches.size());
  const int64_t small = AreSmall(batches.back()) ? count : count - 1;
  at::parallel_for(0, small, 1, compute_range);
  compute_range(small, count);
  return results;
}

struct Passage {
  int64_t first = 0;
  int64_t end = 0;
  // Number of images processed at once.
  int64_t at_once = 1;
  std::function<void(int64_t done)> progress;
};

// Calls take(batch, compute(batch)) for the images `first` to `end`, in order.
template <typename Result>
absl::Status ForEachImage(data::Loader& loader, const Passage& passage,
                          absl::FunctionRef<Result(data::Batch&)> compute,
                          absl::FunctionRef<absl::Status(const data::Batch&, Result&)> take) {
  absl::Status unreadable;
  for (int64_t done = passage.first; done < passage.end;) {
    RCNN_RETURN_IF_ERROR(CheckNotStopped());
    RCNN_RETURN_IF_ERROR(unreadable);
    RCNN_ASSIGN_OR_RETURN(
        std::vector<data::Batch> batches,
        NextFew(loader, std::min(passage.at_once, passage.end - done), unreadable));
    std::vector<absl::StatusOr<Result>> results = ComputeEach<Result>(batches, compute);
    for (size_t i = 0; i < batches.size(); ++i) {
      const std::string& name = batches[i].entries[0].info.name;
      RCNN_RETURN_IF_ERROR(results[i].status(), name);
      RCNN_RETURN_IF_ERROR(take(batches[i], *results[i]), name);
      ++done;
      if (passage.progress) passage.progress(done);
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ProposeAll(const FasterRcnn& model, std::shared_ptr<const data::Dataset> dataset,
                        const configs::ProposalsConfig& limits, const InferenceOptions& options,
                        int64_t first, bool mirrored,
                        absl::FunctionRef<absl::Status(const InferredProposals&)> take) {
  // Images are mirrored here, after loading.
  RCNN_ASSIGN_OR_RETURN(const auto loader,
                        MakeLoader(dataset, model.config(), options, first,
                                   mirrored ? nullptr : PixelsNeeded(options.features)));
  const bool parallel = options.features == nullptr;
  return ForEachImage<InferredProposals>(
      *loader, {first, dataset->size(), parallel ? at::get_num_threads() : 1, options.progress},
      [&](data::Batch& batch) {
        if (mirrored) Mirror(batch);
        return ToImage(ProposeOne(model, limits, options, batch), batch.entries[0]);
      },
      [&](const data::Batch&, InferredProposals& image) { return take(image); });
}

absl::StatusOr<eval::Detections> DetectAll(const DetectionNetworks& networks,
                                           std::shared_ptr<const data::Dataset> dataset,
                                           const InferenceOptions& options) {
  RCNN_ASSIGN_OR_RETURN(const auto loader,
                        MakeLoader(dataset, networks.detector->config(), options, 0, nullptr));
  eval::Detections all;
  RCNN_RETURN_IF_ERROR(ForEachImage<DetectedImage>(
      *loader, {0, dataset->size(), at::get_num_threads(), options.progress},
      [&](data::Batch& batch) {
        return DetectOne(networks, batch, options.take_proposals != nullptr);
      },
      [&](const data::Batch& batch, DetectedImage& found) {
        Append(found.detections, batch.entries[0], *dataset, all);
        if (options.take_proposals) options.take_proposals(std::move(found.proposals));
        return absl::OkStatus();
      }));
  return all;
}

}  // namespace rcnn::training
