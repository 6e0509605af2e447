#include "rcnn/data/coco/coco_instances.h"

#include <unistd.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "rcnn/base/byte_order_mark.h"
#include "rcnn/base/counted.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/data/coco/coco_polygons.h"
#include "rcnn/data/coco/lenient_json.h"
#include "rcnn/data/core/json_diagnosis.h"
#include "rcnn/data/core/record_limit.h"
#include "simdjson.h"

namespace rcnn::data {
namespace {

namespace ondemand = simdjson::ondemand;

absl::Status JsonError(absl::string_view where, simdjson::error_code code) {
  return absl::InvalidArgumentError(absl::StrCat(where, ": ", ExplainJsonError(code)));
}

// An error of the whole document; `document` may know its position.
absl::Status JsonError(absl::string_view json, ondemand::document& document,
                       simdjson::error_code code) {
  const char* place = nullptr;
  const bool known =
      document.current_location().get(place) == simdjson::SUCCESS && place > json.data();
  return absl::InvalidArgumentError(absl::StrCat(
      ExplainJsonError(code), known ? absl::StrCat(", near byte ", place - json.data()) : ""));
}

absl::Status NotAnObject(absl::string_view json) {
  const size_t first = json.find_first_not_of(" \t\r\n");
  return absl::InvalidArgumentError(
      absl::StrCat("not a COCO instances file, which is {\"images\", \"annotations\", "
                   "\"categories\"}: it does not start with '{'",
                   first != json.npos && json[first] == '[' ? "; is it a results file?" : ""));
}

std::string RecordName(const char* section, size_t index) {
  return absl::StrCat(section, "[", index, "]");
}

bool GetBox(ondemand::value value, std::array<double, 4>& box) {
  ondemand::array array;
  if (value.get_array().get(array) != simdjson::SUCCESS) return false;
  size_t count = 0;
  bool finite = true;
  for (auto maybe_element : array) {
    ondemand::value element;
    if (std::move(maybe_element).get(element) != simdjson::SUCCESS) return false;
    if (count < 4) finite = GetFinite(element, box[count]) && finite;
    ++count;
  }
  return finite && count == 4;
}

// The required fields that a record has, and the first field with a bad value.
class FieldCheck {
 public:
  explicit FieldCheck(absl::string_view json) : json_(json) {}

  // Notes that `field` is present, with a good or a bad value. `bit` stands for it in Has.
  void Note(const char* field, int bit, ondemand::value value, bool good) {
    present_ |= bit;
    if (good || problem_.found()) return;
    problem_ = {field, DefectKind::kBadNumber};
    value_ = ShownValue(json_, value);
  }

  void Require(const char* field, int bit) {
    if (!Has(bit) && !problem_.found()) problem_ = {field, DefectKind::kMissingField};
  }

  // Notes that another field gave the value of a missing one.
  void Supply(int bit) { present_ |= bit; }

  bool Has(int bit) const { return (present_ & bit) != 0; }
  const CocoProblem& problem() const { return problem_; }
  const std::string& value() const { return value_; }

