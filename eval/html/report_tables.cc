#include "rcnn/eval/html/report_tables.h"

#include <algorithm>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "rcnn/eval/coco_summary.h"
#include "rcnn/eval/errors/errors_json.h"
#include "rcnn/eval/html/example_figure.h"
#include "rcnn/eval/html/html_text.h"
#include "rcnn/eval/html/page_style.h"
#include "rcnn/eval/html/report_elements.h"
#include "rcnn/eval/score_text.h"

namespace rcnn::eval {
namespace {

// A table of more rows takes a browser seconds to lay out.
constexpr size_t kMostRows = 1000;
constexpr size_t kMostImages = 50;

// The most expensive kind of a class, -1 if none costs anything.
int CostliestKind(const ClassFixes& fixes) {
  const auto costliest = std::max_element(fixes.dap.begin(), fixes.dap.end());
  return *costliest > 5e-5 ? static_cast<int>(costliest - fixes.dap.begin()) : -1;
}

// The classes that have an object or a detection, in order; of more than kMostRows those with
// the most objects.
std::vector<int64_t> TableClasses(const ReportAnalysis& analysis) {
  std::vector<int64_t> shown;
  for (int64_t k : ClassesByObjects(analysis)) {
    const ClassCurve& curve = analysis.curves.classes[k];
    if (curve.objects + curve.detections > 0 && shown.size() < kMostRows) shown.push_back(k);
  }
  std::sort(shown.begin(), shown.end());
  return shown;
}

// A note on the classes that are not in the table; "" if all are.
std::string LeftOutNote(size_t shown, size_t all) {
  if (shown == all) return "";
  if (shown < kMostRows) {
    return Note(absl::StrCat(
        "Left out: ", CountedText(static_cast<int64_t>(all - shown), "class", "classes"),
        " without objects or detections."));
  }
  return Note(absl::StrCat(
      "The ", CountText(static_cast<int64_t>(shown)), " classes with the most objects, of ",
      CountText(static_cast<int64_t>(all)), ". The file of --out has the numbers of all."));
}

std::string ClassHeads(const Report& report) {
  std::vector<std::string> heads = {"class", "objects", "detections"};
  if (report.coco) heads.insert(heads.end(), {"AP", "AP50", "AP75"});
  if (report.voc07) heads.push_back("VOC07");
  if (report.voc10) heads.push_back("VOC10");
  heads.insert(heads.end(), {"best score", "precision", "recall", "F1", "costliest error"});
  std::string html;
  for (size_t h = 0; h < heads.size(); ++h) {
    absl::StrAppend(&html, "<th scope=\"col\"", h + 1 == heads.size() ? " class=\"left\"" : "", ">",
                    heads[h], "</th>");
  }
  return html;
}

// The numbers have one width, so that all bars begin at the same place.
std::string BarAndNumber(double fraction) {
  return absl::StrCat("<span class=\"track\"><span class=\"bar\" style=\"width:",
                      absl::StrFormat("%.0f", 100 * fraction),
                      "%;background:var(--accent)\"></span></span><span class=\"figure\">",
                      PercentText(fraction), "</span>");
}

// AP with a bar, AP50 and AP75.
std::string CocoColumns(const CocoEvaluation& coco, int64_t category) {
  const double ap = AveragePrecision(coco, {.category = category});
  return absl::StrCat(
      IsDefined(ap) ? NumberCell(ap, BarAndNumber(ap)) : PercentCell(ap),
      PercentCell(AveragePrecision(coco, {.iou_threshold = 0.5, .category = category})),
      PercentCell(AveragePrecision(coco, {.iou_threshold = 0.75, .category = category})));
}

std::string VocColumns(const Report& report, size_t category) {
  const bool voc = report.voc && report.voc->classes[category].positives > 0;
  std::string cells;
  if (report.voc07) {
    absl::StrAppend(&cells, PercentCell(voc ? report.voc->classes[category].ap07 : -1));
  }
  if (report.voc10) {
    absl::StrAppend(&cells, PercentCell(voc ? report.voc->classes[category].ap10 : -1));
  }
  return cells;
}

// The threshold with the best F1, and precision, recall and F1 there.
std::string BestScoreCells(const ClassCurve& curve) {
  const bool some = curve.best.f1 > 0;
  return absl::StrCat(NumberCell(some ? curve.best.score : -1,
                                 some ? ThresholdText(curve.best.score) : PercentText(-1)),
                      PercentCell(some ? curve.best.precision : -1),
                      PercentCell(some ? curve.best.recall : -1),
                      PercentCell(some ? curve.best.f1 : -1));
}

std::string CostliestErrorCell(const ClassFixes& fixes) {
  const int kind = CostliestKind(fixes);
  if (kind < 0) return "<td class=\"left\" data-v=\"\"></td>";
  const double cost = fixes.dap[kind];
  return absl::StrCat("<td class=\"left\" data-v=\"", absl::StrFormat("%.6g", cost), "\">",
                      Swatch(ErrorColor(kind)), ErrorTitle(kind), " ", SignedPercentText(cost),
                      "</td>");
}

std::string ClassRow(const ReportPageInput& input, const ReportAnalysis& analysis,
                     int64_t category) {
  const auto k = static_cast<size_t>(category);
  const ClassCurve& curve = analysis.curves.classes[k];
  return absl::StrCat("<tr><td>", Swatch(ClassCssColor(category)),
                      ShortNameHtml(input.truth->categories[k].name, 32), "</td>",
                      CountCell(curve.objects), CountCell(curve.detections),
                      input.report->coco ? CocoColumns(*input.report->coco, category) : "",
                      VocColumns(*input.report, k), BestScoreCells(curve),
                      CostliestErrorCell(analysis.fixes.classes[k]), "</tr>");
}

std::string MatrixName(const GroundTruth& truth, int64_t k) {
  return k == static_cast<int64_t>(truth.categories.size())
             ? "<i>background</i>"
             : ShortNameHtml(truth.categories[k].name, 18);
}

// Shade by the share of the row.
std::string MatrixCell(int64_t count, int64_t row_sum, bool diagonal) {
  if (count == 0) return diagonal ? "<td class=\"diagonal\"></td>" : "<td></td>";
  const double share =
      static_cast<double>(count) / static_cast<double>(std::max<int64_t>(row_sum, 1));
  return absl::StrFormat(
      "<td%s style=\"background:rgba(var(--heat),%.2f)\" title=\"%s %% of the row\">%s</td>",
      diagonal ? " class=\"diagonal\"" : "", 0.06 + 0.34 * share, PercentText(share),
      CountText(count));
}

}  // namespace

std::vector<int64_t> ClassesByObjects(const ReportAnalysis& analysis) {
  std::vector<int64_t> order(analysis.curves.classes.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    return analysis.curves.classes[a].objects > analysis.curves.classes[b].objects;
  });
  return order;
}

