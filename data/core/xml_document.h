// Parses the XML of annotations.
//
// Example:
//   pugi::xml_document document;
//   RCNN_RETURN_IF_ERROR(ParseXml(bytes, pugi::encoding_auto, document), path);

#ifndef RCNN_DATA_CORE_XML_DOCUMENT_H_
#define RCNN_DATA_CORE_XML_DOCUMENT_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "pugixml.hpp"

namespace rcnn::data {

// Replaces `document` with the contents of `bytes`. With encoding_auto, pugixml tells UTF-8,
// UTF-16, UTF-32 and Latin-1 apart. kInvalidArgument, with the byte, for text that is not XML,
// and for a document type with its own declarations, whose entities would not be read.
absl::Status ParseXml(absl::string_view bytes, pugi::xml_encoding encoding,
                      pugi::xml_document& document);

}  // namespace rcnn::data

#endif  // RCNN_DATA_CORE_XML_DOCUMENT_H_
