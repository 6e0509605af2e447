#include "rcnn/data/voc/voc_annotation.h"

#include <cmath>
#include <cstddef>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "pugixml.hpp"
#include "rcnn/base/status_macros.h"
#include "rcnn/data/core/record_limit.h"
#include "rcnn/data/core/stated_size.h"
#include "rcnn/data/core/xml_document.h"

namespace rcnn::data {
namespace {

constexpr const char* kCorners[4] = {"xmin", "ymin", "xmax", "ymax"};

void SetProblem(VocObject& object, DefectKind kind, std::string value) {
  if (object.problem) return;
  object.problem = kind;
  object.problem_value = std::move(value);
}

void ReadCorners(const pugi::xml_node& box, VocObject& object) {
  for (int i = 0; i < 4; ++i) {
    const pugi::xml_node node = box.child(kCorners[i]);
    if (!node) {
      SetProblem(object, DefectKind::kMissingField, absl::StrCat("bndbox/", kCorners[i]));
      continue;
    }
    const std::string text = XmlText(node);
    if (!absl::SimpleAtod(text, &object.corners[i]) || !std::isfinite(object.corners[i])) {
      SetProblem(object, DefectKind::kBadNumber, absl::StrCat(kCorners[i], " = \"", text, "\""));
    }
  }
}

bool IsTrue(const std::string& text) {
  double number = 0;
  if (absl::SimpleAtod(text, &number)) return number != 0;
  return absl::EqualsIgnoreCase(text, "true") || absl::EqualsIgnoreCase(text, "yes");
}

// The objects of a file. Refuses those that take many times its size in memory: an empty one has 9
// bytes, and all boxes of one get its name.
class Objects {
 public:
  explicit Objects(size_t file_bytes) : file_bytes_(file_bytes) {}

  // One object per box; one with a problem if there is no box.
  absl::Status Read(const pugi::xml_node& node) {
    VocObject object;
    object.name = XmlText(node.child("name"));
    if (object.name.empty()) SetProblem(object, DefectKind::kMissingField, "name");
    object.difficult = IsTrue(XmlText(node.child("difficult")));
    for (const pugi::xml_node& box : node.children("bndbox")) {
      RCNN_RETURN_IF_ERROR(Add(object));
      ReadCorners(box, objects_.back());
    }
    if (node.child("bndbox")) return absl::OkStatus();
    SetProblem(object, DefectKind::kMissingField, "bndbox");
    return Add(object);
  }

  std::vector<VocObject> Take() && { return std::move(objects_); }

 private:
  absl::Status Add(const VocObject& object) {
    RCNN_RETURN_IF_ERROR(CheckNumRecords(objects_.size() + 1, "objects", file_bytes_));
    name_bytes_ += object.name.size();
    if (name_bytes_ > kMostNames * file_bytes_) {
      return absl::InvalidArgumentError(
          absl::StrCat("the names of its boxes take more than ", kMostNames,
                       " times the size of the file: one long name has many boxes"));
    }
    objects_.push_back(object);
    return absl::OkStatus();
  }

  static constexpr size_t kMostNames = 4;

  const size_t file_bytes_;
  size_t name_bytes_ = 0;
  std::vector<VocObject> objects_;
};

void ReadSize(const pugi::xml_node& size, VocAnnotation& annotation) {
  if (!size) return;
  const std::string width = XmlText(size.child("width"));
  const std::string height = XmlText(size.child("height"));
  annotation.width = StatedPixels(width);
  annotation.height = StatedPixels(height);
  annotation.size_text = absl::StrCat(width, " x ", height);
}

}  // namespace

absl::StatusOr<VocAnnotation> ParseVocAnnotation(absl::string_view bytes) {
  pugi::xml_document document;
  RCNN_RETURN_IF_ERROR(ParseXml(bytes, document));
  const pugi::xml_node root = document.child("annotation");
  if (!root) return absl::InvalidArgumentError("no <annotation> element");
  VocAnnotation annotation;
  annotation.file_name = XmlText(root.child("filename"));
  ReadSize(root.child("size"), annotation);
  Objects objects(bytes.size());
  for (const pugi::xml_node& node : root.children("object")) {
    RCNN_RETURN_IF_ERROR(objects.Read(node));
  }
  annotation.objects = std::move(objects).Take();
  return annotation;
}

}  // namespace rcnn::data
