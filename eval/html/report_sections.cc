#include "rcnn/eval/html/report_sections.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "rcnn/eval/class_colors.h"
#include "rcnn/eval/coco_summary.h"
#include "rcnn/eval/errors/errors_json.h"
#include "rcnn/eval/html/example_figure.h"
#include "rcnn/eval/html/html_text.h"
#include "rcnn/eval/html/page_style.h"
#include "rcnn/eval/html/svg_chart.h"
#include "rcnn/eval/score_text.h"

namespace rcnn::eval {
namespace {

// At most this many classes get a chart, and a row of the matrix.
constexpr size_t kMostCharts = 24;
constexpr int64_t kMostMatrixClasses = 24;
// A table of more rows takes a browser seconds to lay out.
constexpr size_t kMostRows = 1000;
constexpr size_t kMostImages = 50;

std::string Paragraph(absl::string_view text) { return absl::StrCat("<p>", text, "</p>"); }
std::string Note(absl::string_view text) {
  return absl::StrCat("<p class=\"note\">", text, "</p>");
}

std::string Figure(absl::string_view value, absl::string_view name, bool minor) {
  return absl::StrCat("<div", minor ? " class=\"minor\"" : "", "><b>", value, "</b><span>", name,
                      "</span></div>");
}

// A cell that sorts by its value.
std::string NumberCell(double value, const std::string& text) {
  return absl::StrCat("<td data-v=\"", IsDefined(value) ? absl::StrFormat("%.6g", value) : "",
                      "\">", text, "</td>");
}
std::string PercentCell(double value) { return NumberCell(value, PercentText(value)); }
std::string CountCell(int64_t value) {
  return NumberCell(static_cast<double>(value), CountText(value));
}

double FindMetric(const std::vector<Metric>& metrics, absl::string_view name) {
  for (const Metric& metric : metrics) {
    if (metric.name == name) return metric.value;
  }
  return -1;
}

// Error kinds by their cost, the costliest first.
std::vector<int> ByCost(const OracleFixes& fixes) {
  std::vector<int> kinds(kErrorKinds);
  std::iota(kinds.begin(), kinds.end(), 0);
  std::stable_sort(kinds.begin(), kinds.end(),
                   [&](int a, int b) { return fixes.dap[a] > fixes.dap[b]; });
  return kinds;
}

std::string CostSentence(const ReportAnalysis& analysis) {
  const std::vector<int> kinds = ByCost(analysis.fixes);
  const double first = analysis.fixes.dap[kinds[0]];
  const double second = analysis.fixes.dap[kinds[1]];
  if (first < 5e-4) return "";
  std::string text =
      absl::StrCat("The most costly error is <b>", ErrorTitle(kinds[0]),
                   "</b>: fixing it would add ", PercentText(first), " points of AP50");
  if (second >= 5e-4) {
    absl::StrAppend(&text, "; next is <b>", ErrorTitle(kinds[1]), "</b> with ",
                    PercentText(second));
  }
  return Paragraph(absl::StrCat(text, "."));
}

// The most expensive kind of a class, -1 if none costs anything.
int CostliestKind(const ClassFixes& fixes) {
  const auto costliest = std::max_element(fixes.dap.begin(), fixes.dap.end());
  return *costliest > 5e-5 ? static_cast<int>(costliest - fixes.dap.begin()) : -1;
}

std::vector<int64_t> ByObjects(const ReportAnalysis& analysis) {
  std::vector<int64_t> order(analysis.curves.classes.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    return analysis.curves.classes[a].objects > analysis.curves.classes[b].objects;
  });
  return order;
}

// The classes that have an object or a detection, in order; of more than kMostRows those with
// the most objects.
std::vector<int64_t> TableClasses(const ReportAnalysis& analysis) {
  std::vector<int64_t> shown;
  for (int64_t k : ByObjects(analysis)) {
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

std::string PrecisionRecallChart(const std::string& name, const ClassCurve& curve,
                                 const std::string& color, int width) {
  LineChart chart;
  chart.width = width;
  chart.label = absl::StrFormat("Precision by recall of %s; best F1 %.2f at score %s", name,
                                curve.best.f1, ThresholdText(curve.best.score));
  chart.x.label = "recall";
  chart.y.label = "precision";
  chart.height = width > 400 ? 220 : 200;
  ChartLine line;
  line.color = color;
  for (const ClassCurvePoint& point : curve.points)
    line.points.push_back({point.recall, point.precision});
  chart.lines.push_back(line);
  if (curve.best.f1 > 0) {
    chart.mark_x = curve.best.recall;
    chart.mark_y = curve.best.precision;
    chart.mark = absl::StrCat("score ", ThresholdText(curve.best.score));
  }
  return DrawLines(chart);
}

std::string ScoreChart(const ClassCurve& curve) {
  LineChart chart;
  chart.label = "Precision, recall and F1 of all classes by score threshold";
  chart.x.label = "least score";
  chart.width = 420;
  const auto add = [&](const char* name, const char* color, double ClassCurvePoint::*member) {
    ChartLine line;
    line.name = name;
    line.color = color;
    // From low scores to high ones, so that names stand at the right.
    for (auto point = curve.points.rbegin(); point != curve.points.rend(); ++point) {
      line.points.push_back({std::min(std::max(point->score, 0.0), 1.0), (*point).*member});
    }
    chart.lines.push_back(line);
  };
  add("precision", "var(--e1)", &ClassCurvePoint::precision);
  add("recall", "var(--e4)", &ClassCurvePoint::recall);
  add("F1", "var(--ink)", &ClassCurvePoint::f1);
  chart.mark_x = std::min(std::max(curve.best.score, 0.0), 1.0);
  chart.mark_y = curve.best.f1;
  chart.mark = absl::StrFormat("F1 %.2f at %s", curve.best.f1, ThresholdText(curve.best.score));
  return DrawLines(chart);
}

std::string ReliabilityChart(const ClassCurve& curve) {
  LineChart chart;
  chart.label = absl::StrFormat("Share of correct detections by score; calibration error %.3f",
                                curve.calibration_error);
  chart.x.label = "score";
  chart.y.label = "share correct";
  chart.width = 420;
  chart.height = 260;
  ChartLine ideal;
  ideal.name = "ideal";
  ideal.color = "var(--soft)";
  ideal.dashed = true;
  ideal.points = {{0, 0}, {1, 1}};
  ChartLine line;
  line.dots = true;
  for (const CalibrationBin& bin : curve.bins) {
    if (bin.detections > 0) line.points.push_back({bin.mean_score, bin.precision});
  }
  chart.lines = {ideal, line};
  return DrawLines(chart);
}

std::string ScoreHistogram(const ClassCurve& curve) {
  ColumnChart chart;
  chart.label = "Number of detections by score, correct ones at the bottom";
  chart.colors = {"var(--accent)", "var(--grid)"};
  chart.x_label = "score";
  chart.width = 420;
  chart.height = 260;
  for (size_t b = 0; b < curve.bins.size(); ++b) {
    const CalibrationBin& bin = curve.bins[b];
    const double all = static_cast<double>(bin.detections);
    const double right = bin.detections == 0 ? 0 : std::round(bin.precision * all);
    const double low = static_cast<double>(b) / 10;
    chart.columns.push_back(
        {absl::StrFormat("%.1f", low),
         {right, all - right},
         absl::StrFormat("scores %.1f to %.1f: %s of %s right", low, low + 0.1,
                         CountText(static_cast<int64_t>(right)), CountText(bin.detections))});
  }
  return DrawColumns(chart);
}

// boxes: "boxes" or "proposals".
std::string RecallChart(const ProposalRecall& recall, const std::string& boxes) {
  LineChart chart;
  chart.label = absl::StrCat("Recall of objects by number of ", boxes, " per image");
  const std::vector<double> ticks(recall.options.counts.begin(), recall.options.counts.end());
  chart.x = {.low = ticks.front(),
             .high = std::max(ticks.back(), 2 * ticks.front()),
             .ticks = ticks,
             .label = boxes + " per image",
             .logarithmic = true};
  chart.y.label = "recall";
  chart.width = 420;
  chart.height = 260;
  const auto counts = static_cast<int64_t>(recall.options.counts.size());
  ChartLine average;
  average.name = "average";
  average.color = "var(--ink)";
  ChartLine loose;
  loose.name = "IoU 0.5";
  loose.color = "var(--e1)";
  ChartLine strict;
  strict.name = "IoU 0.75";
  strict.color = "var(--e4)";
  for (int64_t n = 0; n < counts; ++n) {
    const auto x = static_cast<double>(recall.options.counts[n]);
    average.points.push_back({x, recall.AverageRecall(0, n)});
    loose.points.push_back({x, recall.Recall(0, n, 0)});
    strict.points.push_back({x, recall.Recall(0, n, 5)});
  }
  chart.lines = {average, loose, strict};
  return DrawLines(chart);
}

std::string StageChart(const std::string& stage, const std::vector<const TrainingCurve*>& curves) {
  constexpr std::array<const char*, 6> kColors = {"var(--ink)", "var(--e1)", "var(--e4)",
                                                  "var(--e3)",  "var(--e0)", "var(--e5)"};
  LineChart chart;
  chart.label = absl::StrCat("Losses of stage ", stage, " by iteration");
  chart.x.label = "iteration";
  chart.width = 420;
  double last = 1;
  double highest = 0;
  for (size_t c = 0; c < curves.size(); ++c) {
    chart.lines.push_back({.name = curves[c]->name,
                           .color = kColors[c % kColors.size()],
                           .points = curves[c]->points});
    for (const auto& [x, y] : curves[c]->points) {
      last = std::max(last, x);
      if (std::isfinite(y)) highest = std::max(highest, y);
    }
  }
  chart.x.high = last;
  chart.x.ticks = NiceTicks(0, last, 4);
  chart.y.high = highest > 0 ? 1.04 * highest : 1;
  chart.y.ticks = NiceTicks(0, chart.y.high, 4);
  return absl::StrCat("<div><h3>", EscapeHtml(stage), "</h3>", DrawLines(chart), "</div>");
}

std::string MatrixName(const GroundTruth& truth, int64_t k) {
  return k == static_cast<int64_t>(truth.categories.size())
             ? "<i>background</i>"
             : EscapeHtml(Shorten(truth.categories[k].name, 22));
}

// Shade by the share of the row.
std::string MatrixCell(int64_t count, int64_t row_sum, bool diagonal) {
  if (count == 0) return diagonal ? "<td class=\"diagonal\"></td>" : "<td></td>";
  const double share =
      static_cast<double>(count) / static_cast<double>(std::max<int64_t>(row_sum, 1));
  return absl::StrFormat(
      "<td%s style=\"background:rgba(var(--heat),%.2f)\" title=\"%s%% of the row\">%s</td>",
      diagonal ? " class=\"diagonal\"" : "", 0.06 + 0.34 * share, PercentText(share),
      CountText(count));
}

std::string ErrorHead(int kind) {
  return absl::StrCat("<th scope=\"col\">", Swatch(ErrorColor(kind)), ErrorTitle(kind), "</th>");
}

// The images with the most errors, folded away.
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
    absl::StrAppend(&body, "<tr><td>", EscapeHtml(Shorten(ImageName(*input.truth, i), 60)), "</td>",
                    CountCell(std::accumulate(counts.begin(), counts.end(), int64_t{0})));
    for (int64_t count : counts) absl::StrAppend(&body, CountCell(count));
    absl::StrAppend(&body, "</tr>");
  }
  return absl::StrCat(body, "</tbody></table></div></details>");
}

// ", compared by OKS" where it is not by boxes.
std::string ShapesText(const ReportPageInput& input) {
  if (input.shapes == nullptr) return "";
  return absl::StrCat(", compared by ", input.shapes->similarity_name());
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

// AP with a bar, AP50 and AP75.
std::string CocoColumns(const CocoEvaluation& coco, int64_t category) {
  const double ap = AveragePrecision(coco, {.category = category});
  return absl::StrCat(
      NumberCell(ap, absl::StrCat("<span class=\"track\"><span class=\"bar\" style=\"width:",
                                  absl::StrFormat("%.0f", 100 * std::max(ap, 0.0)),
                                  "%;background:var(--accent)\"></span></span>", PercentText(ap))),
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
                      EscapeHtml(Shorten(input.truth->categories[k].name, 60)), "</td>",
                      CountCell(curve.objects), CountCell(curve.detections),
                      input.report->coco ? CocoColumns(*input.report->coco, category) : "",
                      VocColumns(*input.report, k), BestScoreCells(curve),
                      CostliestErrorCell(analysis.fixes.classes[k]), "</tr>");
}

// The gain in AP50 by kind of error, with bars.
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

// The gain in AP50 and the number of errors, by size and kind.
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

}  // namespace

std::string Section(absl::string_view id, absl::string_view title, absl::string_view body) {
  if (body.empty()) return "";
  return absl::StrCat("<section id=\"", id, "\"><h2>", title, "</h2>", body, "</section>\n");
}

std::string ClassCssColor(int64_t category) {
  const cv::Scalar bgr = ClassColor(category + 1);
  return absl::StrFormat("#%02x%02x%02x", static_cast<int>(bgr[2]), static_cast<int>(bgr[1]),
                         static_cast<int>(bgr[0]));
}

std::string HeaderHtml(const ReportPageInput& input, const ReportAnalysis& analysis) {
  const GroundTruth& truth = *input.truth;
  return absl::StrCat(
      "<header><h1>", EscapeHtml(input.title), "</h1><p class=\"soft\">",
      CountedText(static_cast<int64_t>(truth.images.size()), "image"), ", ",
      CountedText(analysis.curves.all.objects, "object"), " of ",
      CountedText(static_cast<int64_t>(truth.categories.size()), "class", "classes"), ", ",
      CountedText(input.detections->size(), "detection"), ShapesText(input), "</p></header>");
}

std::string SummaryBody(const ReportPageInput& input, const ReportAnalysis& analysis) {
  std::string figures;
  const std::vector<Metric> metrics = ReportMetrics(*input.report);
  const auto add = [&](const char* metric, const char* name, bool minor) {
    const double value = FindMetric(metrics, metric);
    if (IsDefined(value)) absl::StrAppend(&figures, Figure(PercentText(value), name, minor));
  };
  add("ap", "AP", false);
  add("ap50", "AP50", false);
  add("ap75", "AP75", false);
  add("voc07", "VOC07 mAP", false);
  add("voc10", "VOC10 mAP", false);
  add("ap_small", "AP small", true);
  add("ap_medium", "AP medium", true);
  add("ap_large", "AP large", true);
  add("ar100", "AR at 100", true);
  std::string body = figures.empty() ? Paragraph("Nothing to measure: the dataset has no objects.")
                                     : absl::StrCat("<div class=\"figures\">", figures, "</div>");
  absl::StrAppend(&body, CostSentence(analysis));
  const ClassCurvePoint& best = analysis.curves.all.best;
  if (best.f1 > 0) {
    absl::StrAppend(&body,
                    Paragraph(absl::StrCat(
                        "Over all classes, a score threshold of <b>", ThresholdText(best.score),
                        "</b> gives the best F1, <b>", PercentText(best.f1), "</b>: precision ",
                        PercentText(best.precision), ", recall ", PercentText(best.recall), ".")));
  }
  return body;
}

std::string TrainingBody(const ReportPageInput& input) {
  if (input.training.empty()) return "";
  std::vector<std::string> stages;
  std::map<std::string, std::vector<const TrainingCurve*>> curves;
  for (const TrainingCurve& curve : input.training) {
    if (curve.points.empty()) continue;
    auto& stage_curves = curves[curve.stage];
    if (stage_curves.empty()) stages.push_back(curve.stage);
    stage_curves.push_back(&curve);
  }
  if (stages.empty()) return "";
  std::string body = "<div class=\"two\">";
  for (const std::string& stage : stages) absl::StrAppend(&body, StageChart(stage, curves[stage]));
  return body + "</div>";
}

std::string ClassesBody(const ReportPageInput& input, const ReportAnalysis& analysis) {
  std::string body = absl::StrCat(
      "<p class=\"note\">In percent. Best score: the threshold with the class's best F1, "
      "with the precision and recall there.</p><div class=\"wide tall\" tabindex=\"0\" "
      "role=\"region\" "
      "aria-label=\"Classes\"><table class=\"sorts\"><thead><tr>",
      ClassHeads(*input.report), "</tr></thead><tbody>");
  const std::vector<int64_t> shown = TableClasses(analysis);
  for (int64_t category : shown) absl::StrAppend(&body, ClassRow(input, analysis, category));
  return absl::StrCat(body, "</tbody></table></div>",
                      LeftOutNote(shown.size(), input.truth->categories.size()));
}

std::string ErrorCostBody(const ReportPageInput& input, const ReportAnalysis& analysis) {
  const OracleFixes& fixes = analysis.fixes;
  return absl::StrCat(
      "<p>The gain in AP50 if all errors of one kind, and nothing else, were fixed "
      "(TIDE). Kinds interact, so the gains do not add up.</p>",
      CostBars(analysis),
      Note(absl::StrCat("Bold: points of AP50, which is now ", PercentText(fixes.ap),
                        ". Gray: number of errors. All false positives together cost ",
                        PercentText(fixes.false_positives), " points, all missed objects ",
                        PercentText(fixes.false_negatives), ".")),
      "<h3>By size of the object</h3>", SizeCostTable(fixes),
      Note("Small: up to 32 &times; 32 pixels; large: above 96 &times; 96."),
      WorstImages(input, analysis));
}

std::string CurvesBody(const ReportPageInput& input, const ReportAnalysis& analysis) {
  if (analysis.curves.all.points.empty()) return "";
  std::string body = absl::StrCat(
      "<div class=\"two\"><div><h3>Precision and recall, all classes</h3>",
      PrecisionRecallChart("all classes", analysis.curves.all, "var(--ink)", 420),
      "</div><div><h3>By score threshold</h3>", ScoreChart(analysis.curves.all), "</div></div>");
  std::vector<int64_t> shown;
  for (int64_t k : ByObjects(analysis)) {
    if (!analysis.curves.classes[k].points.empty() && shown.size() < kMostCharts)
      shown.push_back(k);
  }
  absl::StrAppend(&body, "<h3>By class</h3>");
  if (shown.size() == kMostCharts && input.truth->categories.size() > kMostCharts) {
    absl::StrAppend(&body,
                    Note(absl::StrCat("The ", kMostCharts, " classes with the most objects.")));
  }
  absl::StrAppend(&body, "<div class=\"charts\">");
  for (int64_t k : shown) {
    const std::string& name = input.truth->categories[k].name;
    const ClassCurve& curve = analysis.curves.classes[k];
    absl::StrAppend(&body, "<div><h3>", Swatch(ClassCssColor(k)), EscapeHtml(Shorten(name, 40)),
                    "</h3><p class=\"note\">best F1 ", PercentText(curve.best.f1), " &middot; ",
                    CountedText(curve.objects, "object"), "</p>",
                    PrecisionRecallChart(name, curve, "var(--accent)", 320), "</div>");
  }
  return absl::StrCat(
      body, "</div>",
      Note(absl::StrCat("At ", input.shapes == nullptr ? "IoU" : input.shapes->similarity_name(),
                        " 0.5. The ring marks the best F1 and its score.")));
}

std::string ConfusionBody(const ReportPageInput& input, const ReportAnalysis& analysis) {
  const ConfusionMatrix& matrix = analysis.confusion;
  if (matrix.cells.empty()) return "";
  std::vector<int32_t> shown = MostConfusedClasses(matrix, kMostMatrixClasses);
  shown.push_back(matrix.background());
  std::vector<int64_t> row_sums(matrix.classes + 1, 0);
  for (const ConfusionCell& cell : matrix.cells) row_sums[cell.truth] += cell.count;
  std::string body = Paragraph(absl::StrCat(
      "Detections with a score of at least ", ThresholdText(matrix.options.min_score),
      ", paired with the objects that they overlap by half or more, of any class. Rows: "
      "true class; columns: detected class. A detection without an object counts in the row "
      "<i>background</i>, a missed object in the column <i>background</i>."));
  if (matrix.classes > kMostMatrixClasses) {
    absl::StrAppend(
        &body, Note(absl::StrCat("The ", kMostMatrixClasses, " classes with the most mistakes, of ",
                                 CountText(matrix.classes), ".")));
  }
  absl::StrAppend(&body,
                  "<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"Confusion\">"
                  "<table class=\"matrix\"><thead><tr><th></th>");
  for (int32_t found : shown) {
    absl::StrAppend(&body, "<th scope=\"col\">", MatrixName(*input.truth, found), "</th>");
  }
  absl::StrAppend(&body, "</tr></thead><tbody>");
  for (int32_t truth : shown) {
    absl::StrAppend(&body, "<tr><th scope=\"row\" class=\"left\">", MatrixName(*input.truth, truth),
                    "</th>");
    for (int32_t found : shown) {
      absl::StrAppend(&body,
                      MatrixCell(matrix.Count(truth, found), row_sums[truth], truth == found));
    }
    absl::StrAppend(&body, "</tr>");
  }
  return absl::StrCat(body, "</tbody></table></div>");
}

std::string CalibrationBody(const ReportAnalysis& analysis) {
  const ClassCurve& all = analysis.curves.all;
  if (all.detections == 0) return "";
  std::string body = Paragraph(absl::StrCat(
      "Expected calibration error: <b>", PercentText(all.calibration_error),
      "</b> points. On the dashed line a score of 0.8 is correct 80 times in 100; below it, scores "
      "are too high."));
  if (analysis.curves.scores_outside) {
    absl::StrAppend(&body, Note("Some scores are outside 0 to 1: they are not probabilities."));
  }
  return absl::StrCat(body, "<div class=\"two\"><div>", ReliabilityChart(all), "</div><div>",
                      ScoreHistogram(all), Note("Blue: correct. Gray: false."), "</div></div>");
}

std::string SizesBody(const ReportPageInput& input, const ReportAnalysis& analysis) {
  if (analysis.sizes.empty()) return "";
  ColumnChart chart;
  chart.label = "Objects found and missed by size";
  chart.colors = {"var(--accent)", "var(--e5)"};
  chart.x_label = "size: square root of the area, in pixels";
  chart.width = 420;
  chart.height = 260;
  // Labels at whole octaves where the others would touch them.
  const size_t every = analysis.sizes.size() > 12 ? 4 : analysis.sizes.size() > 6 ? 2 : 1;
  for (const SizeBin& bin : analysis.sizes) {
    const auto half_octave = static_cast<size_t>(std::lround(2 * std::log2(bin.low_px)));
    chart.columns.push_back(
        {half_octave % every == 0 ? absl::StrFormat("%.0f", bin.low_px) : "",
         {static_cast<double>(bin.found), static_cast<double>(bin.missed)},
         absl::StrFormat("%.0f to %.0f pixels: %s found, %s missed", bin.low_px, bin.high_px,
                         CountText(bin.found), CountText(bin.missed))});
  }
  std::string body =
      absl::StrCat("<div class=\"two\"><div><h3>Found and missed by size</h3>", DrawColumns(chart),
                   "<p class=\"note\">", Swatch("var(--accent)"), "found ", Swatch("var(--e5)"),
                   "missed, by detections of any score</p></div>");
  if (analysis.errors.options.shapes == nullptr) {
    absl::StrAppend(&body, "<div><h3>Recall by number of boxes</h3>",
                    RecallChart(analysis.recall, "boxes"),
                    Note("The best boxes of each image, of any class."), "</div>");
  }
  if (input.proposals != nullptr) {
    absl::StrAppend(&body, "<div><h3>Recall by number of proposals</h3>",
                    RecallChart(*input.proposals, "proposals"),
                    Note("The best proposals of each image, from which the detections come."),
                    "</div>");
  }
  return body + "</div>";
}

std::string ConfigBody(const ReportPageInput& input) {
  if (input.config.empty()) return "";
  return absl::StrCat("<details><summary>The whole experiment</summary><pre>",
                      EscapeHtml(input.config), "</pre></details>");
}

std::string EnvironmentBody(const ReportPageInput& input) {
  if (input.environment.empty()) return "";
  std::string body = "<dl>";
  for (const auto& [name, value] : input.environment) {
    absl::StrAppend(&body, "<dt>", EscapeHtml(name), "</dt><dd>", EscapeHtml(value), "</dd>");
  }
  return body + "</dl>";
}

std::string ReproduceBody(const ReportPageInput& input) {
  if (input.commands.empty()) return "";
  return absl::StrCat("<pre class=\"wrap\">", EscapeHtml(absl::StrJoin(input.commands, "\n")),
                      "</pre>");
}

}  // namespace rcnn::eval
