#include "rcnn/data/core/xml_document.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace rcnn::data {
namespace {

absl::Status CheckDoctype(const pugi::xml_document& document) {
  for (const pugi::xml_node& node : document) {
    if (node.type() == pugi::node_doctype && absl::StrContains(node.value(), "[")) {
      return absl::InvalidArgumentError("a document type with its own declarations");
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ParseXml(absl::string_view bytes, pugi::xml_encoding encoding,
                      pugi::xml_document& document) {
  const pugi::xml_parse_result result = document.load_buffer(
      bytes.data(), bytes.size(), pugi::parse_default | pugi::parse_doctype, encoding);
  if (result) return CheckDoctype(document);
  return absl::InvalidArgumentError(
      absl::StrCat("not valid XML at byte ", result.offset, ": ", result.description()));
}

}  // namespace rcnn::data
