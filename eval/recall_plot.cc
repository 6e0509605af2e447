#include "rcnn/eval/recall_plot.h"

#include <algorithm>
#include <cmath>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "rcnn/base/counted.h"
#include "rcnn/base/printable.h"

namespace rcnn::eval {
namespace {

// The palette of Okabe and Ito, which colour-blind readers can tell apart; the dash
// patterns differ as well.
constexpr const char* kColors[] = {"#0072B2", "#D55E00", "#009E73",
                                   "#CC79A7", "#56B4E9", "#E69F00"};
constexpr const char* kDashes[] = {"", "7 4", "2 3", "9 3 2 3", "12 5", "4 2"};
constexpr size_t kStyles = std::size(kColors);
static_assert(std::size(kDashes) == kStyles);

constexpr size_t kMaxIouPanels = 4;
constexpr int64_t kAllAreas = 0;  // areas[0] is "all"

// Layout, in user units of the SVG (pixels).
constexpr double kPanelWidth = 230;
constexpr double kPanelHeight = 210;
constexpr double kGap = 62;
constexpr double kLeft = 58;
constexpr double kTop = 84;
constexpr double kBottom = 54;
constexpr double kLegendCharWidth = 7.5;  // average, sans-serif of size 12

// `value` in percent with one decimal; "-" for NaN.
std::string FormatPercent(double value) {
  return std::isnan(value) ? "-" : absl::StrFormat("%.1f", 100 * value);
}

struct Point {
  double x;
  double y;
};

// Axes of one panel: x in [x_low, x_high] (its logarithm when `log_x`), y in [0, 1].
struct Panel {
  double left;
  double x_low;
  double x_high;
  bool log_x;

