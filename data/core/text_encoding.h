// Text of other encodings, as UTF-8.
//
// Through the C library's iconv.
//
// Example: RCNN_ASSIGN_OR_RETURN(std::string text, ToUtf8(bytes));

#ifndef RCNN_DATA_CORE_TEXT_ENCODING_H_
#define RCNN_DATA_CORE_TEXT_ENCODING_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace rcnn::data {

// Text in the encoding of this name ("GBK", "windows-1252"). kInvalidArgument for a name
// that is not known, and for the first byte that is not of the encoding.
absl::StatusOr<std::string> DecodeText(absl::string_view bytes, const std::string& encoding);

// Text that is UTF-8 or, as byte order mark or zero bytes tell, UTF-16; without the mark.
// Other text is returned unchanged.
absl::StatusOr<std::string> ToUtf8(absl::string_view bytes);

}  // namespace rcnn::data

#endif  // RCNN_DATA_CORE_TEXT_ENCODING_H_
