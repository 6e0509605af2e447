#include "rcnn/eval/html/report_charts.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "rcnn/eval/html/html_text.h"
#include "rcnn/eval/html/svg_chart.h"
#include "rcnn/eval/score_text.h"

namespace rcnn::eval {
namespace {

ChartLine NamedLine(const char* name, const char* color) {
  ChartLine line;
  line.name = name;
  line.color = color;
  return line;
}

}  // namespace

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
  chart.x.label = "score threshold";
  chart.width = 420;
  const auto add = [&](const char* name, const char* color, double ClassCurvePoint::*member) {
    ChartLine line = NamedLine(name, color);
    // From low scores to high ones, so that names stand at the right.
    for (auto point = curve.points.rbegin(); point != curve.points.rend(); ++point) {
      line.points.push_back({std::min(std::max(point->score, 0.0), 1.0), (*point).*member});
    }
    chart.lines.push_back(line);
  };
  add("precision", "var(--e1)", &ClassCurvePoint::precision);
  add("recall", "var(--e4)", &ClassCurvePoint::recall);
  add("F1", "var(--ink)", &ClassCurvePoint::f1);
  if (!(curve.best.f1 > 0)) return DrawLines(chart);
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
  ChartLine average = NamedLine("average", "var(--ink)");
  ChartLine loose = NamedLine("IoU 0.5", "var(--e1)");
  ChartLine strict = NamedLine("IoU 0.75", "var(--e4)");
  for (size_t n = 0; n < ticks.size(); ++n) {
    const auto count = static_cast<int64_t>(n);
    average.points.push_back({ticks[n], recall.AverageRecall(0, count)});
    loose.points.push_back({ticks[n], recall.Recall(0, count, 0)});
    strict.points.push_back({ticks[n], recall.Recall(0, count, 5)});
  }
  chart.lines = {average, loose, strict};
  return DrawLines(chart);
}

std::string SizeChart(const std::vector<SizeBin>& sizes) {
  ColumnChart chart;
  chart.label = "Objects found and missed by size";
  chart.colors = {"var(--accent)", "var(--e5)"};
  chart.x_label = "size: square root of the area, in pixels";
  chart.width = 420;
  chart.height = 260;
  // Labels at whole octaves where the others would touch them.
  const size_t every = sizes.size() > 12 ? 4 : sizes.size() > 6 ? 2 : 1;
  for (const SizeBin& bin : sizes) {
    const auto half_octave = static_cast<size_t>(std::lround(2 * std::log2(bin.low_px)));
    chart.columns.push_back(
        {half_octave % every == 0 ? absl::StrFormat("%.0f", bin.low_px) : "",
         {static_cast<double>(bin.found), static_cast<double>(bin.missed)},
         absl::StrFormat("%.0f to %.0f pixels: %s found, %s missed", bin.low_px, bin.high_px,
                         CountText(bin.found), CountText(bin.missed))});
  }
  return DrawColumns(chart);
}

std::string StageChart(const std::string& stage, const std::vector<const TrainingCurve*>& curves) {
  constexpr std::array<const char*, 6> kColors = {"var(--ink)", "var(--e1)", "var(--e4)",
                                                  "var(--e3)",  "var(--e0)", "var(--e5)"};
  LineChart chart;
  const bool validation = curves.front()->validation;
  chart.label =
      absl::StrCat(validation ? "Validation" : "Losses", " of stage ", stage, " by iteration");
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
  return absl::StrCat("<div><h3>", NameHtml(stage), validation ? ", validation" : "", "</h3>",
                      DrawLines(chart), "</div>");
}

}  // namespace rcnn::eval
