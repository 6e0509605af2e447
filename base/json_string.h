// Quotes text for JSON.

#ifndef RCNN_BASE_JSON_STRING_H_
#define RCNN_BASE_JSON_STRING_H_

#include <string>

#include "absl/strings/string_view.h"

namespace rcnn {

// Returns `text` in quotes and escaped. JSON must be UTF-8, but a name from a file need not be:
// invalid bytes become U+FFFD.
std::string JsonString(absl::string_view text);

}  // namespace rcnn

#endif  // RCNN_BASE_JSON_STRING_H_