 private:
  const absl::string_view json_;
  int present_ = 0;
  CocoProblem problem_;
  std::string value_;
};

enum : int { kId = 1, kImageId = 2, kCategoryId = 4, kBbox = 8, kOther = 16 };

// Repairs to report after reading the annotations.
struct Repairs {
  std::vector<size_t> without_id;
  // Whose boxes are those of their polygons.
  std::vector<size_t> without_box;
  int64_t bad_marks = 0;
  std::string first_bad_mark;
};

// Supplies a missing box by the polygons of `segmentation`, which is "" if there is none. False if
// the box is there, or stays missing.
bool TakeBoxOfPolygons(absl::string_view segmentation, CocoAnnotation& annotation,
                       FieldCheck& check) {
  if (check.Has(kBbox)) return false;
  const auto box = BoundPolygons(segmentation);
  if (!box) return false;
  annotation.bbox = *box;
  check.Supply(kBbox);
  return true;
}

simdjson::error_code ReadRecord(ondemand::object object, size_t index, absl::string_view json,
                                Repairs& repairs, CocoAnnotation& annotation, FieldCheck& check) {
  absl::string_view segmentation;
  const auto error = ForEachField(object, [&](std::string_view key, ondemand::value value) {
    if (key == "id") {
      if (!IsNull(value)) check.Note("id", kId, value, GetWhole(value, annotation.id));
    } else if (key == "image_id") {
      check.Note("image_id", kImageId, value, GetWhole(value, annotation.image_id));
    } else if (key == "category_id") {
      check.Note("category_id", kCategoryId, value, GetWhole(value, annotation.category_id));
    } else if (key == "bbox") {
      if (!IsNull(value)) check.Note("bbox", kBbox, value, GetBox(value, annotation.bbox));
    } else if (key == "area") {
      double area = 0;
      if (GetFinite(value, area)) annotation.area = area;
    } else if (key == "segmentation") {
      segmentation = TextFrom(json, value);
    } else if (key == "iscrowd" && !GetMark(value, annotation.iscrowd) && !IsNull(value)) {
      if (repairs.bad_marks++ == 0) repairs.first_bad_mark = ShownValue(json, value);
    }
    return simdjson::SUCCESS;
  });
  check.Require("image_id", kImageId);
  check.Require("category_id", kCategoryId);
  const bool from_polygons = TakeBoxOfPolygons(segmentation, annotation, check);
  check.Require("bbox", kBbox);
  annotation.problem = check.problem();
  if (from_polygons && !annotation.problem.found()) repairs.without_box.push_back(index);
  return error;
}

// Images and categories have no `problem` member: the error is returned.
simdjson::error_code ReadRecord(ondemand::object object, bool need_names, CocoImage& image,
                                FieldCheck& check) {
  const auto error = ForEachField(object, [&](std::string_view key, ondemand::value value) {
    if (key == "id") {
      check.Note("id", kId, value, GetWhole(value, image.id));
    } else if (key == "file_name") {
      check.Note("file_name", kOther, value, GetText(value, image.file_name));
    } else if (key == "width") {
      GetWhole(value, image.width);
    } else if (key == "height") {
      GetWhole(value, image.height);
    }
    return simdjson::SUCCESS;
  });
  check.Require("id", kId);
  if (need_names) check.Require("file_name", kOther);
  return error;
}

simdjson::error_code ReadRecord(ondemand::object object, bool need_names, CocoCategory& category,
                                FieldCheck& check) {
  const auto error = ForEachField(object, [&](std::string_view key, ondemand::value value) {
    if (key == "id") {
      check.Note("id", kId, value, GetWhole(value, category.id));
    } else if (key == "name") {
      check.Note("name", kOther, value, GetText(value, category.name));
      category.name = std::string(absl::StripAsciiWhitespace(category.name));
    } else if (key == "supercategory") {
      GetText(value, category.supercategory);
    }
    return simdjson::SUCCESS;
  });
  check.Require("id", kId);
  if (need_names) check.Require("name", kOther);
  return error;
}

template <typename Record>
bool HasId(const Record&) {
  return true;
}

// An annotation with a problem may lack an id, and is not used.
bool HasId(const CocoAnnotation& annotation) { return !annotation.problem.found(); }

template <typename Record>
absl::Status CheckUnique(const char* section, const std::vector<Record>& records) {
  std::vector<int64_t> ids;
  ids.reserve(records.size());
  for (const Record& record : records) {
    if (HasId(record)) ids.push_back(record.id);
  }
  std::sort(ids.begin(), ids.end());
  const auto twice = std::adjacent_find(ids.begin(), ids.end());
  if (twice == ids.end()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(section, ": the id ", *twice, " is a duplicate"));
}

// The sections of one document.
class Sections {
 public:
  Sections(absl::string_view json, const CocoInstancesOptions& options)
      : json_(json), options_(options) {}

  absl::Status Read(std::string_view key, ondemand::value value) {
    if (key == "images") return ReadOnce("images", value, result_.images);
    if (key == "annotations") return ReadOnce("annotations", value, result_.annotations);
    if (key == "categories") return ReadOnce("categories", value, result_.categories);
    return absl::OkStatus();
  }

