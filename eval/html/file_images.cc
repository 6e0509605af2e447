#include "rcnn/eval/html/file_images.h"

#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/data/image/decode_image.h"

namespace rcnn::eval {

LoadImageFunction FileImages(const GroundTruth& truth, const std::string& folder) {
  if (truth.images.empty()) return nullptr;
  std::error_code error;
  const std::string& first = truth.images.front().file;
  if (folder.empty() && (first.empty() || !std::filesystem::exists(first, error))) return nullptr;
  return [&truth, folder](int64_t i) -> absl::StatusOr<std::shared_ptr<const data::Image>> {
    std::string path = truth.images[i].file;
    if (path.empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat("image ", truth.images[i].id, " has no file_name to read"));
    }
    if (!folder.empty()) {
      RCNN_ASSIGN_OR_RETURN(path, JoinInside(folder, path));
    }
    data::DecodeOptions options;
    options.apply_exif_orientation = truth.images[i].exif_applied;
    RCNN_ASSIGN_OR_RETURN(data::Image image, data::ReadImage(path, options));
    return std::make_shared<const data::Image>(std::move(image));
  };
}

}  // namespace rcnn::eval
