// Finds images of a dataset that cannot be opened, without decoding all of them.
//
// Checks the start and the end of each file: it must exist, be an image with the
// annotated size, and not be cut off. Suspicious files are decoded, so that every
// reported file is one that Dataset::LoadImage refuses. Damage in the middle of a file is
// not found. Takes about ten microseconds for a file in the page cache, otherwise two
// disk accesses.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(auto unreadable, FindUnreadableImages(*dataset));

#ifndef RCNN_DATA_CORE_IMAGE_CHECK_H_
#define RCNN_DATA_CORE_IMAGE_CHECK_H_

#include <cstdint>
#include <functional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "rcnn/data/core/dataset.h"
#include "rcnn/data/image/orientation.h"

namespace rcnn::data {

struct ImageCheckOptions {
  // >= 1. Threads mostly wait for the disk.
  int threads = 8;
  // Both may be null and are called from any thread. `progress` is called after
  // each image. `stop` is called before each image; true ends the search with
  // kCancelled.
  std::function<void()> progress = nullptr;
  std::function<bool()> stop = nullptr;
  // May be null. Called by one thread at a time, in any order, for each image that viewers
  // turn by its EXIF data but that is used as stored, if opening its dataset did not read
  // the file, so that there was no notice yet.
  std::function<void(int64_t index, Orientation orientation)> found_turned = nullptr;
};

struct UnreadableImage {
  int64_t index = 0;
  absl::Status error;  // of LoadImage, which names the file
};

// The unreadable images, sorted by index. Images without a file count as readable.
// kCancelled after `stop`.
absl::StatusOr<std::vector<UnreadableImage>> FindUnreadableImages(
    const Dataset& dataset, const ImageCheckOptions& options = {});

}  // namespace rcnn::data

#endif  // RCNN_DATA_CORE_IMAGE_CHECK_H_