  absl::StatusOr<CocoInstances> Finish() && {
    RCNN_RETURN_IF_ERROR(CheckAllThere());
    NumberAnnotations();
    NoticeBoxesOfPolygons();
    if (repairs_.bad_marks > 0) {
      result_.notices.push_back(
          absl::StrCat(Counted(repairs_.bad_marks, "annotation has", "annotations have"),
                       " an iscrowd that is neither 0 nor 1, "
                       "the first ",
                       repairs_.first_bad_mark, "; ", Noun(repairs_.bad_marks, "it is", "they are"),
                       " taken as 0"));
    }
    RCNN_RETURN_IF_ERROR(CheckUnique("images", result_.images));
    RCNN_RETURN_IF_ERROR(CheckUnique("annotations", result_.annotations));
    RCNN_RETURN_IF_ERROR(CheckUnique("categories", result_.categories));
    return std::move(result_);
  }

 private:
  absl::Status CheckAllThere() const {
    for (const char* section : {"images", "annotations", "categories"}) {
      if (std::find(read_.begin(), read_.end(), section) != read_.end()) continue;
      const bool is_annotations = absl::string_view(section) == "annotations";
      if (is_annotations && !options_.need_annotations) continue;
      return absl::InvalidArgumentError(absl::StrCat(
          "no \"", section,
          "\" section: a COCO instances file has \"images\", \"annotations\" and "
          "\"categories\"",
          is_annotations ? " (an image_info file has no ground truth, and does not belong "
                           "into a folder of labelled images)"
                         : ""));
    }
    return absl::OkStatus();
  }

  // Annotations without an id are numbered after the highest id.
  void NumberAnnotations() {
    if (repairs_.without_id.empty()) return;
    int64_t highest = 0;
    for (const CocoAnnotation& annotation : result_.annotations) {
      highest = std::max(highest, annotation.id);
    }
    for (const size_t i : repairs_.without_id) result_.annotations[i].id = ++highest;
    result_.notices.push_back(
        absl::StrCat(Counted(repairs_.without_id.size(), "annotation has", "annotations have"),
                     " no id, the first annotations[", repairs_.without_id.front(),
                     "]; ids are given in the order of the file"));
  }

  void NoticeBoxesOfPolygons() {
    const std::vector<size_t>& places = repairs_.without_box;
    if (places.empty()) return;
    result_.notices.push_back(
        absl::StrCat(places.size(), places.size() == 1 ? " annotation has" : " annotations have",
                     " no bbox, the first annotations[", places.front(),
                     "]; the bounding box of the polygons in segmentation is used"));
  }

  absl::Status ReadOne(ondemand::object object, const char* section, size_t index,
                       CocoAnnotation& annotation) {
    RCNN_RETURN_IF_ERROR(CheckNumRecords(index + 1, section, json_.size()));
    FieldCheck check(json_);
    if (auto error = ReadRecord(object, index, json_, repairs_, annotation, check)) {
      return JsonError(RecordName(section, index), error);
    }
    if (!check.Has(kId)) repairs_.without_id.push_back(index);
    if (!check.value().empty()) {
      result_.bad_values.emplace(static_cast<int64_t>(index), check.value());
    }
    return absl::OkStatus();
  }

  template <typename Record>
  absl::Status ReadOne(ondemand::object object, const char* section, size_t index, Record& record) {
    FieldCheck check(json_);
    if (auto error = ReadRecord(object, options_.need_names, record, check)) {
      return JsonError(RecordName(section, index), error);
    }
    const CocoProblem& problem = check.problem();
    if (!problem.found()) return absl::OkStatus();
    const bool missing = problem.kind == DefectKind::kMissingField;
    return absl::InvalidArgumentError(
        absl::StrCat(RecordName(section, index), ": ", missing ? "no field \"" : "bad value of \"",
                     problem.field, missing ? "\"" : "\": ", missing ? "" : check.value()));
  }