  double X(double x) const {
    const double at = log_x ? (std::log(x) - std::log(x_low)) / (std::log(x_high) - std::log(x_low))
                            : (x - x_low) / (x_high - x_low);
    return left + at * kPanelWidth;
  }
  double Y(double y) const { return kTop + (1 - y) * kPanelHeight; }
};

void AppendText(double x, double y, const char* anchor, const char* style, const std::string& text,
                std::string& svg) {
  absl::StrAppendFormat(&svg, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\" %s>%s</text>\n", x, y,
                        anchor, style, XmlText(text));
}

void AppendLine(Point a, Point b, const char* style, std::string& svg) {
  absl::StrAppendFormat(&svg, "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" %s/>\n", a.x,
                        a.y, b.x, b.y, style);
}

void AppendFrame(const Panel& panel, const std::string& title, const std::string& x_name,
                 const std::vector<double>& x_ticks, std::string& svg) {
  constexpr char kGrid[] = "stroke=\"#dddddd\" stroke-width=\"1\"";
  for (int i = 0; i <= 5; ++i) {
    const double y = panel.Y(0.2 * i);
    AppendLine({panel.left, y}, {panel.left + kPanelWidth, y}, kGrid, svg);
    AppendText(panel.left - 6, y + 4, "end", "", absl::StrFormat("%.1f", 0.2 * i), svg);
  }
  absl::StrAppendFormat(&svg,
                        "<text transform=\"translate(%.1f %.1f) rotate(-90)\" "
                        "text-anchor=\"middle\">recall</text>\n",
                        panel.left - 38, panel.Y(0.5));
  for (double tick : x_ticks) {
    const double x = panel.X(tick);
    AppendLine({x, panel.Y(0)}, {x, panel.Y(1)}, kGrid, svg);
    AppendText(x, panel.Y(0) + 16, "middle", "", absl::StrFormat("%g", tick), svg);
  }
  absl::StrAppendFormat(&svg,
                        "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" fill=\"none\" "
                        "stroke=\"#444444\"/>\n",
                        panel.left, kTop, kPanelWidth, kPanelHeight);
  AppendText(panel.left + kPanelWidth / 2, kTop - 10, "middle", "font-weight=\"bold\"", title, svg);
  AppendText(panel.left + kPanelWidth / 2, panel.Y(0) + 38, "middle", "", x_name, svg);
}

std::string LineStyle(size_t series) {
  return absl::StrFormat("fill=\"none\" stroke=\"%s\" stroke-width=\"2.2\" stroke-dasharray=\"%s\"",
                         kColors[series % kStyles], kDashes[series % kStyles]);
}

void AppendCurve(const Panel& panel, const std::vector<Point>& points, size_t series,
                 std::string& svg) {
  std::string path;
  for (const Point& point : points) {
    if (std::isnan(point.y)) continue;
    absl::StrAppendFormat(&path, "%s%.1f,%.1f", path.empty() ? "" : " ", panel.X(point.x),
                          panel.Y(point.y));
  }
  absl::StrAppendFormat(&svg, "<polyline points=\"%s\" %s/>\n", path, LineStyle(series));
}

void AppendLegend(const std::vector<RecallSeries>& series, std::string& svg) {
  double x = kLeft;
  for (size_t s = 0; s < series.size(); ++s) {
    absl::StrAppendFormat(&svg, "<line x1=\"%.1f\" y1=\"48\" x2=\"%.1f\" y2=\"48\" %s/>\n", x,
                          x + 34, LineStyle(s));
    AppendText(x + 42, 52, "start", "", series[s].name, svg);
    x += 42 + kLegendCharWidth * static_cast<double>(series[s].name.size()) + 28;
  }
}

// The entries of `counts` that were measured, at most kMaxIouPanels.
std::vector<int64_t> PanelCounts(const ProposalRecall& recall, const std::vector<int64_t>& counts) {
  std::vector<int64_t> found;
  for (int64_t count : counts) {
    const auto& all = recall.options.counts;
    if (std::find(all.begin(), all.end(), count) != all.end()) found.push_back(count);
  }
  if (found.size() > kMaxIouPanels) found.resize(kMaxIouPanels);
  return found;
}

// The position of `count`, which was measured.
int64_t CountIndex(const ProposalRecall& recall, int64_t count) {
  const auto& all = recall.options.counts;
  return std::find(all.begin(), all.end(), count) - all.begin();
}

void AppendIouPanel(const std::vector<RecallSeries>& series, int64_t count, double left,
                    std::string& svg) {
  const std::vector<double>& ious = series[0].recall.options.iou_thresholds;
  const auto [low, high] = std::minmax_element(ious.begin(), ious.end());
  // A single threshold of 1 would leave the axis without length.
  const double x_high = std::max(1.0, *high);
  const Panel panel = {left, std::min(*low, x_high - 0.1), x_high, false};
  std::vector<double> ticks;
  for (int i = 0; i <= 10; ++i) {
    if (0.1 * i >= panel.x_low - 1e-9) ticks.push_back(0.1 * i);
  }
  AppendFrame(panel, Counted(count, "proposal"), "IoU", ticks, svg);
  for (size_t s = 0; s < series.size(); ++s) {
    std::vector<Point> points;
    for (size_t t = 0; t < ious.size(); ++t) {
      points.push_back(
          {ious[t], series[s].recall.Recall(kAllAreas, CountIndex(series[s].recall, count),
                                            static_cast<int64_t>(t))});
    }
    AppendCurve(panel, points, s, svg);
  }
}

void AppendAverageRecallPanel(const std::vector<RecallSeries>& series, double left,
                              std::string& svg) {
  const std::vector<int64_t>& counts = series[0].recall.options.counts;
  const double low = static_cast<double>(counts.front());
  const double high = std::max(2.0 * low, static_cast<double>(counts.back()));
  const Panel panel = {left, low, high, true};
  std::vector<double> ticks;
  for (double tick : {1., 3., 10., 30., 100., 300., 1000., 3000., 10000.}) {
    if (tick >= low && tick <= high) ticks.push_back(tick);
  }
  AppendFrame(panel, "average recall", "proposals per image", ticks, svg);
  for (size_t s = 0; s < series.size(); ++s) {
    std::vector<Point> points;
    for (size_t n = 0; n < counts.size(); ++n) {
      points.push_back({static_cast<double>(counts[n]),
                        series[s].recall.AverageRecall(kAllAreas, static_cast<int64_t>(n))});
    }
    AppendCurve(panel, points, s, svg);
  }
}

// Recall at IoU threshold `iou`, to within 0.001; NaN if it was not measured.
double RecallAtIou(const ProposalRecall& recall, int64_t n, double iou) {
  for (size_t t = 0; t < recall.options.iou_thresholds.size(); ++t) {
    if (std::abs(recall.options.iou_thresholds[t] - iou) < 1e-3) {
      return recall.Recall(kAllAreas, n, static_cast<int64_t>(t));
    }
  }
  return std::nan("");
}

}  // namespace

std::string FormatRecallTable(const std::vector<RecallSeries>& series) {
  if (series.empty()) return "";
  NameWidth width(6);
  for (const RecallSeries& method : series) width.Add(Printable(method.name));
  const ProposalRecallOptions& options = series[0].recall.options;
  std::string table = absl::StrFormat("%s %9s %7s %7s %7s", width.Pad("method"), "proposals",
                                      "R@0.5", "R@0.7", "R@0.9");
  for (const AreaRange& range : options.areas) {
    absl::StrAppendFormat(&table, " %9s", absl::StrCat("AR ", range.name));
  }
  absl::StrAppend(&table, "\n", std::string(width.width() + 34 + 10 * options.areas.size(), '-'),
                  "\n");
  for (const RecallSeries& method : series) {
    for (size_t i = 0; i < method.recall.options.counts.size(); ++i) {
      const int64_t n = static_cast<int64_t>(i);
      absl::StrAppendFormat(&table, "%s %9d", width.Pad(Printable(method.name)),
                            method.recall.options.counts[i]);
      for (double iou : {0.5, 0.7, 0.9}) {
        absl::StrAppendFormat(&table, " %7s", FormatPercent(RecallAtIou(method.recall, n, iou)));
      }
      for (size_t a = 0; a < options.areas.size(); ++a) {
        absl::StrAppendFormat(
            &table, " %9s", FormatPercent(method.recall.AverageRecall(static_cast<int64_t>(a), n)));
      }
      table += '\n';
    }
  }
  return table;
}

std::string RecallPlotSvg(const std::vector<RecallSeries>& series,
                          const std::vector<int64_t>& counts) {
  if (series.empty()) return "<svg xmlns=\"http://www.w3.org/2000/svg\"/>\n";
  const std::vector<int64_t> shown = PanelCounts(series[0].recall, counts);
  const double width =
      kLeft + static_cast<double>(shown.size() + 1) * (kPanelWidth + kGap) - kGap + 24;
  std::string svg = absl::StrFormat(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%.0f\" "
      "viewBox=\"0 0 %.0f %.0f\" font-family=\"sans-serif\" font-size=\"12\" fill=\"#222222\">\n"
      "<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n",
      width, kTop + kPanelHeight + kBottom, width, kTop + kPanelHeight + kBottom);
  AppendText(kLeft, 26, "start", "font-size=\"16\" font-weight=\"bold\"",
             absl::StrCat("Proposal recall: ", Counted(series[0].recall.objects[0], "object"),
                          " in ", Counted(series[0].recall.images, "image")),
             svg);
  AppendLegend(series, svg);
  double left = kLeft;
  for (int64_t count : shown) {
    AppendIouPanel(series, count, left, svg);
    left += kPanelWidth + kGap;
  }
  AppendAverageRecallPanel(series, left, svg);
  return svg + "</svg>\n";
}

}  // namespace rcnn::eval
