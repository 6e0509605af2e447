#include "rcnn/training/stages/inference.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <string>
#include <type_traits>
#include <utility>

#include "absl/strings/string_view.h"
#include "rcnn/base/batch_memory.h"
#include "rcnn/base/exception_status.h"
#include "rcnn/base/shutdown.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/data/loader/loader.h"
#include "rcnn/detection/graphed_network.h"
#include "rcnn/detection/module_device.h"
#include "rcnn/training/distributed/agreement.h"
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
  if (options.ranks != nullptr) {
    const int64_t rank = options.ranks->rank();
    loader.share = {options.ranks->size(), rank, rank + 1};
  }
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
  const at::Tensor boxes = ToStoredPixels(found.rois.slice(1, 1).cpu(), entry).contiguous();
  const auto rows = boxes.accessor<float, 2>();
  InferredProposals image;
  for (int64_t i = 0; i < boxes.size(0); ++i) {
    image.boxes.push_back({rows[i][0], rows[i][1], rows[i][2], rows[i][3]});
  }
  const at::Tensor scores = found.scores.cpu().contiguous();
  image.scores.assign(scores.data_ptr<float>(), scores.data_ptr<float>() + scores.numel());
  return image;
}

// RoIs [P, 5] of the only image of a batch.
at::Tensor MakeRois(const at::Tensor& boxes) {
  return at::cat({at::zeros({boxes.size(0), 1}), boxes}, 1);
}

struct DetectedImage {
  eval::Detections detections;
  InferredProposals proposals;  // only if they are asked for
};

// The bytes of a list and their number, for other ranks, which are programs of the same version.
template <typename T>
void PackList(const std::vector<T>& list, std::string& bytes) {
  static_assert(std::is_trivially_copyable_v<T>);
  const auto count = static_cast<uint64_t>(list.size());
  bytes.append(reinterpret_cast<const char*>(&count), sizeof(count));
  bytes.append(reinterpret_cast<const char*>(list.data()), list.size() * sizeof(T));
}

template <typename T>
void UnpackList(absl::string_view& bytes, std::vector<T>& list) {
  uint64_t count = 0;
  std::memcpy(&count, bytes.data(), sizeof(count));
  bytes.remove_prefix(sizeof(count));
  list.resize(count);
  if (count > 0) std::memcpy(list.data(), bytes.data(), count * sizeof(T));
  bytes.remove_prefix(count * sizeof(T));
}

void Pack(const InferredProposals& image, std::string& bytes) {
  PackList(image.boxes, bytes);
  PackList(image.scores, bytes);
}

void Unpack(absl::string_view& bytes, InferredProposals& image) {
  UnpackList(bytes, image.boxes);
  UnpackList(bytes, image.scores);
}

void Pack(const DetectedImage& image, std::string& bytes) {
  PackList(image.detections.image_ids, bytes);
  PackList(image.detections.category_ids, bytes);
  PackList(image.detections.boxes, bytes);
  PackList(image.detections.scores, bytes);
  Pack(image.proposals, bytes);
}

void Unpack(absl::string_view& bytes, DetectedImage& image) {
  UnpackList(bytes, image.detections.image_ids);
  UnpackList(bytes, image.detections.category_ids);
  UnpackList(bytes, image.detections.boxes);
  UnpackList(bytes, image.detections.scores);
  Unpack(bytes, image.proposals);
}

// Whether the RPN is a part of the detector.
bool IsOneNetwork(const DetectionNetworks& networks) {
  return networks.rpn != nullptr && networks.rpn == networks.detector;
}

// The maps and proposals of a batch, from `images` on the device of the networks.
struct MapsAndProposals {
  detection::BatchFeatures maps;
  ops::Proposals proposals;
};

