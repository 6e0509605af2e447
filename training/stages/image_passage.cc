#include "rcnn/training/stages/image_passage.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cstddef>
#include <limits>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "rcnn/base/batch_memory.h"
#include "rcnn/base/exception_status.h"
#include "rcnn/base/shutdown.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/data/loader/loader.h"
#include "rcnn/training/distributed/agreement.h"
#include "rcnn/training/stages/image_groups.h"
#include "rcnn/training/trainer/batch_upload.h"
#include "rcnn/training/trainer/small_images.h"
#include "rcnn/training/trainer/unreadable_image.h"

namespace rcnn::training {
namespace {

absl::StatusOr<std::unique_ptr<data::Loader>> MakeLoader(
    std::shared_ptr<const data::Dataset> dataset, const configs::ModelConfig& model,
    const ImagePassage& passage, const InferenceOptions& options) {
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
  loader.contents.keep_bytes = passage.keep_bytes;
  loader.contents.needs_pixels = passage.needs_pixels;
  loader.resources = options.loader;
  loader.first_iteration = passage.first;
  if (options.ranks != nullptr) {
    const int64_t rank = options.ranks->rank();
    loader.share = {options.ranks->size(), rank, rank + 1};
  }
  return data::Loader::Create(std::move(dataset), loader);
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

using TakeImage = absl::FunctionRef<absl::Status(InferredImage&)>;

// What is the same for all images.
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
void ComputeGroup(const std::vector<data::Batch>& batches, const std::vector<size_t>& places,
                  const Passage& passage, ComputeImages compute,
                  std::vector<absl::StatusOr<InferredImage>>& results) {
  absl::StatusOr<std::vector<InferredImage>> found =
      CatchExceptions([&]() -> absl::StatusOr<std::vector<InferredImage>> {
        data::Batch batch = JoinImages(batches, places);
        return compute(batch);
      });
  if (found.ok()) {
    for (size_t i = 0; i < places.size(); ++i) results[places[i]] = std::move((*found)[i]);
    return;
  }
  if (places.size() > 1 && !absl::IsResourceExhausted(found.status())) {
    for (const size_t place : places) {
      ComputeGroup(batches, {place}, passage, compute, results);
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
std::vector<absl::StatusOr<InferredImage>> ComputeEach(const std::vector<data::Batch>& batches,
                                                       const Passage& passage,
                                                       ComputeImages compute) {
  // Groups of large images get all threads, after the others.
  std::vector<std::vector<size_t>> parallel, serial;
  for (std::vector<size_t>& places : GroupImages(batches, passage.together)) {
    const bool is_parallel = passage.device.is_cpu() && AreSmall(batches[places.front()]);
    (is_parallel ? parallel : serial).push_back(std::move(places));
  }
  std::vector<absl::StatusOr<InferredImage>> results(batches.size());
  at::parallel_for(0, static_cast<int64_t>(parallel.size()), 1, [&](int64_t begin, int64_t end) {
    for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) {
      ComputeGroup(batches, parallel[i], passage, compute, results);
    }
  });
  for (const std::vector<size_t>& places : serial) {
    ComputeGroup(batches, places, passage, compute, results);
  }
  return results;
}

// Calls take(result) with what `compute` returns for the next `count` images of the loader, in
// order, and report() after those that were computed at a time.
absl::Status ForNextImages(data::Loader& loader, int64_t count, const Passage& passage,
                           ComputeImages compute, TakeImage take,
                           absl::FunctionRef<void()> report) {
  absl::Status unreadable;
  for (int64_t done = 0; done < count;) {
    RCNN_RETURN_IF_ERROR(CheckNotStopped());
    RCNN_RETURN_IF_ERROR(unreadable);
    const Window window = {std::min(passage.window.images, count - done), passage.window.large};
    RCNN_ASSIGN_OR_RETURN(std::vector<data::Batch> batches, NextFew(loader, window, unreadable));
    if (!passage.device.is_cpu()) UploadAll(batches, passage.upload);
    std::vector<absl::StatusOr<InferredImage>> results = ComputeEach(batches, passage, compute);
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
absl::Status TakeRound(int64_t begin, int64_t end, const std::vector<std::string>& packed,
                       TakeImage take) {
  std::vector<absl::string_view> left(packed.begin(), packed.end());
  for (int64_t image = begin; image < end; ++image) {
    absl::string_view& bytes = left[static_cast<size_t>(image) % left.size()];
    if (bytes.empty()) return absl::OkStatus();
    InferredImage result;
    UnpackImage(bytes, result);
    RCNN_RETURN_IF_ERROR(take(result));
  }
  return absl::OkStatus();
}

// The images before an error are taken, as by a process alone.
absl::Status RunRounds(data::Loader& loader, const Passage& passage, ComputeImages compute,
                       TakeImage take, absl::FunctionRef<void()> report) {
  RankGroup& ranks = *passage.options.ranks;
  const int64_t per_round = kImagesPerRound * ranks.size();
  for (int64_t begin = passage.first; begin < passage.end; begin += per_round) {
    const int64_t end = std::min(begin + per_round, passage.end);
    std::string packed;
    const auto pack = [&](InferredImage& result) {
      PackImage(result, packed);
      return absl::OkStatus();
    };
    const absl::Status computed = ForNextImages(
        loader, CountOwn(begin, end, ranks.rank(), ranks.size()), passage, compute, pack, [] {});
    RCNN_ASSIGN_OR_RETURN(const std::vector<std::string> all, ranks.Gather(packed));
    if (ranks.rank() == 0) RCNN_RETURN_IF_ERROR(TakeRound(begin, end, all, take));
    if (ranks.rank() == 0) report();
    RCNN_RETURN_IF_ERROR(Agree(ranks, computed));
  }
  return absl::OkStatus();
}

// ForNextImages for the images `first` to `end`, on the ranks that share them.
absl::Status ForEachImage(data::Loader& loader, const Passage& passage, ComputeImages compute,
                          TakeImage take) {
  int64_t done = passage.first;
  const auto take_next = [&](InferredImage& result) -> absl::Status {
    RCNN_RETURN_IF_ERROR(take(result), passage.dataset.image(done).name);
    ++done;
    return absl::OkStatus();
  };
  const auto report = [&] {
    if (passage.options.progress) passage.options.progress(done);
  };
  if (passage.options.ranks != nullptr)
    return RunRounds(loader, passage, compute, take_next, report);
  return ForNextImages(loader, passage.end - passage.first, passage, compute, take_next, report);
}

}  // namespace

absl::Status PassImages(std::shared_ptr<const data::Dataset> dataset,
                        const configs::ModelConfig& model, const ImagePassage& passage,
                        const InferenceOptions& options, ComputeImages compute,
                        absl::FunctionRef<absl::Status(InferredImage&)> take) {
  RCNN_ASSIGN_OR_RETURN(const auto loader, MakeLoader(dataset, model, passage, options));
  const int64_t together = passage.one_by_one ? 1 : options.images_together;
  const Window window = passage.one_by_one ? Window() : MakeWindow(passage.device, together);
  BatchUpload upload(passage.device);
  return ForEachImage(
      *loader,
      {options, *dataset, passage.first, dataset->size(), together, window, passage.device, upload},
      compute, take);
}

}  // namespace rcnn::training
