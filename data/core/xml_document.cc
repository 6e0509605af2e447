#include "rcnn/data/core/xml_document.h"

#include <cstddef>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "rcnn/base/git_lfs_pointer.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/data/core/text_encoding.h"

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

// The encoding that the XML declaration names, in upper case; "" if there is none, as in
// text with 16 bits per character, which reveals itself.
std::string DeclaredEncoding(absl::string_view bytes) {
  if (!absl::StartsWith(bytes, "<?xml")) return "";
  absl::string_view declaration = bytes.substr(0, bytes.find("?>"));
  const size_t place = declaration.find("encoding");
  if (place == absl::string_view::npos) return "";
  declaration.remove_prefix(place + 8);
  declaration = absl::StripLeadingAsciiWhitespace(declaration);
  if (!absl::ConsumePrefix(&declaration, "=")) return "";
  declaration = absl::StripLeadingAsciiWhitespace(declaration);
  if (declaration.empty()) return "";
  const char quote = declaration[0];
  declaration.remove_prefix(1);
  return absl::AsciiStrToUpper(declaration.substr(0, declaration.find(quote)));
}

// False, and nothing done, for an encoding that pugixml reads.
absl::StatusOr<bool> ConvertToUtf8(absl::string_view bytes, std::string& converted) {
  const std::string encoding = DeclaredEncoding(bytes);
  for (const char* known : {"", "UTF-8", "UTF8", "US-ASCII", "ASCII", "ISO-8859-1", "LATIN1"}) {
    if (encoding == known) return false;
  }
  // The text has single bytes, so this declaration is wrong; editors leave it when they convert.
  if (absl::StartsWith(encoding, "UTF-16") || absl::StartsWith(encoding, "UTF-32")) {
    converted = std::string(bytes);
    return true;
  }
  RCNN_ASSIGN_OR_RETURN(converted, DecodeText(bytes, encoding),
                        "the encoding that the XML declares");
  return true;
}

// pugixml reads on after the end of the first document, and who asks for its element would lose
// what the others hold.
absl::Status CheckOneElement(const pugi::xml_document& document) {
  pugi::xml_node first;
  for (const pugi::xml_node& node : document) {
    if (node.type() != pugi::node_element) continue;
    if (first) {
      return absl::InvalidArgumentError(
          absl::StrCat("several documents in one file: <", node.name(), "> follows the end of <",
                       first.name(), ">; write each to a file of its own"));
    }
    first = node;
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ParseXml(absl::string_view bytes, pugi::xml_document& document) {
  if (IsGitLfsPointer(bytes)) return absl::InvalidArgumentError(kGitLfsPointer);
  std::string converted;
  RCNN_ASSIGN_OR_RETURN(const bool is_converted, ConvertToUtf8(bytes, converted));
  if (is_converted) bytes = converted;
  const auto encoding = is_converted ? pugi::encoding_utf8 : pugi::encoding_auto;
  const pugi::xml_parse_result result = document.load_buffer(
      bytes.data(), bytes.size(), pugi::parse_default | pugi::parse_doctype, encoding);
  if (!result) {
    return absl::InvalidArgumentError(
        absl::StrCat("not valid XML at byte ", result.offset, ": ", result.description()));
  }
  RCNN_RETURN_IF_ERROR(CheckDoctype(document));
  return CheckOneElement(document);
}

std::string XmlText(const pugi::xml_node& node) {
  std::string text;
  for (const pugi::xml_node& child : node) {
    const bool is_text = child.type() == pugi::node_pcdata || child.type() == pugi::node_cdata;
    if (is_text) absl::StrAppend(&text, child.value());
  }
  return std::string(absl::StripAsciiWhitespace(text));
}

}  // namespace rcnn::data
