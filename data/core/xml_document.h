// Parses the XML of annotations.
//
// Example:
//   pugi::xml_document document;
//   RCNN_RETURN_IF_ERROR(ParseXml(bytes, document), path);

#ifndef RCNN_DATA_CORE_XML_DOCUMENT_H_
#define RCNN_DATA_CORE_XML_DOCUMENT_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "pugixml.hpp"

namespace rcnn::data {

// Replaces `document` with the contents of `bytes`, as UTF-8. They may be UTF-16 or UTF-32, which
// reveal themselves, or have the encoding that the XML declares ("GBK"). kInvalidArgument, with
// the byte, for text that is not XML or not in the declared encoding; for a document type with its
// own declarations, whose entities would not be read; for several documents in a row; and for a Git
// LFS pointer.
absl::Status ParseXml(absl::string_view bytes, pugi::xml_document& document);

// The text of an element, without spaces around it: all of it, where child_value() ends at the
// first comment or CDATA section ("<name>a<!-- b -->c</name>").
std::string XmlText(const pugi::xml_node& node);

}  // namespace rcnn::data

#endif  // RCNN_DATA_CORE_XML_DOCUMENT_H_
