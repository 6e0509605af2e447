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

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "rcnn/base/batch_memory.h"
#include "rcnn/base/exception_status.h"
#include "rcnn/base/shutdown.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/data/loader/loader.h"
#include "rcnn/detection/batch_map.h"
#include "rcnn/detection/device_copy.h"
#include "rcnn/detection/graphed_network.h"
#include "rcnn/detection/module_device.h"
#include "rcnn/training/distributed/agreement.h"
#include "rcnn/training/stages/image_groups.h"
#include "rcnn/training/trainer/batch_targets.h"
#include "rcnn/training/trainer/batch_upload.h"
#include "rcnn/training/trainer/small_images.h"
#include "rcnn/training/trainer/unreadable_image.h"

namespace rcnn::training {
namespace {

using detection::FasterRcnn;

absl::StatusOr<std::unique_ptr<data::Loader>> MakeLoader(
    std::shared_ptr<const data::Dataset> dataset, const configs::ModelConfig& model,
    const InferenceOptions& options, int64_t first, bool keep_bytes,
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
  loader.contents.keep_bytes = keep_bytes;
  loader.contents.needs_pixels = std::move(needs_pixels);
  loader.resources = options.loader;
  loader.first_iteration = first;
  if (options.ranks != nullptr) {
    const int64_t rank = options.ranks->rank();
    loader.share = {options.ranks->size(), rank, rank + 1};
  }
  return data::Loader::Create(std::move(dataset), loader);
}

// `rois` [P, 5] and `scores` [P] of one image, on the CPU.
InferredProposals ToImage(const at::Tensor& rois, const at::Tensor& scores,
                          const data::BatchImage& entry) {
  const at::Tensor boxes = ToStoredPixels(rois.slice(1, 1), entry).contiguous();
  const auto rows = boxes.accessor<float, 2>();
  InferredProposals image;
  for (int64_t i = 0; i < boxes.size(0); ++i) {
    image.boxes.push_back({rows[i][0], rows[i][1], rows[i][2], rows[i][3]});
  }
  const at::Tensor dense = scores.contiguous();
  image.scores.assign(dense.data_ptr<float>(), dense.data_ptr<float>() + dense.numel());
  return image;
}

// The proposals of each image of a batch.
std::vector<InferredProposals> ToImages(const ops::Proposals& found, const data::Batch& batch) {
  const at::Tensor rois = found.rois.cpu(), scores = found.scores.cpu();
  const at::Tensor counts = found.counts.cpu();
  std::vector<InferredProposals> images;
  int64_t begin = 0;
  for (size_t b = 0; b < batch.entries.size(); ++b) {
    const int64_t count = counts[static_cast<int64_t>(b)].item<int64_t>();
    images.push_back(
        ToImage(rois.narrow(0, begin, count), scores.narrow(0, begin, count), batch.entries[b]));
    begin += count;
  }
  return images;
}

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

std::vector<DetectedImage> DetectBatch(const DetectionNetworks& networks,
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
    if (with_proposals) proposals_of_each = ToImages(proposals, batch);
  }
  std::vector<DetectedImage> images(found.size());
  for (size_t b = 0; b < images.size(); ++b) {
    Append(found[b], batch.entries[b], dataset, images[b].detections);
    if (with_proposals) images[b].proposals = std::move(proposals_of_each[b]);
  }
  return images;
}

// `mirrored`: of the mirror images.
std::vector<InferredProposals> ProposeBatch(const FasterRcnn& model,
                                            detection::GraphedNetwork& graphed,
                                            const configs::ProposalsConfig& limits,
                                            const InferenceOptions& options, bool mirrored,
                                            data::Batch& batch) {
  const detection::InputSizes sizes = MakeInputSizes(batch);
  if (options.features != nullptr) {
    if (mirrored) MirrorInputs(batch.images, batch);
    return ToImages(model.Propose(options.features->Maps(batch), sizes, limits), batch);
  }
  TORCH_CHECK(model.rpn() != nullptr, "this model has no rpn");
  const at::Device device = detection::ModuleDevice(model);
  const detection::BatchMap images = graphed.WithinMemory([&] {
    detection::BatchMap made = MakeInputs(batch, device);
    if (mirrored) MirrorInputs(made, batch);
    return made;
  });
  return graphed.WithinMemory([&] {
    return ToImages(model.rpn()->Propose(graphed.Forward(images).rpn, sizes, limits), batch);
  });
}

absl::Status CheckNotStopped() {
  if (!ShutdownRequested()) return absl::OkStatus();
  return absl::CancelledError("stopped; run the same command again to continue");
}

// Images that are read before the network runs on them.
struct Window {
  int64_t images = 1;
  int64_t large = 1;  // of these at most
};

// Groups of images that a device other than the CPU computes one after the other, while the bytes
// of the later ones are copied there.
constexpr int64_t kGroupsAhead = 4;

// `together`: the images of a group. On the CPU each thread computes a group of small images, and
// all threads one group of large images, between checks for a shutdown request.
Window MakeWindow(const at::Device& device, int64_t together) {
  if (device.is_cpu()) return {at::get_num_threads() * together, together};
  return {kGroupsAhead * together, kGroupsAhead * together};
}

// Returns the next images, up to the window. Images before an unreadable one are returned before
// its error.
absl::StatusOr<std::vector<data::Batch>> NextFew(data::Loader& loader, const Window& window,
                                                 absl::Status& unreadable) {
  std::vector<data::Batch> batches;
  int64_t large = 0;
  while (static_cast<int64_t>(batches.size()) < window.images && large < window.large) {
    absl::StatusOr<data::Batch> batch = loader.Next();
    if (!batch.ok()) {
      unreadable = UnreadableImageError(batch.status());
      break;
    }
    if (!AreSmall(*batch)) ++large;
    batches.push_back(*std::move(batch));
  }
  if (batches.empty()) return unreadable;
  return batches;
}

// What fails here fails again in the computation, whose error names the image.
void UploadAll(std::vector<data::Batch>& batches, BatchUpload& upload) {
  CatchExceptions([&] {
    for (data::Batch& batch : batches) batch = upload.Upload(batch);
    return absl::OkStatus();
  }).IgnoreError();
}

// Returns the result of each image of the batch, which may be changed.
template <typename Result>
using ComputeFunction = absl::FunctionRef<std::vector<Result>(data::Batch&)>;

struct Passage {
  const InferenceOptions& options;
  const data::Dataset& dataset;
  int64_t first = 0;
  int64_t end = 0;
  // Images that go through the network together, at most.
  int64_t together = 1;
  Window window;
  at::Device device = at::kCPU;  // of the networks
  BatchUpload& upload;           // to the device
};

// Of maps that take memory while networks run.
int64_t CachedBytes(const InferenceOptions& options) {
  if (options.cache != nullptr) return options.cache->bytes();
  return options.features != nullptr ? options.features->cached_bytes() : 0;
}

// What to lower if there is no memory for so many images together.
std::string MemoryAdvice(size_t images, int64_t cached_bytes) {
  constexpr int64_t kMib = int64_t{1} << 20;
  std::vector<std::string> choices;
  if (cached_bytes > 0) {
    choices.push_back(absl::StrCat("a smaller resources.feature_cache_mib (its maps now take ",
                                   (cached_bytes + kMib - 1) / kMib, " MiB)"));
  }
  if (images > 1) choices.push_back("a smaller resources.inference_batch");
  choices.push_back("smaller images (data.transform.resize)");
  return absl::StrCat("use ", absl::StrJoin(choices, " or "));
}

// Sets the results of the images at `places`, which go through the network together. Exceptions
// become errors; if there are several images, and memory is not what is missing, they then go
// through one by one, so that the image that fails has the error alone.
template <typename Result>
void ComputeGroup(const std::vector<data::Batch>& batches, const std::vector<size_t>& places,
                  const Passage& passage, ComputeFunction<Result> compute,
                  std::vector<absl::StatusOr<Result>>& results) {
  absl::StatusOr<std::vector<Result>> found =
      CatchExceptions([&]() -> absl::StatusOr<std::vector<Result>> {
        data::Batch batch = JoinImages(batches, places);
        return compute(batch);
      });
  if (found.ok()) {
    for (size_t i = 0; i < places.size(); ++i) results[places[i]] = std::move((*found)[i]);
    return;
  }
  if (places.size() > 1 && !absl::IsResourceExhausted(found.status())) {
    for (const size_t place : places) {
      ComputeGroup<Result>(batches, {place}, passage, compute, results);
    }
    return;
  }
  std::vector<int64_t> shape = batches[places.front()].images.sizes().vec();
  shape.front() = static_cast<int64_t>(places.size());
  const absl::Status error = WithBatch(found.status(), passage.device, shape,
                                       MemoryAdvice(places.size(), CachedBytes(passage.options)));
  for (const size_t place : places) results[place] = error;
}

// The results of each image, computed in groups.
template <typename Result>
std::vector<absl::StatusOr<Result>> ComputeEach(const std::vector<data::Batch>& batches,
                                                const Passage& passage,
                                                ComputeFunction<Result> compute) {
  // Groups of large images get all threads, after the others.
  std::vector<std::vector<size_t>> parallel, serial;
  for (std::vector<size_t>& places : GroupImages(batches, passage.together)) {
    const bool is_parallel = passage.device.is_cpu() && AreSmall(batches[places.front()]);
    (is_parallel ? parallel : serial).push_back(std::move(places));
  }
  std::vector<absl::StatusOr<Result>> results(batches.size());
  at::parallel_for(0, static_cast<int64_t>(parallel.size()), 1, [&](int64_t begin, int64_t end) {
    for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) {
      ComputeGroup<Result>(batches, parallel[i], passage, compute, results);
    }
  });
  for (const std::vector<size_t>& places : serial) {
    ComputeGroup<Result>(batches, places, passage, compute, results);
  }
  return results;
}

