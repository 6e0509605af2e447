#include "rcnn/data/core/image_check.h"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "rcnn/base/file_io.h"
#include "rcnn/data/image/decode_image.h"
#include "rcnn/data/image/exif_orientation.h"
#include "rcnn/data/image/image_header.h"
#include "rcnn/data/image/orientation.h"

namespace rcnn::data {
namespace {

// Cameras and servers append some bytes after the end of an image.
constexpr size_t kTailBytes = 1024;

// The little-endian number in 4 bytes at `position`.
size_t Little32(absl::string_view bytes, size_t position) {
  size_t value = 0;
  for (size_t i = 4; i-- > 0;) {
    value = value << 8 | static_cast<uint8_t>(bytes[position + i]);
  }
  return value;
}

// Whether the file ends as `format` prescribes. `bytes` begin with a header of the format.
bool HasItsEnd(ImageFormat format, absl::string_view bytes) {
  const absl::string_view tail = bytes.substr(bytes.size() - std::min(bytes.size(), kTailBytes));
  switch (format) {
    case ImageFormat::kJpeg:
      return absl::StrContains(tail, "\xff\xd9");
    case ImageFormat::kPng:
      return absl::StrContains(tail, "IEND");
    case ImageFormat::kBmp:  // the size of the file
      return bytes.size() >= Little32(bytes, 2);
    case ImageFormat::kWebp:  // the size of what follows it
      return bytes.size() - 8 >= Little32(bytes, 4);
    case ImageFormat::kGif:  // only decoding can tell
    case ImageFormat::kTiff:
      break;
  }
  return false;
}

// Whether the decoded image will have the annotated size.
bool HasItsSize(const ImageInfo& info, const ImageHeader& header, Orientation orientation) {
  const bool swapped = info.exif_applied && SwapsSides(orientation);
  return info.width == (swapped ? header.height : header.width) &&
         info.height == (swapped ? header.width : header.height);
}

// False if only decoding can tell. `orientation` becomes the file's.
bool LooksWhole(const ImageInfo& info, Orientation& orientation) {
  const absl::StatusOr<MappedFile> file = MappedFile::Open(info.path);
  if (!file.ok()) return false;
  const absl::StatusOr<ImageHeader> header = ParseImageHeader(file->bytes());
  if (!header.ok()) return false;
  orientation = ParseExifOrientation(file->bytes());
  if (!HasItsSize(info, *header, orientation)) return false;
  // By division: the product could overflow.
  if (header->height > DecodeOptions().max_pixels / header->width) return false;
  return HasItsEnd(header->format, file->bytes());
}

class Search {
 public:
  Search(const Dataset& dataset, const ImageCheckOptions& options)
      : dataset_(dataset), options_(options) {}

  // The loop of each thread.
  void Work() {
    while (!stopped_) {
      const int64_t index = next_++;
      if (index >= dataset_.size()) return;
      if (options_.stop && options_.stop()) {
        stopped_ = true;
        return;
      }
      absl::Status error = CheckImage(index);
      if (!error.ok()) Add({index, std::move(error)});
      if (options_.progress) options_.progress();
    }
  }

  absl::StatusOr<std::vector<UnreadableImage>> Result() {
    if (stopped_) return absl::CancelledError("stopped while checking the images");
    const std::lock_guard<std::mutex> lock(mutex_);
    std::sort(found_.begin(), found_.end(),
              [](const auto& a, const auto& b) { return a.index < b.index; });
    return std::move(found_);
  }

 private:
  absl::Status CheckImage(int64_t index) {
    const ImageInfo info = dataset_.image(index);
    if (info.path.empty()) return absl::OkStatus();
    Orientation orientation = Orientation::kUpright;
    const bool whole = LooksWhole(info, orientation);
    if (orientation != Orientation::kUpright && !info.orientation && !info.exif_applied &&
        options_.found_turned) {
      const std::lock_guard<std::mutex> lock(mutex_);
      options_.found_turned(index, orientation);
    }
    return whole ? absl::OkStatus() : dataset_.LoadImage(index).status();
  }

  void Add(UnreadableImage image) {
    const std::lock_guard<std::mutex> lock(mutex_);
    found_.push_back(std::move(image));
  }

  const Dataset& dataset_;
  const ImageCheckOptions& options_;
  std::atomic<int64_t> next_{0};
  std::atomic<bool> stopped_{false};
  std::mutex mutex_;
  std::vector<UnreadableImage> found_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

absl::StatusOr<std::vector<UnreadableImage>> FindUnreadableImages(
    const Dataset& dataset, const ImageCheckOptions& options) {
  Search search(dataset, options);
  std::vector<std::thread> threads;
  for (int i = 1; i < options.threads; ++i) threads.emplace_back([&] { search.Work(); });
  search.Work();
  for (std::thread& thread : threads) thread.join();
  return search.Result();
}

}  // namespace rcnn::data
