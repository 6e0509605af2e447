// The look of a report: style sheet and script, both inline.
//
// One measure of text, tabular numbers, colours as variables that follow the
// reader's light or dark setting; error kinds and classes keep their colour on
// the whole page. All text has a contrast of at least 4.5 : 1 to its ground, lines
// and marks of 3 : 1. The script sorts tables and filters examples; without it
// all content is there, unsorted and unfiltered.

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
