#include "rcnn/eval/coco_ground_truth.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "rcnn/base/counted.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/configs/dataset.pb.h"
#include "rcnn/data/coco/coco_instances.h"
#include "rcnn/data/coco/coco_root_category.h"
#include "rcnn/data/core/box_units.h"
#include "rcnn/eval/id_index.h"

namespace rcnn::eval {
namespace {

absl::Status CheckAnnotation(const data::CocoInstances& instances, size_t i) {
  const data::CocoAnnotation& annotation = instances.annotations[i];
  if (annotation.problem.found()) {
    const bool missing = annotation.problem.kind == data::DefectKind::kMissingField;
    const auto value = instances.bad_values.find(static_cast<int64_t>(i));
    return absl::InvalidArgumentError(absl::StrCat(
        "\"", annotation.problem.field, "\" is ", missing ? "missing" : "not a valid number",
        value == instances.bad_values.end() ? "" : absl::StrCat(": ", value->second)));
  }
  // No range of areas holds it.
  if (annotation.area < 0) {
    return absl::InvalidArgumentError(absl::StrCat("\"area\" is negative: ", annotation.area));
  }
  return absl::OkStatus();
}

absl::Status CheckUnits(const data::CocoInstances& instances) {
  // Before images are looked up: nearly always one of the boxes settles it.
  if (std::any_of(instances.annotations.begin(), instances.annotations.end(),
                  [](const auto& each) { return each.bbox[2] > 2 || each.bbox[3] > 2; })) {
    return absl::OkStatus();
  }
  std::map<int64_t, const data::CocoImage*> images;
  for (const data::CocoImage& image : instances.images) images[image.id] = &image;
  data::FractionCheck check;
  for (const data::CocoAnnotation& annotation : instances.annotations) {
    const auto image = images.find(annotation.image_id);
    if (image == images.end() || image->second->width <= 0) continue;
    check.Add(annotation.bbox, static_cast<double>(image->second->width),
              static_cast<double>(image->second->height));
  }
  return check.Check(configs::DatasetConfig());
}

void LeaveOutRoot(data::CocoInstances& instances, GroundTruth& truth) {
  const std::optional<size_t> root = data::FindRootCategory(instances);
  if (!root) return;
  truth.warnings.push_back(
      absl::StrCat("category 0 (\"", instances.categories[*root].name,
                   "\") is a root without objects of its own; it is left out of the categories"));
  truth.root_category_id = 0;
  instances.categories.erase(instances.categories.begin() + static_cast<std::ptrdiff_t>(*root));
}

// Defaults for missing fields of an annotation.
class Substitutes {
 public:
  double Area(const data::CocoAnnotation& annotation, size_t index) {
    if (!std::isnan(annotation.area)) return annotation.area;
    if (count_++ == 0) first_ = index;
    return annotation.bbox[2] * annotation.bbox[3];
  }

  void Warn(GroundTruth& truth) const {
    if (count_ == 0) return;
    truth.warnings.push_back(
        absl::StrCat(Counted(count_, "annotation has", "annotations have"),
                     " no numeric area (the first is annotations[", first_,
                     "]); width * height is used instead, so metrics by size differ from those of "
                     "the segmentations"));
  }

 private:
  int64_t count_ = 0;
  size_t first_ = 0;
};

// What the metrics leave out or cannot match, as pycocotools does without a message.
void WarnOfUselessAnnotations(GroundTruth& truth) {
  const IdIndex images(truth.images);
  const IdIndex categories(truth.categories);
  int64_t unlisted = 0;
  int64_t negative = 0;
  for (const Annotation& a : truth.annotations) {
    unlisted += images.Find(a.image_id) < 0 || categories.Find(a.category_id) < 0;
    negative += a.box.width < 0 || a.box.height < 0;
  }
  if (unlisted > 0) {
    truth.warnings.push_back(
        absl::StrCat(Counted(unlisted, "annotation is of an image or category that is",
                             "annotations are of images or categories that are"),
                     " not listed; ", Noun(unlisted, "it is", "they are"), " left out"));
  }
  if (negative > 0) {
    truth.warnings.push_back(
        absl::StrCat(Counted(negative, "annotation has", "annotations have"),
                     " a negative width or height, which no detection can match"));
  }
}

absl::StatusOr<GroundTruth> ToGroundTruth(data::CocoInstances instances,
                                          const CocoGroundTruthOptions& options) {
  GroundTruth truth;
  truth.warnings = std::move(instances.notices);
  LeaveOutRoot(instances, truth);
  if (options.check_units) RCNN_RETURN_IF_ERROR(CheckUnits(instances));
  for (data::CocoImage& image : instances.images) {
    truth.images.push_back(
        {image.id, std::move(image.file_name), /*exif_applied=*/false, image.width, image.height});
  }
  for (data::CocoCategory& category : instances.categories) {
    truth.categories.push_back({category.id, category.name.empty() ? absl::StrCat(category.id)
                                                                   : std::move(category.name)});
  }
  truth.annotations.reserve(instances.annotations.size());
  Substitutes substitutes;
  for (size_t i = 0; i < instances.annotations.size(); ++i) {
    const data::CocoAnnotation& a = instances.annotations[i];
    RCNN_RETURN_IF_ERROR(CheckAnnotation(instances, i), absl::StrCat("annotations[", i, "]"));
    const auto& [x, y, width, height] = a.bbox;
    if (a.id == 0) {
      truth.warnings.push_back(
          absl::StrCat("annotations[", i,
                       "] has the id 0: as in pycocotools, a detection that matches it counts "
                       "as unmatched; renumber the annotations from 1 for the true value"));
    }
    truth.annotations.push_back({a.id, a.image_id, a.category_id, XywhBox{x, y, width, height},
                                 substitutes.Area(a, i), a.iscrowd});
  }
  substitutes.Warn(truth);
  truth.Normalize();
  WarnOfUselessAnnotations(truth);
  return truth;
}

}  // namespace

absl::StatusOr<GroundTruth> ParseCocoGroundTruth(absl::string_view json,
                                                 const CocoGroundTruthOptions& options) {
  RCNN_ASSIGN_OR_RETURN(
      data::CocoInstances instances,
      data::ParseCocoInstances(
          json, {.need_names = false, .need_annotations = options.need_annotations}));
  return ToGroundTruth(std::move(instances), options);
}

absl::StatusOr<GroundTruth> ReadCocoGroundTruth(const std::string& path,
                                                const CocoGroundTruthOptions& options) {
  RCNN_ASSIGN_OR_RETURN(
      data::CocoInstances instances,
      data::ReadCocoInstances(path,
                              {.need_names = false, .need_annotations = options.need_annotations}));
  RCNN_ASSIGN_OR_RETURN(GroundTruth truth, ToGroundTruth(std::move(instances), options), path);
  return truth;
}

}  // namespace rcnn::eval
