#include "rcnn/eval/html/report_sections.h"

#include <algorithm>
#include <array>
#include <map>
#include <vector>

#include "absl/strings/str_cat.h"
#include "rcnn/eval/html/html_text.h"
#include "rcnn/eval/html/page_style.h"
#include "rcnn/eval/html/report_charts.h"
#include "rcnn/eval/html/report_elements.h"
#include "rcnn/eval/html/report_tables.h"
#include "rcnn/eval/score_text.h"

namespace rcnn::eval {
namespace {

// At most this many classes get a chart, and a row of the matrix.
constexpr size_t kMostCharts = 24;
constexpr int64_t kMostMatrixClasses = 24;

std::string Figure(absl::string_view value, absl::string_view name, bool minor) {
  return absl::StrCat("<div", minor ? " class=\"minor\"" : "", "><b>", value, "</b><span>", name,
                      "</span></div>");
}

double FindMetric(const std::vector<Metric>& metrics, absl::string_view name) {
  for (const Metric& metric : metrics) {
    if (metric.name == name) return metric.value;
  }
  return -1;
}

std::string CostSentence(const ReportAnalysis& analysis) {
  const std::vector<int> kinds = KindsByCost(analysis.fixes);
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

// Why TIDE's AP50 is below COCO's, which leaves out classes without objects; "" if there are
// none with detections.
std::string EmptyClassesSentence(const OracleFixes& fixes) {
  const auto empty =
      std::count_if(fixes.classes.begin(), fixes.classes.end(),
                    [](const ClassFixes& fix) { return fix.objects == 0 && fix.detections > 0; });
  if (empty == 0) return "";
  return absl::StrCat("As in TIDE, ", CountedText(empty, "class", "classes"),
                      " with detections but without objects ", empty == 1 ? "counts" : "count",
                      " as 0 in it. ");
}

// The metrics of all classes, the main ones first; "" if none is defined.
std::string MetricFigures(const std::vector<Metric>& metrics) {
  struct Shown {
    const char* metric;
    const char* name;
    bool minor;
  };
  std::string figures;
  for (const Shown& shown :
       {Shown{"ap", "AP", false}, Shown{"ap50", "AP50", false}, Shown{"ap75", "AP75", false},
        Shown{"voc07", "VOC07 mAP", false}, Shown{"voc10", "VOC10 mAP", false},
        Shown{"ap_small", "AP small", true}, Shown{"ap_medium", "AP medium", true},
        Shown{"ap_large", "AP large", true}, Shown{"ar100", "AR at 100", true}}) {
    const double value = FindMetric(metrics, shown.metric);
    if (!IsDefined(value)) continue;
    absl::StrAppend(&figures, Figure(PercentText(value), shown.name, shown.minor));
  }
  return figures;
}

std::string BestScoreSentence(const ClassCurvePoint& best) {
  if (!(best.f1 > 0)) return "";
  return Paragraph(
      absl::StrCat("Over all classes, a score threshold of <b>", ThresholdText(best.score),
                   "</b> gives the best F1, <b>", PercentText(best.f1), "</b>: precision ",
                   PercentText(best.precision), ", recall ", PercentText(best.recall), "."));
}

// ", compared by OKS" where it is not by boxes.
std::string ShapesText(const ReportPageInput& input) {
  if (input.shapes == nullptr) return "";
  return absl::StrCat(", compared by ", input.shapes->similarity_name());
}

std::string BestF1(const ClassCurve& curve) {
  if (!(curve.best.f1 > 0)) return "no correct detection";
  return absl::StrCat("best F1 ", PercentText(curve.best.f1));
}

// The charts of the classes with the most objects.
std::string ClassCharts(const ReportPageInput& input, const ReportAnalysis& analysis) {
  std::vector<int64_t> shown = ClassesByObjects(analysis);
  const auto is_empty = [&](int64_t k) { return analysis.curves.classes[k].points.empty(); };
  shown.erase(std::remove_if(shown.begin(), shown.end(), is_empty), shown.end());
  std::string charts;
  if (shown.size() > kMostCharts) {
    charts = Note(absl::StrCat("The ", kMostCharts, " classes with the most objects."));
    shown.resize(kMostCharts);
  }
  absl::StrAppend(&charts, "<div class=\"charts\">");
  for (int64_t k : shown) {
    const std::string& name = input.truth->categories[k].name;
    const ClassCurve& curve = analysis.curves.classes[k];
    absl::StrAppend(&charts, "<div><h3>", Swatch(ClassCssColor(k)), ShortNameHtml(name, 28),
                    "</h3><p class=\"note\">", BestF1(curve), " &middot; ",
                    CountedText(curve.objects, "object"), "</p>",
                    PrecisionRecallChart(name, curve, "var(--accent)", 320), "</div>");
  }
  return charts + "</div>";
}

}  // namespace

std::string HeaderHtml(const ReportPageInput& input, const ReportAnalysis& analysis) {
  const GroundTruth& truth = *input.truth;
  return absl::StrCat(
      "<header><h1>", NameHtml(input.title),
      input.dataset.empty() ? "" : absl::StrCat(" on ", NameHtml(input.dataset)),
      "</h1><p class=\"soft\">", CountedText(static_cast<int64_t>(truth.images.size()), "image"),
      ", ", CountedText(analysis.curves.all.objects, "object"), " of ",
      CountedText(static_cast<int64_t>(truth.categories.size()), "class", "classes"), ", ",
      CountedText(input.detections->size(), "detection"), ShapesText(input), "</p></header>");
}

std::string SummaryBody(const ReportPageInput& input, const ReportAnalysis& analysis) {
  const std::string figures = MetricFigures(ReportMetrics(*input.report));
  return absl::StrCat(figures.empty() ? Paragraph("Nothing to measure: the dataset has no objects.")
                                      : absl::StrCat("<div class=\"figures\">", figures, "</div>"),
                      input.detections->size() == 0 ? Paragraph("There are no detections.") : "",
                      CostSentence(analysis), BestScoreSentence(analysis.curves.all.best));
}

std::string TrainingBody(const ReportPageInput& input) {
  std::vector<std::string> stages;
  // By stage: its losses, and its validations.
  std::map<std::string, std::array<std::vector<const TrainingCurve*>, 2>> curves;
  for (const TrainingCurve& curve : input.training) {
    if (curve.points.empty()) continue;
    const auto [stage, is_new] = curves.try_emplace(curve.stage);
    if (is_new) stages.push_back(curve.stage);
    stage->second[curve.validation ? 1 : 0].push_back(&curve);
  }
  if (stages.empty()) return "";
  std::string body = "<div class=\"two\">";
  for (const std::string& stage : stages) {
    for (const auto& kind : curves[stage]) {
      if (!kind.empty()) absl::StrAppend(&body, StageChart(stage, kind));
    }
  }
  return body + "</div>";
}

std::string ClassesBody(const ReportPageInput& input, const ReportAnalysis& analysis) {
  return absl::StrCat(
      Note("In percent. Best score: the threshold with the class's best F1, with the precision and "
           "recall there."),
      ClassTable(input, analysis));
}

std::string ErrorCostBody(const ReportPageInput& input, const ReportAnalysis& analysis) {
  const OracleFixes& fixes = analysis.fixes;
  return absl::StrCat(
      "<p>The gain in AP50 if all errors of one kind, and nothing else, were fixed "
      "(TIDE). Kinds interact, so the gains do not add up.</p>",
      CostBars(analysis),
      Note(absl::StrCat("Bold: points of AP50, which is now ", PercentText(fixes.ap), ". ",
                        EmptyClassesSentence(fixes),
                        "Grey: number of errors. All false positives together cost ",
                        PercentText(fixes.false_positives), " points, all missed objects ",
                        PercentText(fixes.false_negatives), ".")),
      "<h3>By size of the object</h3>", SizeCostTable(fixes),
      Note("Small: up to 32 &times; 32 pixels; large: above 96 &times; 96."),
      WorstImages(input, analysis));
}

std::string CurvesBody(const ReportPageInput& input, const ReportAnalysis& analysis) {
  if (analysis.curves.all.points.empty()) return "";
  return absl::StrCat(
      "<div class=\"two\"><div><h3>Precision and recall, all classes</h3>",
      PrecisionRecallChart("all classes", analysis.curves.all, "var(--ink)", 420),
      "</div><div><h3>By score threshold</h3>", ScoreChart(analysis.curves.all), "</div></div>",
      "<h3>By class</h3>", ClassCharts(input, analysis),
      Note(absl::StrCat("At ", input.shapes == nullptr ? "IoU" : input.shapes->similarity_name(),
                        " 0.5. The ring marks the best F1 and its score.")));
}

std::string ConfusionBody(const ReportPageInput& input, const ReportAnalysis& analysis) {
  const ConfusionMatrix& matrix = analysis.confusion;
  if (matrix.cells.empty() || input.detections->size() == 0) return "";
  std::vector<int32_t> shown = MostConfusedClasses(matrix, kMostMatrixClasses);
  shown.push_back(matrix.background());
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
  return absl::StrCat(body, ConfusionTable(*input.truth, matrix, shown));
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
  return absl::StrCat(body, "<div class=\"two\"><div><h3>Share of correct detections by score</h3>",
                      ReliabilityChart(all), "</div><div><h3>Detections by score</h3>",
                      ScoreHistogram(all), Note("Blue: correct. Grey: false."), "</div></div>");
}

std::string SizesBody(const ReportPageInput& input, const ReportAnalysis& analysis) {
  if (analysis.sizes.empty()) return "";
  std::string body =
      absl::StrCat("<div class=\"two\"><div><h3>Found and missed by size</h3>",
                   SizeChart(analysis.sizes), "<p class=\"note\">", Swatch("var(--accent)"),
                   "found ", Swatch("var(--e5)"), "missed, by detections of any score</p></div>");
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
    absl::StrAppend(&body, "<dt>", EscapeHtml(name), "</dt><dd>", NameHtml(value), "</dd>");
  }
  return body + "</dl>";
}

std::string ReproduceBody(const ReportPageInput& input) {
  return input.commands.empty() ? "" : Commands(input.commands);
}

}  // namespace rcnn::eval
