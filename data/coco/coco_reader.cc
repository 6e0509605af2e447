#include "rcnn/data/coco/coco_reader.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/data/coco/coco_classes.h"
#include "rcnn/data/coco/coco_images.h"
#include "rcnn/data/core/box_check.h"
#include "rcnn/data/core/box_units.h"
#include "rcnn/data/core/defect_report.h"
#include "rcnn/data/core/sample.h"

namespace rcnn::data {
namespace {

// Assigning {} would keep the memory.
template <typename T>
void Free(std::vector<T>& values) {
  std::vector<T>().swap(values);
}

// Builds the table of one file.
class CocoTableMaker {
 public:
  CocoTableMaker(const configs::DatasetConfig& config, const std::string& file,
                 const std::string& images_folder, const CocoReadOptions& options)
      : config_(config),
        file_(file),
        images_folder_(images_folder),
        options_(options),
        rules_(MakeRules(config)) {}

  absl::StatusOr<AnnotationTable> Make(CocoInstances instances);

 private:
  // Sets `object`; false if the annotation is not used.
  bool CheckAnnotation(const CocoAnnotation& annotation, int64_t index, Object& object);
  bool CheckReferences(const CocoAnnotation& annotation, int64_t index);
  void SetArea(const CocoAnnotation& annotation, int64_t index, Object& object);
  absl::Status CheckUnits(const std::vector<CocoAnnotation>& annotations) const;
  void SortIntoTable(const std::vector<CocoAnnotation>& annotations);

  // "" for one that is not used.
  std::string NameOfImage(const CocoAnnotation& annotation) const;
  bool DropObject(const CocoAnnotation& annotation, int64_t index, DefectKind kind,
                  absl::string_view value);

