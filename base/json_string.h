// A text as a JSON string.

#ifndef RCNN_BASE_JSON_STRING_H_
#define RCNN_BASE_JSON_STRING_H_

#include <string>

#include "absl/strings/string_view.h"

namespace rcnn {

// In quotes, with everything escaped that JSON wants escaped. A name from a file may not be UTF-8,
// but JSON must be: other bytes become U+FFFD.
std::string JsonString(absl::string_view text);

}  // namespace rcnn

#endif  // RCNN_BASE_JSON_STRING_H_