// `graphed`, of the detector, is used if that has the RPN too.
MapsAndProposals TakeProposals(const DetectionNetworks& networks,
                               detection::GraphedNetwork& graphed, const data::Batch& batch,
                               const at::Tensor& images) {
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
    const data::BatchImage& entry = batch.entries[0];
    found.proposals = {MakeRois(entry.proposals).to(images.device()), entry.proposal_scores, {}};
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

DetectedImage DetectOne(const DetectionNetworks& networks, detection::GraphedNetwork& graphed,
                        const data::Dataset& dataset, const data::Batch& batch,
                        bool with_proposals) {
  at::NoGradGuard no_grad;
  const at::Tensor images = batch.images.to(detection::ModuleDevice(*networks.detector));
  const auto [maps, proposals] = TakeProposals(networks, graphed, batch, images);
  DetectedImage image;
  const std::vector<detection::Detections> found =
      networks.detector->Detect(maps, proposals.rois, MakeInputSizes(batch), OriginalSizes(batch));
  Append(found.front(), batch.entries[0], dataset, image.detections);
  if (with_proposals) image.proposals = ToImage(proposals, batch.entries[0]);
  return image;
}

ops::Proposals ProposeOne(const FasterRcnn& model, detection::GraphedNetwork& graphed,
                          const configs::ProposalsConfig& limits, const InferenceOptions& options,
                          const data::Batch& batch) {
  const detection::InputSizes sizes = MakeInputSizes(batch);
  if (options.features == nullptr) {
    TORCH_CHECK(model.rpn() != nullptr, "this model has no rpn");
    const at::Tensor images = batch.images.to(detection::ModuleDevice(model));
    return model.rpn()->Propose(graphed.Forward(images).rpn, sizes, limits);
  }
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

// Calls compute(batch) for each, converting exceptions to errors. `device`: of the networks.
template <typename Result>
std::vector<absl::StatusOr<Result>> ComputeEach(std::vector<data::Batch>& batches,
                                                const at::Device& device,
                                                absl::FunctionRef<Result(data::Batch&)> compute) {
  std::vector<absl::StatusOr<Result>> results(batches.size());
  const auto compute_range = [&](int64_t begin, int64_t end) {
    for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) {
      results[i] = CatchExceptions([&]() -> absl::StatusOr<Result> { return compute(batches[i]); });
      if (results[i].ok()) continue;
      results[i] = WithBatch(results[i].status(), device, batches[i].images.sizes(),
                             "use smaller images (data.transform.resize)");
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
  const data::Dataset& dataset;
  int64_t first = 0;
  int64_t end = 0;
  // Number of images processed at once.
  int64_t at_once = 1;
  at::Device device = at::kCPU;
  std::function<void(int64_t done)> progress;
  RankGroup* ranks = nullptr;
};

// Calls take(compute(batch)) for the next `count` images of the loader, in order.
template <typename Result>
absl::Status ForNextImages(data::Loader& loader, int64_t count, const Passage& passage,
                           absl::FunctionRef<Result(data::Batch&)> compute,
                           absl::FunctionRef<absl::Status(Result&)> take) {
  absl::Status unreadable;
  for (int64_t done = 0; done < count;) {
    RCNN_RETURN_IF_ERROR(CheckNotStopped());
    RCNN_RETURN_IF_ERROR(unreadable);
    RCNN_ASSIGN_OR_RETURN(std::vector<data::Batch> batches,
                          NextFew(loader, std::min(passage.at_once, count - done), unreadable));
    std::vector<absl::StatusOr<Result>> results =
        ComputeEach<Result>(batches, passage.device, compute);
    for (size_t i = 0; i < batches.size(); ++i) {
      RCNN_RETURN_IF_ERROR(results[i].status(), batches[i].entries[0].info.name);
      RCNN_RETURN_IF_ERROR(take(*results[i]));
      ++done;
    }
  }
  return absl::OkStatus();
}

// Images of a rank between two exchanges: enough that ranks rarely wait for each other, few enough
// that a kill loses little.
constexpr int64_t kImagesPerRound = 16;

// The numbers of images in [begin, end) that a rank takes.
int64_t CountOwn(int64_t begin, int64_t end, int64_t rank, int64_t ranks) {
  const auto before = [&](int64_t image) { return (image - rank + ranks - 1) / ranks; };
  return before(end) - before(begin);
}

// Calls take(result) on rank 0 for the images of a round, up to the first that is missing.
template <typename Result>
absl::Status TakeRound(int64_t begin, int64_t end, const std::vector<std::string>& packed,
                       absl::FunctionRef<absl::Status(Result&)> take) {
  std::vector<absl::string_view> left(packed.begin(), packed.end());
  for (int64_t image = begin; image < end; ++image) {
    absl::string_view& bytes = left[static_cast<size_t>(image) % left.size()];
    if (bytes.empty()) return absl::OkStatus();
    Result result;
    Unpack(bytes, result);
    RCNN_RETURN_IF_ERROR(take(result));
  }
  return absl::OkStatus();
}

// The images before an error are taken, as by a process alone.
template <typename Result>
absl::Status RunRounds(data::Loader& loader, const Passage& passage,
                       absl::FunctionRef<Result(data::Batch&)> compute,
                       absl::FunctionRef<absl::Status(Result&)> take) {
  RankGroup& ranks = *passage.ranks;
  const int64_t per_round = kImagesPerRound * ranks.size();
  for (int64_t begin = passage.first; begin < passage.end; begin += per_round) {
    const int64_t end = std::min(begin + per_round, passage.end);
    std::string packed;
    const absl::Status computed =
        ForNextImages<Result>(loader, CountOwn(begin, end, ranks.rank(), ranks.size()), passage,
                              compute, [&](Result& result) {
                                Pack(result, packed);
                                return absl::OkStatus();
                              });
    RCNN_ASSIGN_OR_RETURN(const std::vector<std::string> all, ranks.Gather(packed));
    if (ranks.rank() == 0) RCNN_RETURN_IF_ERROR(TakeRound<Result>(begin, end, all, take));
    RCNN_RETURN_IF_ERROR(Agree(ranks, computed));
  }
  return absl::OkStatus();
}

// Calls take(compute(batch)) for the images `first` to `end`, in order.
template <typename Result>
absl::Status ForEachImage(data::Loader& loader, const Passage& passage,
                          absl::FunctionRef<Result(data::Batch&)> compute,
                          absl::FunctionRef<absl::Status(Result&)> take) {
  int64_t done = passage.first;
  const auto take_next = [&](Result& result) -> absl::Status {
    RCNN_RETURN_IF_ERROR(take(result), passage.dataset.image(done).name);
    ++done;
    if (passage.progress) passage.progress(done);
    return absl::OkStatus();
  };
  if (passage.ranks != nullptr) return RunRounds<Result>(loader, passage, compute, take_next);
  return ForNextImages<Result>(loader, passage.end - passage.first, passage, compute, take_next);
}

// Images whose networks run at once: one on each thread, or one on another device.
int64_t ImagesAtOnce(const at::Device& device) {
  return device.is_cpu() ? at::get_num_threads() : 1;
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
  const at::Device device = detection::ModuleDevice(model);
  const int64_t at_once = options.features == nullptr ? ImagesAtOnce(device) : 1;
  detection::GraphedNetwork graphed(model, options.max_graphs);
  return ForEachImage<InferredProposals>(
      *loader,
      {*dataset, first, dataset->size(), at_once, device, options.progress, options.ranks.get()},
      [&](data::Batch& batch) {
        if (mirrored) Mirror(batch);
        return ToImage(ProposeOne(model, graphed, limits, options, batch), batch.entries[0]);
      },
      [&](InferredProposals& image) { return take(image); });
}

absl::StatusOr<eval::Detections> DetectAll(const DetectionNetworks& networks,
                                           std::shared_ptr<const data::Dataset> dataset,
                                           const InferenceOptions& options) {
  RCNN_ASSIGN_OR_RETURN(const auto loader,
                        MakeLoader(dataset, networks.detector->config(), options, 0, nullptr));
  const at::Device device = detection::ModuleDevice(*networks.detector);
  detection::GraphedNetwork graphed(*networks.detector,
                                    IsOneNetwork(networks) ? options.max_graphs : 0);
  eval::Detections all;
  RCNN_RETURN_IF_ERROR(ForEachImage<DetectedImage>(
      *loader,
      {*dataset, 0, dataset->size(), ImagesAtOnce(device), device, options.progress,
       options.ranks.get()},
      [&](data::Batch& batch) {
        return DetectOne(networks, graphed, *dataset, batch, options.take_proposals != nullptr);
      },
      [&](DetectedImage& found) {
        all.Append(found.detections);
        if (options.take_proposals) options.take_proposals(std::move(found.proposals));
        return absl::OkStatus();
      }));
  return all;
}

}  // namespace rcnn::training
