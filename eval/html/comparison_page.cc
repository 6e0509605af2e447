#include "rcnn/eval/html/comparison_page.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "rcnn/base/printable.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/eval/errors/detection_errors.h"
#include "rcnn/eval/errors/oracle_fixes.h"
#include "rcnn/eval/html/html_text.h"
#include "rcnn/eval/html/page_style.h"
#include "rcnn/eval/html/report_elements.h"

namespace rcnn::eval {
namespace {

// Detections of a lower score are not drawn.
constexpr double kDrawnScore = 0.3;
// Code points of a class's name in the table for the terminal.
constexpr size_t kLongestName = 28;

struct Judged {
  DetectionErrors errors;
  OracleFixes fixes;
};

absl::StatusOr<Judged> Judge(const ComparisonPageInput& input, const Detections& detections) {
  Judged judged;
  RCNN_ASSIGN_OR_RETURN(
      judged.errors,
      FindDetectionErrors(*input.truth, detections,
                          {.ignore_difficult = input.ignore_difficult, .threads = input.threads}));
  judged.fixes = MeasureOracleFixes(*input.truth, detections, judged.errors);
  return judged;
}

std::string IntervalText(const Difference& d) {
  if (!std::isfinite(d.low)) return PercentText(-1);
  return absl::StrCat(SignedPercentText(d.low), " to ", SignedPercentText(d.high));
}

// A difference with its interval on a common scale of -range to +range.
std::string IntervalPlot(const Difference& d, double range) {
  if (!std::isfinite(d.low)) return "";
  constexpr double kWidth = 200;
  const auto x = [&](double value) {
    return kWidth / 2 * (1 + std::min(std::max(value / range, -1.0), 1.0));
  };
  const char* color = d.low > 0 ? "var(--ok)" : d.high < 0 ? "var(--e5)" : "var(--soft)";
  return absl::StrFormat(
      "<svg viewBox=\"0 0 200 14\" width=\"200\" height=\"14\" aria-hidden=\"true\"><line "
      "class=\"grid\" x1=\"100\" x2=\"100\" y1=\"0\" y2=\"14\"/><line stroke=\"%s\" "
      "stroke-width=\"2\" x1=\"%.1f\" x2=\"%.1f\" y1=\"7\" y2=\"7\"/><circle r=\"3.5\" "
      "fill=\"%s\" cx=\"%.1f\" cy=\"7\"/></svg>",
      color, x(d.low), x(d.high), color, x(d.difference()));
}

std::string DifferenceCell(const Difference& d) {
  const char* style = d.low > 0 ? " class=\"better\"" : d.high < 0 ? " class=\"worse\"" : "";
  const std::string value =
      std::isfinite(d.difference()) ? absl::StrFormat("%.6g", d.difference()) : "";
  return absl::StrCat("<td data-v=\"", value, "\"><b", style, ">",
                      SignedPercentText(d.difference()), "</b></td>");
}

std::string Row(const std::string& name, const Difference& d, double range) {
  const auto cell = [](double value) {
    return absl::StrCat("<td data-v=\"", IsDefined(value) ? absl::StrFormat("%.6g", value) : "",
                        "\">", PercentText(value), "</td>");
  };
  return absl::StrCat("<tr><td>", name, "</td>", cell(d.a), cell(d.b), DifferenceCell(d),
                      "<td data-v=\"", std::isfinite(d.low) ? absl::StrFormat("%.6g", d.low) : "",
                      "\">", IntervalText(d), "</td><td>", IntervalPlot(d, range), "</td></tr>");
}

std::string TableHead(const ComparisonPageInput& input, const char* first) {
  return absl::StrCat("<thead><tr><th scope=\"col\">", first,
                      "</th><th scope=\"col\">A</th><th scope=\"col\">B"
                      "</th><th scope=\"col\">B &minus; A</th><th scope=\"col\">",
                      absl::StrFormat("%g %% interval", 100 * input.comparison->options.confidence),
                      "</th><th scope=\"col\"></th></tr></thead>");
}

double Range(const std::vector<Difference>& differences) {
  double range = 0.01;
  for (const Difference& d : differences) {
    if (!std::isfinite(d.low)) continue;
    range = std::max({range, std::abs(d.low), std::abs(d.high)});
  }
  return range;
}

std::string Verdict(const Difference& ap) {
  if (!std::isfinite(ap.low)) return "<p>Nothing to compare: the dataset has no objects.</p>";
  const std::string interval = IntervalText(ap);
  if (ap.a == ap.b && ap.low == 0 && ap.high == 0) return "<p>A and B have the same AP.</p>";
  if (!ap.significant()) {
    return absl::StrCat("<p>The difference in AP, ", SignedPercentText(ap.difference()),
                        " points, <b>may be chance</b>: its interval (", interval,
                        ") includes 0.</p>");
  }
  return absl::StrCat("<p><b>B is ", ap.low > 0 ? "better" : "worse", "</b> by ",
                      PercentText(std::abs(ap.difference())), " points of AP; the interval is ",
                      interval, ".</p>");
}

std::string SummaryBody(const ComparisonPageInput& input) {
  const Comparison& c = *input.comparison;
  const double range = Range({c.ap, c.ap50, c.ap75});
  return absl::StrCat(
      "<dl><dt>A</dt><dd>", NameHtml(input.a.name), "</dd><dt>B</dt><dd>", NameHtml(input.b.name),
      "</dd></dl>", Verdict(c.ap),
      "<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"Metrics\"><table "
      "class=\"fit\">",
      TableHead(input, "metric"), "<tbody>", Row("AP", c.ap, range), Row("AP50", c.ap50, range),
      Row("AP75", c.ap75, range),
      "</tbody></table></div><p class=\"note\">Intervals: paired "
      "bootstrap over images, ",
      CountText(c.options.resamples),
      " draws. They show the effect of the choice of images, not of another training "
      "run. Green and red: the interval excludes 0.</p>");
}

std::string ClassesBody(const ComparisonPageInput& input) {
  const Comparison& c = *input.comparison;
  const double range = Range(c.classes);
  std::string body = absl::StrCat(
      "<div class=\"wide tall\" tabindex=\"0\" role=\"region\" aria-label=\"Classes\"><table "
      "class=\"sorts fit\">",
      TableHead(input, "class"), "<tbody>");
  // A table of more rows takes a browser seconds to lay out.
  constexpr int64_t kMostRows = 1000;
  int64_t rows = 0;
  for (size_t k = 0; k < c.classes.size(); ++k) {
    if (!std::isfinite(c.classes[k].difference())) continue;
    if (++rows > kMostRows) break;
    const std::string name = absl::StrCat(Swatch(ClassCssColor(static_cast<int64_t>(k))),
                                          ShortNameHtml(input.truth->categories[k].name, 32));
    absl::StrAppend(&body, Row(name, c.classes[k], range));
  }
  const char* left_out = rows > kMostRows
                             ? "<p class=\"note\">The first 1,000 classes with objects. The "
                               "terminal output lists all.</p>"
                             : "";
  return absl::StrCat(body, "</tbody></table></div>", left_out);
}

std::string ErrorsBody(const Judged& a, const Judged& b) {
  std::string body =
      "<p>The gain in AP50 if all errors of one kind were fixed, and their number.</p>"
      "<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"Errors\"><table "
      "class=\"fit\"><thead><tr><th scope=\"col\">error</th><th "
      "scope=\"col\">A</th>"
      "<th scope=\"col\">B</th><th scope=\"col\">B &minus; A</th><th scope=\"col\">number A</th>"
      "<th scope=\"col\">number B</th></tr></thead><tbody>";
  for (int kind = 0; kind < kErrorKinds; ++kind) {
    absl::StrAppend(&body, "<tr><td>", Swatch(ErrorColor(kind)), ErrorTitle(kind), "</td><td>",
                    PercentText(a.fixes.dap[kind]), "</td><td>", PercentText(b.fixes.dap[kind]),
                    "</td><td>", SignedPercentText(b.fixes.dap[kind] - a.fixes.dap[kind]),
                    "</td><td>", CountText(a.errors.counts[kind]), "</td><td>",
                    CountText(b.errors.counts[kind]), "</td></tr>");
  }
  return absl::StrCat(body, "</tbody></table></div>");
}

// The whole image with the objects and one side's detections.
ExampleFigure DrawSide(const ComparisonPageInput& input, const Judged& judged,
                       const ComparedResult& side, const ImageChange& change, double ap,
                       const char* letter) {
  ExampleFigure figure;
  figure.image = change.image;
  figure.file = ImageName(*input.truth, change.image);
  const ImageLists& lists = judged.errors.lists;
  for (uint32_t g : lists.AnnotationsAt(change.image)) {
    const bool found = judged.errors.found_by[g] >= 0;
    figure.boxes.push_back({input.truth->annotations[g].box, found ? "other" : "e5"});
    figure.focus.push_back(input.truth->annotations[g].box);
  }
  for (uint32_t d : lists.DetectionsAt(change.image)) {
    if (side.detections->scores[d] < kDrawnScore) break;
    const uint8_t kind = judged.errors.detections[d];
    if (kind == kNotJudged) break;
    figure.boxes.push_back(
        {side.detections->boxes[d], kind == kNoError ? "ok" : absl::StrCat("e", kind)});
    figure.focus.push_back(side.detections->boxes[d]);
  }
  figure.heading = absl::StrCat(letter, " ", PercentText(ap));
  figure.text = "AP on this image.";
  return figure;
}

std::string ImagesBody(const ComparisonPageInput& input, const Judged& a, const Judged& b,
                       UnreadableImages& unreadable) {
  std::vector<ExampleFigure> figures;
  for (const ImageChange& change : input.comparison->images) {
    if (change.a == change.b) break;
    if (static_cast<int64_t>(figures.size()) >= 2 * input.max_images) break;
    figures.push_back(DrawSide(input, a, input.a, change, change.a, "A"));
    figures.push_back(DrawSide(input, b, input.b, change, change.b, "B"));
  }
  if (figures.empty()) return "";
  const std::vector<std::string> html =
      DrawFigures(figures, input.load_image, input.threads, &unreadable);
  std::string body = absl::StrFormat(
      "<p>By the change of AP on the image alone. Light blue: correct. Other colours: errors, as "
      "above; dashed red: missed. Detections with a score of at least %.1f.</p><div class=\"two\">",
      kDrawnScore);
  for (size_t i = 0; i + 1 < html.size(); i += 2) {
    absl::StrAppend(&body, "<div class=\"pair\">", html[i], html[i + 1], "</div>");
  }
  return body + "</div>";
}

std::string RepeatBody(const ComparisonPageInput& input) {
  std::string body = "<dl>";
  for (const auto& [name, value] : input.environment) {
    absl::StrAppend(&body, "<dt>", EscapeHtml(name), "</dt><dd>", NameHtml(value), "</dd>");
  }
  return absl::StrCat(body, "</dl>", Commands(input.commands));
}

}  // namespace

absl::StatusOr<std::string> MakeComparisonPage(const ComparisonPageInput& input) {
  RCNN_ASSIGN_OR_RETURN(const Judged a, Judge(input, *input.a.detections));
  RCNN_ASSIGN_OR_RETURN(const Judged b, Judge(input, *input.b.detections));
  UnreadableImages unreadable;
  std::string body = absl::StrCat(
      "<header><h1>", NameHtml(input.a.name), " and ", NameHtml(input.b.name),
      "</h1><p class=\"soft\">Two results compared on ",
      CountedText(static_cast<int64_t>(input.truth->images.size()), "image"), "</p></header><main>",
      Section("summary", "Summary", SummaryBody(input)),
      Section("classes", "Classes", ClassesBody(input)),
      Section("errors", "Errors", ErrorsBody(a, b)),
      Section("images", "Images that changed most", ImagesBody(input, a, b, unreadable)),
      Section("reproduce", "Reproduce", RepeatBody(input)), "</main><footer>");
  RCNN_RETURN_IF_ERROR(unreadable.now);
  if (unreadable.count > 0) {
    absl::StrAppend(
        &body, "<p>", CountedText(unreadable.count, "image"),
        " could not be read; shown as boxes only: ", NameHtml(unreadable.first.message()), "</p>");
  }
  absl::StrAppend(&body, "<p>Made by rcnn.</p></footer>");
  return WrapPage(absl::StrCat(input.a.name, " and ", input.b.name), body);
}

std::string FormatComparison(const Comparison& comparison, const GroundTruth& truth) {
  NameWidth width(11);
  for (const auto& category : truth.categories) width.Add(ShortName(category.name, kLongestName));
  std::string text;
  const auto row = [&](const std::string& name, const Difference& d) {
    if (!std::isfinite(d.low)) {
      absl::StrAppendFormat(&text, "%s %6s %6s\n", width.Pad(name), "-", "-");
      return;
    }
    absl::StrAppendFormat(&text, "%s %6.1f %6.1f %+6.1f  [%+.1f, %+.1f]%s\n", width.Pad(name),
                          100 * d.a, 100 * d.b, 100 * d.difference(), 100 * d.low, 100 * d.high,
                          d.significant() ? "  clear" : "");
  };
  absl::StrAppendFormat(&text, "%s %6s %6s %6s  %g %% interval of B - A\n", width.Pad(""), "A", "B",
                        "B - A", 100 * comparison.options.confidence);
  row("AP", comparison.ap);
  row("AP50", comparison.ap50);
  row("AP75", comparison.ap75);
  for (size_t k = 0; k < comparison.classes.size(); ++k) {
    row(ShortName(truth.categories[k].name, kLongestName), comparison.classes[k]);
  }
  return text;
}

}  // namespace rcnn::eval
