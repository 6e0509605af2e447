#include "rcnn/data/core/file_dataset.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "glog/logging.h"
#include "rcnn/base/status_macros.h"

namespace rcnn::data {

FileDataset::FileDataset(AnnotationTable table, const DecodeOptions& options)
    : table_(std::move(table)), options_(options), fingerprint_(ComputeFingerprint(table_)) {}

ImageInfo FileDataset::image(int64_t index) const {
  CHECK(index >= 0 && index < size()) << index << " of " << size();
  return table_.images[index];
}

std::vector<Object> FileDataset::objects(int64_t index) const {
  CHECK(index >= 0 && index < size()) << index << " of " << size();
  const absl::Span<const Object> objects = table_.objects_of(index);
  return std::vector<Object>(objects.begin(), objects.end());
}

absl::StatusOr<std::string> FileDataset::ReadImageBytes(int64_t index) const {
  const ImageInfo info = image(index);
  if (info.path.empty()) {
    return absl::FailedPreconditionError(absl::StrCat(
        info.name,
        ": the dataset was opened without a folder of images; set paths.images, or name "
        "it as in coco:INSTANCES.json:IMAGES"));
  }
  return Dataset::ReadImageBytes(index);
}

absl::StatusOr<std::shared_ptr<const Image>> FileDataset::LoadImage(int64_t index) const {
  const ImageInfo info = image(index);
  DecodeOptions options = options_;
  options.apply_exif_orientation = info.exif_applied;
  RCNN_ASSIGN_OR_RETURN(const std::string bytes, ReadImageBytes(index));
  RCNN_ASSIGN_OR_RETURN(Image decoded, DecodeImage(bytes, options), Place(index));
  if (decoded.width() != info.width || decoded.height() != info.height) {
    return absl::InvalidArgumentError(
        absl::StrCat(Place(index), ": the image has ", decoded.width(), " x ", decoded.height(),
                     " pixels, but its annotation was made for ", info.width, " x ", info.height,
                     "; correct the annotation, or restore the image"));
  }
  return std::make_shared<const Image>(std::move(decoded));
}

}  // namespace rcnn::data
