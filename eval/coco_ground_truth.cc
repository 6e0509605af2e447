#include "rcnn/eval/coco_ground_truth.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/data/coco/coco_instances.h"

namespace rcnn::eval {
namespace {

absl::Status CheckAnnotation(const data::CocoAnnotation& annotation) {
  if (annotation.problem.found()) {
    const bool missing = annotation.problem.kind == data::DefectKind::kMissingField;
    return absl::InvalidArgumentError(absl::StrCat("\"", annotation.problem.field, "\" is ",
                                                   missing ? "missing" : "not a valid number"));
  }
  // The size of the object's segmentation determines its area ranges and cannot be
  // replaced by another size.
  if (annotation.area < 0) return absl::InvalidArgumentError("\"area\" is missing or negative");
  return absl::OkStatus();
}

absl::StatusOr<GroundTruth> ToGroundTruth(data::CocoInstances instances) {
  GroundTruth truth;
  for (data::CocoImage& image : instances.images) {
    truth.images.push_back(
        {image.id, std::move(image.file_name), /*exif_applied=*/false, image.width, image.height});
  }
  for (data::CocoCategory& category : instances.categories) {
    truth.categories.push_back({category.id, category.name.empty() ? absl::StrCat(category.id)
                                                                   : std::move(category.name)});
  }
  truth.annotations.reserve(instances.annotations.size());
  for (size_t i = 0; i < instances.annotations.size(); ++i) {
    const data::CocoAnnotation& a = instances.annotations[i];
    RCNN_RETURN_IF_ERROR(CheckAnnotation(a), absl::StrCat("annotations[", i, "]"));
    const auto& [x, y, width, height] = a.bbox;
    truth.annotations.push_back(
        {a.id, a.image_id, a.category_id, XywhBox{x, y, width, height}, a.area, a.iscrowd});
  }
  truth.Normalize();
  return truth;
}

}  // namespace

absl::StatusOr<GroundTruth> ParseCocoGroundTruth(absl::string_view json) {
  RCNN_ASSIGN_OR_RETURN(data::CocoInstances instances,
                        data::ParseCocoInstances(json, {.need_names = false}));
  return ToGroundTruth(std::move(instances));
}

absl::StatusOr<GroundTruth> ReadCocoGroundTruth(const std::string& path) {
  RCNN_ASSIGN_OR_RETURN(data::CocoInstances instances,
                        data::ReadCocoInstances(path, {.need_names = false}));
  RCNN_ASSIGN_OR_RETURN(GroundTruth truth, ToGroundTruth(std::move(instances)), path);
  return truth;
}

}  // namespace rcnn::eval
