// Text and numbers as they stand in an HTML page.
//
// Names of classes, images and files come from outside and may hold anything:
// whatever is not written by the program itself goes through EscapeHtml.
//
// Example: page += absl::StrCat("<td>", EscapeHtml(name), "</td>");

#ifndef RCNN_EVAL_HTML_HTML_TEXT_H_
#define RCNN_EVAL_HTML_HTML_TEXT_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace rcnn::eval {

// & < > " ' as references, for text and for quoted attributes alike. Control
// characters other than tab and newline, and bytes that are not UTF-8, become U+FFFD:
// an HTML page may not hold them.
std::string EscapeHtml(absl::string_view text);

// At most `most` code points, an ellipsis for the rest. Not escaped.
std::string Shorten(absl::string_view text, size_t most);

// "41.3" of 0.413; an en dash where there is nothing to measure (NaN, -1).
std::string PercentText(double fraction);

// "+4.1" or, with a minus sign (U+2212), "−0.2"; "0.0" without a sign. Of a fraction.
std::string SignedPercentText(double fraction);

// "12,345".
std::string CountText(int64_t count);

// Not NaN and not the metrics' -1.
bool IsMeasured(double value);

// "data:TYPE;base64,..." of bytes.
std::string DataUrl(absl::string_view type, absl::string_view bytes);

}  // namespace rcnn::eval

#endif  // RCNN_EVAL_HTML_HTML_TEXT_H_