  const configs::DatasetConfig& config_;
  const std::string& file_;
  const std::string& images_folder_;
  const CocoReadOptions& options_;
  const BoxRules rules_;
  // Category id -> label; 0 for a category that the config leaves out.
  absl::flat_hash_map<int64_t, int64_t> labels_;
  CocoImagePlaces places_;
  // Of the file; see CocoInstances.
  std::map<int64_t, std::string> bad_values_;
  OverrunTally overruns_;
  AnnotationTable table_;
};

std::string CocoTableMaker::NameOfImage(const CocoAnnotation& annotation) const {
  const auto place = places_.find(annotation.image_id);
  if (place == places_.end() || place->second < 0) return "";
  return table_.images[static_cast<size_t>(place->second)].name;
}

bool CocoTableMaker::DropObject(const CocoAnnotation& annotation, int64_t index, DefectKind kind,
                                absl::string_view value) {
  table_.defects.Add({file_, index, kind, absl::StrCat("id ", annotation.id, ": ", value),
                      DefectAction::kObjectDropped, NameOfImage(annotation)});
  return false;
}

bool CocoTableMaker::CheckReferences(const CocoAnnotation& annotation, int64_t index) {
  if (annotation.problem.found()) {
    const auto value = bad_values_.find(index);
    return DropObject(annotation, index, annotation.problem.kind,
                      value == bad_values_.end()
                          ? annotation.problem.field
                          : absl::StrCat(annotation.problem.field, " = ", value->second));
  }
  if (places_.find(annotation.image_id) == places_.end()) {
    return DropObject(annotation, index, DefectKind::kUnknownImage,
                      absl::StrCat("image_id ", annotation.image_id));
  }
  const auto label = labels_.find(annotation.category_id);
  if (label != labels_.end() && label->second > 0) return true;
  if (label != labels_.end() && config_.ignore_other_classes()) return false;
  return DropObject(annotation, index, DefectKind::kUnknownClass,
                    absl::StrCat("category_id ", annotation.category_id));
}

// "area" is that of the segmentation. If it is missing, the area of the box is
// used.
void CocoTableMaker::SetArea(const CocoAnnotation& annotation, int64_t index, Object& object) {
  if (config_.box_units() == configs::FRACTIONS) return;
  if (annotation.area >= 0) {
    object.area = annotation.area;
    return;
  }
  table_.defects.Add({file_, index, DefectKind::kMissingArea,
                      absl::StrCat("id ", annotation.id, ": width * height = ", object.area),
                      DefectAction::kKept, NameOfImage(annotation)});
}

bool CocoTableMaker::CheckAnnotation(const CocoAnnotation& annotation, int64_t index,
                                     Object& object) {
  if (!CheckReferences(annotation, index)) return false;
  const int64_t place = places_.find(annotation.image_id)->second;
  if (place < 0) {  // its image is the defect
    table_.defects.AddObjectsOfDroppedImages(1);
    return false;
  }
  const ImageInfo& info = table_.images[place];
  std::array<double, 4> xywh = InPixels(config_, annotation.bbox, static_cast<double>(info.width),
                                        static_cast<double>(info.height));
  const BoxVerdict verdict =
      CheckBox(xywh, static_cast<double>(info.width), static_cast<double>(info.height), rules_);
  overruns_.Add(verdict, rules_);
  if (verdict.defect) {
    const auto& [x, y, width, height] = annotation.bbox;
    table_.defects.Add(
        {file_, index, *verdict.defect,
         absl::StrFormat("id %d: [%.10g, %.10g, %.10g, %.10g] in %d x %d", annotation.id, x, y,
                         width, height, info.width, info.height),
         verdict.action, info.name});
  }
  if (!verdict.keep()) return false;
  object = MakeObject(xywh, rules_);
  object.id = annotation.id;
  object.label = labels_.find(annotation.category_id)->second;
  object.crowd = annotation.iscrowd;
  SetArea(annotation, index, object);
  return true;
}

absl::Status CocoTableMaker::CheckUnits(const std::vector<CocoAnnotation>& annotations) const {
  FractionCheck check;
  for (const CocoAnnotation& annotation : annotations) {
    if (check.decided()) return absl::OkStatus();
    const auto place = places_.find(annotation.image_id);
    if (annotation.problem.found() || place == places_.end() || place->second < 0) continue;
    const ImageInfo& info = table_.images[static_cast<size_t>(place->second)];
    check.Add(annotation.bbox, static_cast<double>(info.width), static_cast<double>(info.height));
  }
  return Annotate(check.Check(config_), file_);
}

// A counting sort: images in order, and the objects of an image in the order of the
// file.
void CocoTableMaker::SortIntoTable(const std::vector<CocoAnnotation>& annotations) {
  std::vector<Object> objects;
  std::vector<int64_t> places;
  objects.reserve(annotations.size());
  places.reserve(annotations.size());
  table_.first_object.assign(table_.images.size() + 1, 0);
  for (size_t i = 0; i < annotations.size(); ++i) {
    Object object;
    if (!CheckAnnotation(annotations[i], static_cast<int64_t>(i), object)) continue;
    objects.push_back(object);
    places.push_back(places_.find(annotations[i].image_id)->second);
    ++table_.first_object[places.back() + 1];
  }
  for (size_t i = 1; i < table_.first_object.size(); ++i) {
    table_.first_object[i] += table_.first_object[i - 1];
  }
  std::vector<int64_t> next(table_.first_object.begin(), table_.first_object.end() - 1);
  table_.objects.resize(objects.size());
  for (size_t i = 0; i < objects.size(); ++i) table_.objects[next[places[i]]++] = objects[i];
}

absl::StatusOr<AnnotationTable> CocoTableMaker::Make(CocoInstances instances) {
  for (const std::string& notice : instances.notices) {
    table_.defects.AddNotice(absl::StrCat(file_, ": ", notice));
  }
  bad_values_ = std::move(instances.bad_values);
  RCNN_ASSIGN_OR_RETURN(CocoClasses chosen, ChooseCocoClasses(config_, instances), file_);
  if (!chosen.notice.empty()) table_.defects.AddNotice(absl::StrCat(file_, ": ", chosen.notice));
  table_.classes = std::move(chosen.classes);
  labels_ = std::move(chosen.labels);
  RCNN_ASSIGN_OR_RETURN(places_,
                        AddCocoImages(config_, std::move(instances.images),
                                      {file_, images_folder_, options_.check_images}, table_));
  RCNN_RETURN_IF_ERROR(CheckUnits(instances.annotations));
  SortIntoTable(instances.annotations);
  Free(instances.annotations);
  overruns_.Report(config_, table_.defects);
  RCNN_RETURN_IF_ERROR(FinishTable(config_, file_, table_));
  return std::move(table_);
}

}  // namespace

absl::StatusOr<AnnotationTable> ReadCoco(const configs::DatasetConfig& config,
                                         const std::string& instances_file,
                                         const std::string& images_folder,
                                         const CocoReadOptions& options) {
  RCNN_ASSIGN_OR_RETURN(CocoInstances instances, ReadCocoInstances(instances_file));
  return MakeCocoTable(config, std::move(instances), instances_file, images_folder, options);
}

absl::StatusOr<AnnotationTable> MakeCocoTable(const configs::DatasetConfig& config,
                                              CocoInstances instances, const std::string& file,
                                              const std::string& images_folder,
                                              const CocoReadOptions& options) {
  return CocoTableMaker(config, file, images_folder, options).Make(std::move(instances));
}

}  // namespace rcnn::data
