// Quotes text for JSON.
//
// Written files are also shown on terminals. Beyond what JSON itself wants escaped, the
// characters that a terminal obeys or hides become escapes: DEL, the controls from U+0080
// to U+009F, line separators, and marks that turn the direction of text ("\u202e").

#ifndef RCNN_BASE_JSON_STRING_H_
#define RCNN_BASE_JSON_STRING_H_

#include <string>

#include "absl/strings/string_view.h"

namespace rcnn {

// Returns `text` in quotes and escaped. JSON must be UTF-8, but a name from a file need not be:
// invalid bytes become U+FFFD.
std::string JsonString(absl::string_view text);

// Escapes these characters in a JSON document, which is UTF-8, as a library has written it. It
// parses as before.
std::string PrintableJson(absl::string_view json);

}  // namespace rcnn

#endif  // RCNN_BASE_JSON_STRING_H_
