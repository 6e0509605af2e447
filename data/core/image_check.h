// Which images of a dataset cannot be opened, without decoding all of them.
//
// Looks at the beginning and the end of each file: that it is there, is an image of
// the size that its annotations were made for, and was not cut off. Only what looks
// wrong is decoded, so that exactly what Dataset::LoadImage refuses is reported; what
// is damaged in the middle is not found. Some ten microseconds for a file that the
// system holds in memory, else what the disk takes to find two places.
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

namespace rcnn::data {

struct ImageCheckOptions {
  // >= 1. They wait for the disk more than they compute.
  int threads = 8;
  // Both may be null and are called from any of the threads: after each image, and
  // before each one, where true ends the search with kCancelled.
  std::function<void()> progress = nullptr;
  std::function<bool()> stop = nullptr;
};

struct UnreadableImage {
  int64_t index = 0;
  absl::Status error;  // of LoadImage, which names the file
};

// Those images, by index. Images that lie in no file are readable.
absl::StatusOr<std::vector<UnreadableImage>> FindUnreadableImages(
    const Dataset& dataset, const ImageCheckOptions& options = {});

}  // namespace rcnn::data

#endif  // RCNN_DATA_CORE_IMAGE_CHECK_H_
