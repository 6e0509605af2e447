#include "rcnn/data/core/record_table.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/base/stored_file.h"
#include "rcnn/data/core/box_units.h"
#include "rcnn/data/core/class_index.h"
#include "rcnn/data/core/sample.h"
#include "rcnn/data/image/orientation.h"

namespace rcnn::data {

RecordTable::RecordTable(const configs::DatasetConfig& config, std::vector<std::string> class_names,
                         BoxView convention)
    : config_(config),
      rules_(MakeRules(config)),
      convention_(convention),
      class_names_(std::move(class_names)) {
  if (config.classes_size() > 0) {
    class_names_.assign(config.classes().begin(), config.classes().end());
  }
  classes_known_ = !class_names_.empty();
  for (size_t i = 0; i < class_names_.size(); ++i) {
    labels_.emplace(class_names_[i], static_cast<int64_t>(i) + 1);
  }
}

void RecordTable::DropImage(std::string source, DefectKind kind, std::string value,
                            int64_t objects) {
  table_.defects.Add({std::move(source), -1, kind, std::move(value), DefectAction::kImageDropped});
  table_.defects.AddObjectsOfDroppedImages(objects);
}

void RecordTable::DropUnreadable(std::string source, const absl::Status& error) {
  KeepUnreadable(error, unreadable_);
  DropImage(std::move(source), DefectKind::kUnreadableAnnotation, std::string(error.message()));
}

void RecordTable::DropRecord(const ImageRecord& record, DefectKind kind, std::string value) {
  table_.defects.Add(
      {record.source, -1, kind, std::move(value), DefectAction::kImageDropped, record.name});
  table_.defects.AddObjectsOfDroppedImages(static_cast<int64_t>(record.objects.size()));
}

bool RecordTable::ReadFacts(Listed& image) {
  const absl::StatusOr<ImageFacts> facts = ReadImageFacts(image.record.path);
  KeepUnreadable(facts.status(), unreadable_);
  if (facts.ok()) {
    image.facts = *facts;
  } else if (absl::IsNotFound(facts.status())) {
    DropRecord(image.record, DefectKind::kMissingImage, image.record.name);
  } else {
    DropRecord(image.record, DefectKind::kUnreadableImage, std::string(facts.status().message()));
  }
  return facts.ok();
}

void RecordTable::DecideViews() {
  std::vector<AnnotatedImage> annotated;
  annotated.reserve(images_.size());
  for (const Listed& image : images_) {
    annotated.push_back({image.record.name, image.facts, image.record.width, image.record.height});
  }
  BoxViews decided = DecideBoxViews(config_, convention_, annotated);
  if (!decided.notice.empty()) table_.defects.AddNotice(std::move(decided.notice));
  for (size_t i = 0; i < images_.size(); ++i) images_[i].view = decided.views[i];
}

absl::Status RecordTable::CheckUnits() const {
  FractionCheck check;
  for (const Listed& image : images_) {
    for (const ObjectRecord& object : image.record.objects) {
      if (check.decided()) return absl::OkStatus();
      if (object.problem) continue;
      if (object.fractions) return absl::OkStatus();
      check.Add(object.xywh, static_cast<double>(image.facts.header.width),
                static_cast<double>(image.facts.header.height));
    }
  }
  return check.Check(config_);
}

// The image's own size overrides the annotated one.
void RecordTable::AddToTable(const Listed& image) {
  const ImageRecord& record = image.record;
  if (image.view == BoxView::kUndecided) {
    return DropRecord(record, DefectKind::kUndecidedOrientation,
                      std::string(Name(image.facts.orientation)));
  }
  ImageInfo info = image.info;
  SetView(image.view, image.facts, info);
  const bool has_size = record.width > 0 && record.height > 0;
  if (has_size && (record.width != info.width || record.height != info.height)) {
    table_.defects.Add({record.source, -1, DefectKind::kWrongSize,
                        absl::StrCat(record.width, " x ", record.height, ", the image ",
                                     record.name, " has ", info.width, " x ", info.height),
                        DefectAction::kKept, record.name});
  }
  table_.AddImage(info);
  for (size_t i = 0; i < record.objects.size(); ++i) {
    AddObject(record, info, static_cast<int64_t>(i));
  }
}

// 0 for a class that is not in the list.
int64_t RecordTable::FindLabel(const std::string& name) {
  const auto found = labels_.find(name);
  if (found != labels_.end()) return found->second;
  if (classes_known_ || !IsClassName(name)) return 0;
  class_names_.push_back(name);
  labels_.emplace(name, static_cast<int64_t>(class_names_.size()));
  return static_cast<int64_t>(class_names_.size());
}

void RecordTable::AddObject(const ImageRecord& record, const ImageInfo& info, int64_t index) {
  const ObjectRecord& object = record.objects[index];
  ++num_objects_;
  const auto drop = [&](DefectKind kind, std::string value) {
    table_.defects.Add(
        {record.source, index, kind, std::move(value), DefectAction::kObjectDropped, record.name});
  };
  if (object.problem) return drop(*object.problem, object.value);
  std::array<double, 4> xywh = object.xywh;
  const double width = static_cast<double>(info.width);
  const double height = static_cast<double>(info.height);
  if (object.fractions || config_.box_units() == configs::FRACTIONS) {
    xywh = {xywh[0] * width, xywh[1] * height, xywh[2] * width, xywh[3] * height};
  }
  const int64_t label = FindLabel(object.class_name);
  if (label == 0) {
    if (config_.ignore_other_classes()) return;
    return drop(DefectKind::kUnknownClass, absl::StrCat("\"", object.class_name, "\""));
  }
  const BoxVerdict verdict = CheckBox(xywh, width, height, rules_);
  overruns_.Add(verdict, rules_);
  if (verdict.defect) {
    table_.defects.Add({record.source, index, *verdict.defect,
                        absl::StrCat(object.value, " in ", info.width, " x ", info.height),
                        verdict.action, record.name});
  }
  if (!verdict.keep()) return;
  Object result = MakeObject(xywh, rules_);
  result.label = label;
  result.id = num_objects_;
  result.difficult = object.difficult;
  table_.AddObject(result);
}

void RecordTable::Add(ImageRecord record) {
  ++num_images_;
  if (!seen_.insert(record.name).second) {
    return DropRecord(record, DefectKind::kDuplicateImage, record.name);
  }
  Listed image;
  image.info.id = num_images_;
  image.info.name = record.name;
  image.info.path = record.path;
  image.record = std::move(record);
  if (ReadFacts(image)) images_.push_back(std::move(image));
}

// Classes that were found get their labels in the order of their names.
void RecordTable::SortClasses() {
  if (classes_known_) return;
  std::vector<int64_t> order(class_names_.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(),
            [&](int64_t a, int64_t b) { return class_names_[a] < class_names_[b]; });
  std::vector<int64_t> label(class_names_.size() + 1, 0);
  std::vector<std::string> names;
  for (size_t i = 0; i < order.size(); ++i) {
    label[order[i] + 1] = static_cast<int64_t>(i) + 1;
    names.push_back(class_names_[order[i]]);
  }
  for (Object& object : table_.objects) object.label = label[object.label];
  class_names_ = std::move(names);
}

absl::Status RecordTable::NoObjectsLeft(absl::string_view source) const {
  const int64_t images = table_.num_images();
  if (num_objects_ == 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        source, ": no objects are left: none of the annotations of ", images,
        images == 1 ? " image" : " images", " has one, and without any there are no classes"));
  }
  return absl::InvalidArgumentError(
      absl::StrCat(source, ": no objects are left of ", num_objects_, " on ", images,
                   images == 1 ? " image; " : " images; ", table_.defects.total(), " defects\n",
                   table_.defects.ToString(20)));
}

absl::StatusOr<AnnotationTable> RecordTable::Finish(absl::string_view source) && {
  RCNN_RETURN_IF_ERROR(unreadable_);
  DecideViews();
  RCNN_RETURN_IF_ERROR(CheckUnits(), source);
  for (Listed& image : images_) {
    AddToTable(image);
    image = Listed();
  }
  std::vector<Listed>().swap(images_);
  overruns_.Report(config_, table_.defects);
  SortClasses();
  if (class_names_.empty() && table_.num_images() > 0) {
    return NoObjectsLeft(source);
  }
  if (!class_names_.empty()) {
    RCNN_RETURN_IF_ERROR(ClassIndex::Create(class_names_).status(), source);
  }
  for (size_t i = 0; i < class_names_.size(); ++i) {
    table_.classes.category_ids.push_back(static_cast<int64_t>(i) + 1);
  }
  table_.classes.names = std::move(class_names_);
  RCNN_RETURN_IF_ERROR(FinishTable(config_, source, table_));
  return std::move(table_);
}

}  // namespace rcnn::data
