// Formats text and numbers for an HTML page.
//
// Names of classes, images and files come from outside and may hold anything. All
// text that is not the program's own goes through EscapeHtml.
//
// Example:
//   page += absl::StrCat("<td>", EscapeHtml(name), "</td>");

#ifndef RCNN_EVAL_HTML_HTML_TEXT_H_
#define RCNN_EVAL_HTML_HTML_TEXT_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace rcnn::eval {

// Escapes & < > " ' for text and quoted attributes, and as on a terminal (base/printable.h)
// control characters other than tab and newline, marks that turn the direction of the text
// after them, and bytes that are not UTF-8: "\x1b", "\u202e".
std::string EscapeHtml(absl::string_view text);

// A name from a file within other text, escaped. It is isolated, because the direction of Arabic
// or Hebrew letters would otherwise move the words and numbers beside it.
std::string NameHtml(absl::string_view name);

// At most `most` code points, >= 2: an ellipsis stands for the middle of a longer text,
// because names of one dataset often begin alike. Not escaped.
std::string Shorten(absl::string_view text, size_t most);

// "41.3" of 0.413; an en dash where there is nothing to measure (NaN, -1).
std::string PercentText(double fraction);

// "+4.1" or, with a minus sign (U+2212), "−0.2"; "0.0" without a sign. Of a fraction.
std::string SignedPercentText(double fraction);

// "12,345".
std::string CountText(int64_t count);

// "1 image", "12,345 images". plural: "" for the singular and an s.
std::string CountedText(int64_t count, absl::string_view singular, absl::string_view plural = "");

// Not NaN and not the metrics' -1.
bool IsDefined(double value);

// "data:TYPE;base64,..." of bytes.
std::string DataUrl(absl::string_view type, absl::string_view bytes);

}  // namespace rcnn::eval

#endif  // RCNN_EVAL_HTML_HTML_TEXT_H_
