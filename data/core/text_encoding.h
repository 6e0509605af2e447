// Converts text in other encodings to UTF-8, with the C library's iconv.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(std::string text, ToUtf8(bytes));

#ifndef RCNN_DATA_CORE_TEXT_ENCODING_H_
#define RCNN_DATA_CORE_TEXT_ENCODING_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace rcnn::data {

// Converts text in the named encoding ("GBK", "windows-1252"). kInvalidArgument for an
// unknown name, and for the first byte that is not valid in the encoding.
absl::StatusOr<std::string> DecodeText(absl::string_view bytes, const std::string& encoding);

// Converts text that is UTF-16, by its byte order mark or zero bytes, and removes the byte
// order mark of UTF-16 or UTF-8. Other text is returned unchanged. Errors: those of
// DecodeText.
absl::StatusOr<std::string> ToUtf8(absl::string_view bytes);

}  // namespace rcnn::data

#endif  // RCNN_DATA_CORE_TEXT_ENCODING_H_