// Calls take(result) with what `compute` returns for the next `count` images of the loader, in
// order, and report() after those that were computed at a time.
template <typename Result>
absl::Status ForNextImages(data::Loader& loader, int64_t count, const Passage& passage,
                           ComputeFunction<Result> compute,
                           absl::FunctionRef<absl::Status(Result&)> take,
                           absl::FunctionRef<void()> report) {
  absl::Status unreadable;
  for (int64_t done = 0; done < count;) {
    RCNN_RETURN_IF_ERROR(CheckNotStopped());
    RCNN_RETURN_IF_ERROR(unreadable);
    const Window window = {std::min(passage.window.images, count - done), passage.window.large};
    RCNN_ASSIGN_OR_RETURN(std::vector<data::Batch> batches, NextFew(loader, window, unreadable));
    if (!passage.device.is_cpu()) UploadAll(batches, passage.upload);
    std::vector<absl::StatusOr<Result>> results = ComputeEach<Result>(batches, passage, compute);
    for (size_t i = 0; i < batches.size(); ++i) {
      RCNN_RETURN_IF_ERROR(results[i].status(), batches[i].entries[0].info.name);
      RCNN_RETURN_IF_ERROR(take(*results[i]));
      ++done;
    }
    report();
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
                       ComputeFunction<Result> compute,
                       absl::FunctionRef<absl::Status(Result&)> take,
                       absl::FunctionRef<void()> report) {
  RankGroup& ranks = *passage.options.ranks;
  const int64_t per_round = kImagesPerRound * ranks.size();
  for (int64_t begin = passage.first; begin < passage.end; begin += per_round) {
    const int64_t end = std::min(begin + per_round, passage.end);
    std::string packed;
    const auto pack = [&](Result& result) {
      Pack(result, packed);
      return absl::OkStatus();
    };
    const absl::Status computed = ForNextImages<Result>(
        loader, CountOwn(begin, end, ranks.rank(), ranks.size()), passage, compute, pack, [] {});
    RCNN_ASSIGN_OR_RETURN(const std::vector<std::string> all, ranks.Gather(packed));
    if (ranks.rank() == 0) RCNN_RETURN_IF_ERROR(TakeRound<Result>(begin, end, all, take));
    if (ranks.rank() == 0) report();
    RCNN_RETURN_IF_ERROR(Agree(ranks, computed));
  }
  return absl::OkStatus();
}

// The same for the images `first` to `end`.
template <typename Result>
absl::Status ForEachImage(data::Loader& loader, const Passage& passage,
                          ComputeFunction<Result> compute,
                          absl::FunctionRef<absl::Status(Result&)> take) {
  int64_t done = passage.first;
  const auto take_next = [&](Result& result) -> absl::Status {
    RCNN_RETURN_IF_ERROR(take(result), passage.dataset.image(done).name);
    ++done;
    return absl::OkStatus();
  };
  const auto report = [&] {
    if (passage.options.progress) passage.options.progress(done);
  };
  if (passage.options.ranks != nullptr)
    return RunRounds<Result>(loader, passage, compute, take_next, report);
  return ForNextImages<Result>(loader, passage.end - passage.first, passage, compute, take_next,
                               report);
}

}  // namespace

