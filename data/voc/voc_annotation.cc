#include "rcnn/data/voc/voc_annotation.h"

#include <cmath>
#include <cstddef>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "pugixml.hpp"
#include "rcnn/base/status_macros.h"
#include "rcnn/data/core/xml_document.h"

namespace rcnn::data {
namespace {

constexpr const char* kCorners[4] = {"xmin", "ymin", "xmax", "ymax"};

std::string Text(const pugi::xml_node& node) {
  return std::string(absl::StripAsciiWhitespace(node.child_value()));
}

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
    const std::string text = Text(node);
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

// One object per box; one with a problem if there is no box.
void ReadObjects(const pugi::xml_node& node, std::vector<VocObject>& objects) {
  VocObject object;
  object.name = Text(node.child("name"));
  if (object.name.empty()) SetProblem(object, DefectKind::kMissingField, "name");
  object.difficult = IsTrue(Text(node.child("difficult")));
  for (const pugi::xml_node& box : node.children("bndbox")) {
    objects.push_back(object);
    ReadCorners(box, objects.back());
  }
  if (node.child("bndbox")) return;
  SetProblem(object, DefectKind::kMissingField, "bndbox");
  objects.push_back(std::move(object));
}

int64_t ReadPixels(const std::string& text) {
  double value = 0;
  const bool whole = absl::SimpleAtod(text, &value) && value == std::floor(value);
  return whole && value > 0 && value < 1e9 ? static_cast<int64_t>(value) : 0;
}

void ReadSize(const pugi::xml_node& size, VocAnnotation& annotation) {
  if (!size) return;
  const std::string width = Text(size.child("width"));
  const std::string height = Text(size.child("height"));
  annotation.width = ReadPixels(width);
  annotation.height = ReadPixels(height);
  annotation.size_text = absl::StrCat(width, " x ", height);
}

}  // namespace

absl::StatusOr<VocAnnotation> ParseVocAnnotation(absl::string_view bytes) {
  pugi::xml_document document;
  RCNN_RETURN_IF_ERROR(ParseXml(bytes, document));
  const pugi::xml_node root = document.child("annotation");
  if (!root) return absl::InvalidArgumentError("no <annotation> element");
  VocAnnotation annotation;
  annotation.file_name = Text(root.child("filename"));
  ReadSize(root.child("size"), annotation);
  for (const pugi::xml_node& node : root.children("object")) {
    ReadObjects(node, annotation.objects);
  }
  return annotation;
}

}  // namespace rcnn::data
