#include "rcnn/data/core/dataset.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/data/image/image.h"

namespace rcnn::data {

absl::StatusOr<std::string> Dataset::ReadImageBytes(int64_t index) const {
  const ImageInfo info = image(index);
  if (info.path.empty()) {
    return absl::FailedPreconditionError(absl::StrCat(info.name, ": the image has no file"));
  }
  return ReadFile(info.path, {.max_bytes = kMaxImageFileBytes});
}

absl::StatusOr<Sample> Dataset::Load(int64_t index) const {
  Sample sample;
  RCNN_ASSIGN_OR_RETURN(sample.image, LoadImage(index));
  sample.info = image(index);
  sample.objects = objects(index);
  return sample;
}

}  // namespace rcnn::data
