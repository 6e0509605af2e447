#include "rcnn/eval/html/report_elements.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "rcnn/eval/class_colors.h"
#include "rcnn/eval/errors/detection_errors.h"
#include "rcnn/eval/html/html_text.h"
#include "rcnn/eval/html/page_style.h"

namespace rcnn::eval {

std::string Section(absl::string_view id, absl::string_view title, absl::string_view body) {
  if (body.empty()) return "";
  return absl::StrCat("<section id=\"", id, "\"><h2>", title, "</h2>", body, "</section>\n");
}

std::string Paragraph(absl::string_view text) { return absl::StrCat("<p>", text, "</p>"); }

std::string Note(absl::string_view text) {
  return absl::StrCat("<p class=\"note\">", text, "</p>");
}

std::string ShortNameHtml(absl::string_view name, size_t most) {
  const std::string shown = Shorten(name, most);
  if (shown == name) return NameHtml(name);
  return absl::StrCat("<span title=\"", EscapeHtml(name), "\">", NameHtml(shown), "</span>");
}

std::string Commands(const std::vector<std::string>& commands) {
  std::string html = "<pre class=\"wrap\">";
  for (size_t i = 0; i < commands.size(); ++i) {
    absl::StrAppend(&html, i == 0 ? "<span>" : "\n<span>");
    bool quoted = false;
    std::string word;
    for (const char c : commands[i]) {
      if (c == '\'') quoted = !quoted;
      if (c != ' ' || quoted) {
        word += c;
        continue;
      }
      absl::StrAppend(&html, EscapeHtml(word), "</span> <span>");
      word.clear();
    }
    absl::StrAppend(&html, EscapeHtml(word), "</span>");
  }
  return absl::StrCat(html, "</pre>");
}

std::string NumberCell(double value, const std::string& text) {
  return absl::StrCat("<td data-v=\"", IsDefined(value) ? absl::StrFormat("%.6g", value) : "",
                      "\">", text, "</td>");
}

std::string PercentCell(double value) { return NumberCell(value, PercentText(value)); }

std::string CountCell(int64_t value) {
  return NumberCell(static_cast<double>(value), CountText(value));
}

std::string ErrorHead(int kind) {
  return absl::StrCat("<th scope=\"col\">", Swatch(ErrorColor(kind)), ErrorTitle(kind), "</th>");
}

std::string ClassCssColor(int64_t category) {
  const cv::Scalar bgr = ClassColor(category + 1);
  return absl::StrFormat("#%02x%02x%02x", static_cast<int>(bgr[2]), static_cast<int>(bgr[1]),
                         static_cast<int>(bgr[0]));
}

}  // namespace rcnn::eval
