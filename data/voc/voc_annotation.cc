#include "rcnn/data/voc/voc_annotation.h"

#include <cmath>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "pugixml.hpp"
#include "rcnn/base/status_macros.h"

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

VocObject ReadObject(const pugi::xml_node& node) {
  VocObject object;
  object.name = Text(node.child("name"));
  if (object.name.empty()) SetProblem(object, DefectKind::kMissingField, "name");
  double difficult = 0;
  object.difficult = absl::SimpleAtod(Text(node.child("difficult")), &difficult) && difficult != 0;
  if (!node.child("bndbox")) SetProblem(object, DefectKind::kMissingField, "bndbox");
  ReadCorners(node.child("bndbox"), object);
  return object;
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

absl::Status CheckDoctype(const pugi::xml_document& document) {
  for (const pugi::xml_node& node : document) {
    if (node.type() == pugi::node_doctype &&
        absl::string_view(node.value()).find('[') != absl::string_view::npos) {
      return absl::InvalidArgumentError("a document type with declarations of its own");
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<VocAnnotation> ParseVocAnnotation(absl::string_view bytes) {
  pugi::xml_document document;
  const pugi::xml_parse_result result =
      document.load_buffer(bytes.data(), bytes.size(), pugi::parse_default | pugi::parse_doctype);
  if (!result) {
    return absl::InvalidArgumentError(
        absl::StrCat("not valid XML at byte ", result.offset, ": ", result.description()));
  }
  RCNN_RETURN_IF_ERROR(CheckDoctype(document));
  const pugi::xml_node root = document.child("annotation");
  if (!root) return absl::InvalidArgumentError("no <annotation> element");
  VocAnnotation annotation;
  annotation.file_name = Text(root.child("filename"));
  ReadSize(root.child("size"), annotation);
  for (const pugi::xml_node& node : root.children("object")) {
    annotation.objects.push_back(ReadObject(node));
  }
  return annotation;
}

}  // namespace rcnn::data
