#include "rcnn/eval/html/file_images.h"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/data/image/decode_image.h"

namespace rcnn::eval {
namespace {

absl::StatusOr<std::string> ImagePath(const GroundTruthImage& image, const std::string& folder) {
  if (image.file.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("image ", image.id, " has no file_name to read"));
  }
  if (folder.empty()) return image.file;
  return JoinInside(folder, image.file);
}

// Counts what cannot be read now: the error of reading it says why.
bool AnyExists(const GroundTruth& truth, const std::string& folder) {
  return std::any_of(truth.images.begin(), truth.images.end(), [&](const GroundTruthImage& image) {
    const absl::StatusOr<std::string> path = ImagePath(image, folder);
    std::error_code error;
    return path.ok() && (std::filesystem::exists(*path, error) || error);
  });
}

}  // namespace

absl::Status CheckImagesFolder(const GroundTruth& truth, const std::string& folder) {
  if (folder.empty() || truth.images.empty() || AnyExists(truth, folder)) return absl::OkStatus();
  const GroundTruthImage& first = truth.images.front();
  return absl::NotFoundError(absl::StrCat(
      folder, " holds none of the dataset's images, ", truth.images.size(), " in all; ",
      first.file.empty()
          ? absl::StrCat("the first, of id ", first.id, ", has no file_name in the dataset")
          : absl::StrCat("the first is ", first.file),
      AnyExists(truth, "") ? ", which is found without this flag: leave it out" : ""));
}

LoadImageFunction FileImages(const GroundTruth& truth, const std::string& folder) {
  if (folder.empty() && !AnyExists(truth, folder)) return nullptr;
  return [&truth, folder](int64_t i) -> absl::StatusOr<std::shared_ptr<const data::Image>> {
    RCNN_ASSIGN_OR_RETURN(const std::string path, ImagePath(truth.images[i], folder));
    data::DecodeOptions options;
    options.apply_exif_orientation = truth.images[i].exif_applied;
    RCNN_ASSIGN_OR_RETURN(data::Image image, data::ReadImage(path, options));
    return std::make_shared<const data::Image>(std::move(image));
  };
}

}  // namespace rcnn::eval