absl::Status ProposeAll(const FasterRcnn& model, std::shared_ptr<const data::Dataset> dataset,
                        const configs::ProposalsConfig& limits, const InferenceOptions& options,
                        int64_t first, bool mirrored,
                        absl::FunctionRef<absl::Status(const InferredProposals&)> take) {
  if (options.started) options.started(first);
  const at::Device device = detection::ModuleDevice(model);
  const bool has_features = options.features != nullptr;
  // Images are mirrored here, after resizing; those with features by the CPU.
  const bool keep_bytes = !device.is_cpu() && !(mirrored && has_features);
  RCNN_ASSIGN_OR_RETURN(const auto loader,
                        MakeLoader(dataset, model.config(), options, first, keep_bytes,
                                   mirrored ? nullptr : PixelsNeeded(options.features)));
  const int64_t together = has_features ? 1 : options.images_together;
  const Window window = has_features ? Window() : MakeWindow(device, together);
  BatchUpload upload(device);
  detection::GraphedNetwork graphed(model, options.max_graphs);
  return ForEachImage<InferredProposals>(
      *loader, {options, *dataset, first, dataset->size(), together, window, device, upload},
      [&](data::Batch& batch) {
        return ProposeBatch(model, graphed, limits, options, mirrored, batch);
      },
      [&](InferredProposals& image) { return take(image); });
}

