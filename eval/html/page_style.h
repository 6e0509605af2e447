// The look of a report: style sheet and script, both inline.
//
// One line length, tabular numbers, and colours as variables that follow the
// reader's light or dark setting. An error kind or class has the same colour on the
// whole page. Text has a contrast of at least 4.5 : 1 to its background, lines and
// marks 3 : 1. The script sorts tables and filters examples; without it the page
// shows everything unsorted and unfiltered.

#ifndef RCNN_EVAL_HTML_PAGE_STYLE_H_
#define RCNN_EVAL_HTML_PAGE_STYLE_H_

#include <string>

#include "absl/strings/string_view.h"

namespace rcnn::eval {

// A whole document: `title` is escaped here, `body` is HTML.
std::string WrapPage(absl::string_view title, absl::string_view body);

// CSS colour of an error kind: "var(--e0)".
std::string ErrorColor(int kind);

// "<i class="sw" style="..."></i>", a patch of a colour.
std::string Swatch(absl::string_view color);

}  // namespace rcnn::eval

#endif  // RCNN_EVAL_HTML_PAGE_STYLE_H_
