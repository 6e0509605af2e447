#include "rcnn/eval/html/report_page.h"

#include <set>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/eval/html/html_text.h"
#include "rcnn/eval/html/page_style.h"
#include "rcnn/eval/html/report_analysis.h"
#include "rcnn/eval/html/report_elements.h"
#include "rcnn/eval/html/report_examples.h"
#include "rcnn/eval/html/report_sections.h"

namespace rcnn::eval {
namespace {

std::string KeyBox(absl::string_view style, absl::string_view name) {
  return absl::StrCat(
      "<span><svg viewBox=\"0 0 26 12\" aria-hidden=\"true\"><rect class=\"rim\" x=\"3\" y=\"2\" "
      "width=\"20\" height=\"8\"/><rect class=\"box ",
      style, "\" x=\"3\" y=\"2\" width=\"20\" height=\"8\"/></svg>", name, "</span>");
}

std::string Option(absl::string_view value, absl::string_view name) {
  return absl::StrCat("<option value=\"", EscapeHtml(value), "\">", EscapeHtml(name), "</option>");
}

// Choices of the kinds and classes that the figures have.
std::string Filter(absl::string_view grid, const std::vector<ExampleFigure>& figures,
                   const GroundTruth& truth,
                   const std::vector<std::pair<std::string, std::string>>& kinds) {
  std::set<int64_t> classes;
  for (const ExampleFigure& figure : figures) {
    for (const auto& [name, value] : figure.data) {
      int64_t k = 0;
      if (name == "class" && absl::SimpleAtoi(value, &k)) classes.insert(k);
    }
  }
  std::string html = absl::StrCat("<div class=\"filter\" data-for=\"", grid,
                                  "\"><label>Error <select name=\"kind\">", Option("", "all"));
  for (const auto& [value, name] : kinds) absl::StrAppend(&html, Option(value, name));
  absl::StrAppend(&html, "</select></label><label>Class <select name=\"class\">",
                  Option("", "all"));
  for (int64_t k : classes) {
    absl::StrAppend(&html, Option(absl::StrCat(k), Shorten(truth.categories[k].name, 40)));
  }
  return absl::StrCat(html,
                      "</select></label><span class=\"soft count\" aria-live=\"polite\"></span>"
                      "<button type=\"button\">Show all</button></div>");
}

std::string Gallery(absl::string_view id, const std::vector<std::string>& figures) {
  return absl::StrCat("<div class=\"examples\" id=\"", id, "\">", absl::StrJoin(figures, "\n"),
                      "</div>");
}

std::string ErrorKey() {
  std::string key = "<div class=\"key\">";
  for (int kind = 0; kind < kErrorKinds; ++kind) {
    absl::StrAppend(&key, KeyBox(absl::StrCat("e", kind), ErrorTitle(kind)));
  }
  return absl::StrCat(key, KeyBox("gt", "the object in question"), KeyBox("other", "other objects"),
                      "</div>");
}

std::vector<std::pair<std::string, std::string>> ErrorKinds() {
  std::vector<std::pair<std::string, std::string>> kinds;
  for (int kind = 0; kind < kErrorKinds; ++kind) {
    kinds.push_back({ErrorName(kind), ErrorTitle(kind)});
  }
  return kinds;
}

std::string ErrorsBody(const ReportPageInput& input, const ReportAnalysis& analysis,
                       UnreadableImages& unreadable) {
  const std::vector<ExampleFigure> figures = ErrorExamples(input, analysis);
  std::string body = ErrorCostBody(input, analysis);
  if (figures.empty()) return body;
  return absl::StrCat(body, "<h3>Examples</h3>", ErrorKey(),
                      Filter("error-examples", figures, *input.truth, ErrorKinds()),
                      Gallery("error-examples",
                              DrawFigures(figures, input.load_image, input.threads, &unreadable)));
}

std::string SuspectsBody(const ReportPageInput& input, const ReportAnalysis& analysis,
                         UnreadableImages& unreadable) {
  const std::vector<ExampleFigure> figures = SuspectExamples(input, analysis);
  if (figures.empty()) return "";
  std::vector<std::pair<std::string, std::string>> kinds;
  for (const auto kind :
       {LabelErrorKind::kMissing, LabelErrorKind::kMisplaced, LabelErrorKind::kWrongClass}) {
    kinds.push_back({LabelErrorName(kind), LabelErrorName(kind)});
  }
  return absl::StrCat(
      "<p>Labels with which the detector disagrees, perhaps rightly: the ",
      CountText(figures.size()), " most suspicious of ", CountText(analysis.suspects.size()),
      ", with their suspicion (0 to 1).</p><div class=\"key\">", KeyBox("e1", "detection"),
      KeyBox("gt", "the label in question"), KeyBox("other", "other labels"), "</div>",
      Filter("suspect-examples", figures, *input.truth, kinds),
      Gallery("suspect-examples",
              DrawFigures(figures, input.load_image, input.threads, &unreadable)));
}

struct Part {
  const char* id;
  const char* title;
  std::string body;
};

std::string Navigation(const std::vector<Part>& parts) {
  std::string html = "<nav aria-label=\"Sections\"><div>";
  for (const Part& part : parts) {
    if (part.body.empty()) continue;
    absl::StrAppend(&html, "<a href=\"#", part.id, "\">", part.title, "</a>");
  }
  return html + "</div></nav>";
}

}  // namespace

absl::StatusOr<std::string> MakeReportPage(const ReportPageInput& input) {
  RCNN_ASSIGN_OR_RETURN(const ReportAnalysis analysis,
                        Analyze(*input.truth, *input.detections,
                                input.shapes == nullptr ? nullptr : &input.shapes->similarity(),
                                input.ignore_difficult, input.threads));
  UnreadableImages unreadable;
  const std::vector<Part> parts = {
      {"summary", "Summary", SummaryBody(input, analysis)},
      {"training", "Training", TrainingBody(input)},
      {"classes", "Classes", ClassesBody(input, analysis)},
      {"errors", "Errors", ErrorsBody(input, analysis, unreadable)},
      {"curves", "Precision and recall", CurvesBody(input, analysis)},
      {"confusion", "Confusion", ConfusionBody(input, analysis)},
      {"calibration", "Calibration", CalibrationBody(analysis)},
      {"sizes", "Sizes", SizesBody(input, analysis)},
      {"suspects", "Suspected labels", SuspectsBody(input, analysis, unreadable)},
      {"config", "Config", ConfigBody(input)},
      {"environment", "Environment", EnvironmentBody(input)},
      {"reproduce", "Reproduce", ReproduceBody(input)}};
  RCNN_RETURN_IF_ERROR(unreadable.now);
  std::string body = absl::StrCat(HeaderHtml(input, analysis), Navigation(parts), "<main>");
  for (const Part& part : parts) absl::StrAppend(&body, Section(part.id, part.title, part.body));
  absl::StrAppend(&body, "</main><footer>");
  if (unreadable.count > 0) {
    absl::StrAppend(
        &body, "<p>", CountedText(unreadable.count, "image"),
        " could not be read; shown as boxes only: ", NameHtml(unreadable.first.message()), "</p>");
  }
  absl::StrAppend(&body, "<p>Made by rcnn.</p></footer>");
  return WrapPage(
      input.dataset.empty() ? input.title : absl::StrCat(input.title, " on ", input.dataset), body);
}

}  // namespace rcnn::eval