  template <typename Record>
  absl::Status ReadOnce(const char* section, ondemand::value value, std::vector<Record>& records) {
    if (std::find(read_.begin(), read_.end(), section) != read_.end()) {
      return absl::InvalidArgumentError(absl::StrCat("two \"", section, "\" sections"));
    }
    read_.emplace_back(section);
    ondemand::array array;
    if (auto error = value.get_array().get(array)) return JsonError(section, error);
    for (auto maybe_element : array) {
      ondemand::object object;
      if (auto error = maybe_element.get_object().get(object)) {
        return JsonError(RecordName(section, records.size()), error);
      }
      records.emplace_back();
      RCNN_RETURN_IF_ERROR(ReadOne(object, section, records.size() - 1, records.back()));
    }
    return absl::OkStatus();
  }

  const absl::string_view json_;
  const CocoInstancesOptions options_;
  std::vector<std::string> read_;
  Repairs repairs_;
  CocoInstances result_;
};

absl::StatusOr<CocoInstances> ParseJson(simdjson::padded_string_view json,
                                        const CocoInstancesOptions& options) {
  ondemand::parser parser;
  ondemand::document document;
  if (auto error = parser.iterate(json).get(document)) {
    return absl::InvalidArgumentError(ExplainJsonError(error));
  }
  const absl::string_view text(json.data(), json.length());
  ondemand::object root;
  if (auto error = document.get_object().get(root)) {
    return error == simdjson::INCORRECT_TYPE ? NotAnObject(text) : JsonError(text, document, error);
  }
  Sections sections(text, options);
  absl::Status status;
  const auto error = ForEachField(root, [&](std::string_view key, ondemand::value value) {
    status = sections.Read(key, value);
    return status.ok() ? simdjson::SUCCESS : simdjson::TAPE_ERROR;
  });
  RCNN_RETURN_IF_ERROR(status);
  if (error) return JsonError(text, document, error);
  const char* rest = nullptr;
  if (document.current_location().get(rest) == simdjson::SUCCESS) {
    return absl::InvalidArgumentError("extra text after its end");
  }
  return std::move(sections).Finish();
}

absl::StatusOr<CocoInstances> Parse(simdjson::padded_string_view json,
                                    const CocoInstancesOptions& options) {
  const absl::string_view text(json.data(), json.length());
  if (const auto other = DescribeOtherFormat(text)) return absl::InvalidArgumentError(*other);
  absl::StatusOr<CocoInstances> instances = ParseJson(json, options);
  if (instances.ok()) return instances;
  // simdjson reports a trailing comma at some later position.
  if (const auto comma = DescribeTrailingComma(text)) return absl::InvalidArgumentError(*comma);
  return instances;
}

// simdjson reads up to this far past the end. The last page of a mapping is
// padded with zeros.
bool MappingIsPadded(absl::string_view bytes) {
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  const size_t used = bytes.size() % page;
  return used != 0 && page - used >= simdjson::SIMDJSON_PADDING;
}

}  // namespace

absl::StatusOr<CocoInstances> ParseCocoInstances(absl::string_view bytes,
                                                 const CocoInstancesOptions& options) {
  bytes = WithoutByteOrderMark(bytes);
  const simdjson::padded_string padded(bytes.data(), bytes.size());
  return Parse(padded, options);
}

absl::StatusOr<CocoInstances> ReadCocoInstances(const std::string& path,
                                                const CocoInstancesOptions& options) {
  RCNN_ASSIGN_OR_RETURN(MappedFile file, MappedFile::Open(path));
  const absl::string_view bytes = WithoutByteOrderMark(file.bytes());
  absl::StatusOr<CocoInstances> instances =
      MappingIsPadded(file.bytes())
          ? Parse(simdjson::padded_string_view(bytes.data(), bytes.size(),
                                               bytes.size() + simdjson::SIMDJSON_PADDING),
                  options)
          : ParseCocoInstances(bytes, options);
  RCNN_RETURN_IF_ERROR(instances.status(), path);
  return instances;
}

}  // namespace rcnn::data
