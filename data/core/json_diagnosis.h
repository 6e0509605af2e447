// Explains why a file that should be JSON cannot be read, where the JSON reader's own
// message would not help.
//
// Example:
//   if (auto why = DescribeOtherFormat(bytes)) return absl::InvalidArgumentError(*why);

#ifndef RCNN_DATA_CORE_JSON_DIAGNOSIS_H_
#define RCNN_DATA_CORE_JSON_DIAGNOSIS_H_

#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace rcnn::data {

// Whether the bytes are the beginning of JSON in UTF-16 or UTF-32, with or without a byte order
// mark: JSON begins with two characters of ASCII.
bool IsWideText(absl::string_view bytes);

// Explains bytes that are UTF-16 or UTF-32 text, or a Git LFS pointer; nullopt for others.
std::optional<std::string> DescribeOtherFormat(absl::string_view bytes);

// Explains the first comma before a closing bracket; nullopt if there is none. For rejected
// text: JSON has no such comma, but many tools write one. O(n).
std::optional<std::string> DescribeTrailingComma(absl::string_view json);

}  // namespace rcnn::data

#endif  // RCNN_DATA_CORE_JSON_DIAGNOSIS_H_