std::string ClassTable(const ReportPageInput& input, const ReportAnalysis& analysis) {
  std::string table = absl::StrCat(
      "<div class=\"wide tall\" tabindex=\"0\" role=\"region\" aria-label=\"Classes\"><table "
      "class=\"sorts\"><thead><tr>",
      ClassHeads(*input.report), "</tr></thead><tbody>");
  const std::vector<int64_t> shown = TableClasses(analysis);
  for (int64_t category : shown) absl::StrAppend(&table, ClassRow(input, analysis, category));
  return absl::StrCat(table, "</tbody></table></div>",
                      LeftOutNote(shown.size(), input.truth->categories.size()));
}

std::string CostBars(const ReportAnalysis& analysis) {
  const OracleFixes& fixes = analysis.fixes;
  double highest = 1e-9;
  for (double dap : fixes.dap) highest = std::max(highest, dap);
  std::string bars = "<div class=\"cost\">";
  for (int kind = 0; kind < kErrorKinds; ++kind) {
    absl::StrAppend(&bars, "<span>", Swatch(ErrorColor(kind)), ErrorTitle(kind),
                    "</span><span class=\"track2\"><span class=\"bar\" style=\"width:",
                    absl::StrFormat("%.1f", 100 * fixes.dap[kind] / highest),
                    "%;background:", ErrorColor(kind), "\"></span></span><span class=\"num\"><b>",
                    SignedPercentText(fixes.dap[kind]), "</b></span><span class=\"num soft\">",
                    CountText(analysis.errors.counts[kind]), "</span>");
  }
  return bars + "</div>";
}

