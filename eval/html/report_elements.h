// The pieces that sections of reports and comparisons are made of, as HTML.
//
// A part of report_page.h.

#ifndef RCNN_EVAL_HTML_REPORT_ELEMENTS_H_
#define RCNN_EVAL_HTML_REPORT_ELEMENTS_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace rcnn::eval {

// "<section id="ID"><h2>TITLE</h2>BODY</section>", "" without a body. Not escaped.
std::string Section(absl::string_view id, absl::string_view title, absl::string_view body);

// Of HTML: not escaped.
std::string Paragraph(absl::string_view text);
std::string Note(absl::string_view text);

// NameHtml of at most `most` code points; a longer name is shortened in the middle and shown whole
// when pointed at.
std::string ShortNameHtml(absl::string_view name, size_t most);

// Commands for a shell, one on a line. A line that is too long wraps between words. Escaped
// here.
std::string Commands(const std::vector<std::string>& commands);

// A cell of a table, shown as `text`, which sorts by its value.
std::string NumberCell(double value, const std::string& text);
std::string PercentCell(double value);  // of a fraction
std::string CountCell(int64_t value);

// The head of a column of errors of this kind.
std::string ErrorHead(int kind);

// The colour of a class on the whole page, "#rrggbb".
std::string ClassCssColor(int64_t category);

}  // namespace rcnn::eval

#endif  // RCNN_EVAL_HTML_REPORT_ELEMENTS_H_