absl::StatusOr<eval::Detections> DetectAll(const DetectionNetworks& networks,
                                           std::shared_ptr<const data::Dataset> dataset,
                                           const InferenceOptions& options) {
  if (options.started) options.started(0);
  const at::Device device = detection::ModuleDevice(*networks.detector);
  RCNN_ASSIGN_OR_RETURN(const auto loader,
                        MakeLoader(dataset, networks.detector->config(), options, /*first=*/0,
                                   /*keep_bytes=*/!device.is_cpu(), nullptr));
  const int64_t together = options.images_together;
  BatchUpload upload(device);
  detection::GraphedNetwork graphed(*networks.detector,
                                    IsOneNetwork(networks) ? options.max_graphs : 0);
  eval::Detections all;
  RCNN_RETURN_IF_ERROR(ForEachImage<DetectedImage>(
      *loader,
      {options, *dataset, 0, dataset->size(), together, MakeWindow(device, together), device,
       upload},
      [&](data::Batch& batch) {
        return graphed.WithinMemory([&] {
          return DetectBatch(networks, graphed, *dataset, batch, options.take_proposals != nullptr);
        });
      },
      [&](DetectedImage& found) {
        all.Append(found.detections);
        if (options.take_proposals) options.take_proposals(std::move(found.proposals));
        return absl::OkStatus();
      }));
  return all;
}

}  // namespace rcnn::training