std::string SizeCostTable(const OracleFixes& fixes) {
  std::string table =
      "<div class=\"wide\" tabindex=\"0\" role=\"region\" "
      "aria-label=\"Errors by size\"><table><thead><tr>"
      "<th scope=\"col\">size</th>";
  for (int kind = 0; kind < kErrorKinds; ++kind) absl::StrAppend(&table, ErrorHead(kind));
  absl::StrAppend(&table, "</tr></thead><tbody>");
  for (int size = 0; size < kErrorSizes; ++size) {
    absl::StrAppend(&table, "<tr><td>", ErrorSizeName(size), "</td>");
    for (int kind = 0; kind < kErrorKinds; ++kind) {
      absl::StrAppend(&table, "<td>", SignedPercentText(fixes.size_dap[size][kind]),
                      " <span class=\"soft\">", CountText(fixes.size_counts[size][kind]),
                      "</span></td>");
    }
    absl::StrAppend(&table, "</tr>");
  }
  return table + "</tbody></table></div>";
}

std::string WorstImages(const ReportPageInput& input, const ReportAnalysis& analysis) {
  std::vector<int64_t> images = ImagesByErrors(analysis.errors);
  if (images.empty()) return "";
  const auto with_errors = static_cast<int64_t>(images.size());
  images.resize(std::min(images.size(), kMostImages));
  std::string body = absl::StrCat("<details><summary>By image: the ", CountText(images.size()),
                                  " with the most errors, of ", CountText(with_errors),
                                  " with any</summary><div class=\"wide\" tabindex=\"0\" "
                                  "role=\"region\" aria-label=\"Errors by image\"><table "
                                  "class=\"sorts\"><thead><tr><th scope=\"col\">image</th>"
                                  "<th scope=\"col\">all</th>");
  for (int kind = 0; kind < kErrorKinds; ++kind) absl::StrAppend(&body, ErrorHead(kind));
  absl::StrAppend(&body, "</tr></thead><tbody>");
  for (int64_t i : images) {
    const ErrorCounts& counts = analysis.errors.image_counts[i];
    absl::StrAppend(&body, "<tr><td>", ShortNameHtml(ImageName(*input.truth, i), 40), "</td>",
                    CountCell(std::accumulate(counts.begin(), counts.end(), int64_t{0})));
    for (int64_t count : counts) absl::StrAppend(&body, CountCell(count));
    absl::StrAppend(&body, "</tr>");
  }
  return absl::StrCat(body, "</tbody></table></div></details>");
}

std::string ConfusionTable(const GroundTruth& truth, const ConfusionMatrix& matrix,
                           const std::vector<int32_t>& classes) {
  std::vector<int64_t> row_sums(matrix.classes + 1, 0);
  for (const ConfusionCell& cell : matrix.cells) row_sums[cell.truth] += cell.count;
  std::string table =
      "<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"Confusion\">"
      "<table class=\"matrix\"><thead><tr><th></th>";
  for (int32_t found : classes) {
    absl::StrAppend(&table, "<th scope=\"col\">", MatrixName(truth, found), "</th>");
  }
  absl::StrAppend(&table, "</tr></thead><tbody>");
  for (int32_t row : classes) {
    absl::StrAppend(&table, "<tr><th scope=\"row\" class=\"left\">", MatrixName(truth, row),
                    "</th>");
    for (int32_t found : classes) {
      // Background that is found as background is not counted.
      const bool diagonal = row == found && row != matrix.background();
      absl::StrAppend(&table, MatrixCell(matrix.Count(row, found), row_sums[row], diagonal));
    }
    absl::StrAppend(&table, "</tr>");
  }
  return absl::StrCat(table, "</tbody></table></div>");
}

}  // namespace rcnn::eval
