#include "rcnn/eval/html/svg_chart.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "rcnn/eval/html/html_text.h"

namespace rcnn::eval {
namespace {

constexpr int kLeft = 40;
constexpr int kTop = 10;
constexpr int kBottom = 36;
constexpr double kNameHeight = 12;

// One decimal, none for whole numbers: smaller differences cannot be seen.
std::string Px(double value) {
  std::string text = absl::StrFormat("%.1f", value);
  if (text.size() > 2 && text.substr(text.size() - 2) == ".0") text.resize(text.size() - 2);
  return text == "-0" ? "0" : text;
}

// Short enough for the margin: 4,000, 40k, 1.2M.
std::string Number(double value) {
  if (std::abs(value) >= 1e6) return absl::StrFormat("%gM", value / 1e6);
  if (std::abs(value) >= 1e4) return absl::StrFormat("%gk", value / 1e3);
  if (std::abs(value) >= 1000 && value == std::floor(value)) {
    return CountText(static_cast<int64_t>(value));
  }
  return absl::StrFormat("%g", value);
}

// The approximate width of the widest name of a line, in pixels.
int NameWidth(const LineChart& chart) {
  size_t longest = 0;
  for (const ChartLine& line : chart.lines) longest = std::max(longest, line.name.size());
  return longest == 0 ? 12 : static_cast<int>(std::min<size_t>(longest, 16)) * 6 + 14;
}

class LinePlot {
 public:
  explicit LinePlot(const LineChart& chart) : chart_(chart) {
    right_ = chart.width - NameWidth(chart);
    bottom_ = chart.height - kBottom;
  }

  std::string Draw() {
    svg_ = absl::StrFormat(
        "<svg class=\"chart\" viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"%s\">", chart_.width,
        chart_.height, EscapeHtml(chart_.label));
    DrawAxes();
    for (const ChartLine& line : chart_.lines) DrawLine(line);
    DrawNames();
    if (!chart_.mark.empty()) DrawMark();
    return absl::StrCat(svg_, "</svg>");
  }

 private:
  static double Place(const ChartAxis& axis, double value) {
    if (!axis.logarithmic) return (value - axis.low) / (axis.high - axis.low);
    return std::log(value / axis.low) / std::log(axis.high / axis.low);
  }
  double X(double x) const { return kLeft + Place(chart_.x, x) * (right_ - kLeft); }
  double Y(double y) const { return bottom_ - Place(chart_.y, y) * (bottom_ - kTop); }

  void DrawAxes() {
    for (double tick : chart_.y.ticks) {
      absl::StrAppend(&svg_, "<line class=\"grid\" x1=\"", kLeft, "\" x2=\"", Px(right_),
                      "\" y1=\"", Px(Y(tick)), "\" y2=\"", Px(Y(tick)),
                      "\"/><text class=\"tick\" text-anchor=\"end\" x=\"", kLeft - 6, "\" y=\"",
                      Px(Y(tick) + 3.5), "\">", Number(tick), "</text>");
    }
    for (double tick : chart_.x.ticks) {
      absl::StrAppend(&svg_, "<text class=\"tick\" text-anchor=\"middle\" x=\"", Px(X(tick)),
                      "\" y=\"", bottom_ + 15, "\">", Number(tick), "</text>");
    }
    absl::StrAppend(&svg_, "<text class=\"axis\" text-anchor=\"middle\" x=\"", (kLeft + right_) / 2,
                    "\" y=\"", chart_.height - 4, "\">", EscapeHtml(chart_.x.label), "</text>");
    if (chart_.y.label.empty()) return;
    absl::StrAppend(&svg_, "<text class=\"axis\" text-anchor=\"middle\" transform=\"translate(10 ",
                    (kTop + bottom_) / 2, ") rotate(-90)\">", EscapeHtml(chart_.y.label),
                    "</text>");
  }

  void DrawLine(const ChartLine& line) {
    std::string path;
    bool pen_down = false;
    for (const auto& [x, y] : line.points) {
      if (!std::isfinite(X(x)) || !std::isfinite(Y(y))) {
        pen_down = false;
        continue;
      }
      absl::StrAppend(&path, pen_down ? "L" : "M", Px(X(x)), " ", Px(Y(y)));
      pen_down = true;
    }
    if (path.empty()) return;
    absl::StrAppend(&svg_, "<path class=\"line", line.dashed ? " dashed" : "", "\" stroke=\"",
                    line.color, "\" d=\"", path, "\"/>");
    if (!line.dots) return;
    for (const auto& [x, y] : line.points) {
      if (!std::isfinite(X(x)) || !std::isfinite(Y(y))) continue;
      absl::StrAppend(&svg_, "<circle r=\"3\" fill=\"", line.color, "\" cx=\"", Px(X(x)),
                      "\" cy=\"", Px(Y(y)), "\"/>");
    }
  }

  struct Name {
    double x, y;
    const ChartLine* line;
  };

  // Separates sorted names: moves them down, and up again if they leave the plot at
  // the bottom, where the axis labels are.
  void SpreadNames(std::vector<Name>& names) const {
    for (size_t i = 1; i < names.size(); ++i) {
      names[i].y = std::max(names[i].y, names[i - 1].y + kNameHeight);
    }
    double lowest = bottom_;
    for (size_t i = names.size(); i-- > 0; lowest = names[i].y - kNameHeight) {
      names[i].y = std::min(names[i].y, lowest);
    }
  }

  // Names at the ends of the lines, moved apart.
  void DrawNames() {
    std::vector<Name> names;
    for (const ChartLine& line : chart_.lines) {
      if (line.name.empty() || line.points.empty()) continue;
      const auto& [x, y] = line.points.back();
      if (std::isfinite(X(x)) && std::isfinite(Y(y))) names.push_back({X(x), Y(y) + 3.5, &line});
    }
    std::sort(names.begin(), names.end(), [](const Name& a, const Name& b) { return a.y < b.y; });
    SpreadNames(names);
    for (const Name& name : names) {
      absl::StrAppend(&svg_, "<text class=\"name\" x=\"", Px(name.x + 5), "\" y=\"", Px(name.y),
                      "\" fill=\"", name.line->color, "\">",
                      EscapeHtml(Shorten(name.line->name, 16)), "</text>");
    }
  }

  void DrawMark() {
    const double x = X(chart_.mark_x);
    const double y = Y(chart_.mark_y);
    const bool left = x > (kLeft + right_) / 2.0;
    // Below the point, where the curve leaves room; above at the foot of the chart.
    const double text_y = y + 20 < bottom_ ? y + 18 : y - 9;
    absl::StrAppend(&svg_, "<circle class=\"mark\" r=\"4\" cx=\"", Px(x), "\" cy=\"", Px(y),
                    "\"/><text class=\"name halo\" text-anchor=\"", left ? "end" : "start",
                    "\" x=\"", Px(left ? x - 2 : x + 2), "\" y=\"", Px(text_y), "\">",
                    EscapeHtml(chart_.mark), "</text>");
  }

  const LineChart& chart_;
  std::string svg_;
  int right_ = 0;
  int bottom_ = 0;
};

// The sum of the highest column, at least 1.
double HighestColumn(const ColumnChart& chart) {
  double highest = 1;
  for (const auto& column : chart.columns) {
    double sum = 0;
    for (double part : column.parts) sum += part;
    highest = std::max(highest, sum);
  }
  return highest;
}

class ColumnPlot {
 public:
  explicit ColumnPlot(const ColumnChart& chart)
      : chart_(chart),
        bottom_(chart.height - kBottom),
        step_(static_cast<double>(chart.width - kLeft - 8) /
              std::max<double>(1, chart.columns.size())),
        bar_(std::max(1.0, step_ - std::min(6.0, 0.25 * step_))) {
    const double highest = HighestColumn(chart);
    ticks_ = NiceTicks(0, highest, 4);
    scale_ = (bottom_ - kTop) / std::max(highest, ticks_.back());
  }

  std::string Draw() {
    svg_ = absl::StrFormat(
        "<svg class=\"chart\" viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"%s\">", chart_.width,
        chart_.height, EscapeHtml(chart_.label));
    for (double tick : ticks_) DrawTick(tick);
    for (size_t c = 0; c < chart_.columns.size(); ++c) {
      DrawColumn(chart_.columns[c], kLeft + static_cast<double>(c) * step_ + (step_ - bar_) / 2);
    }
    return absl::StrCat(svg_, "<text class=\"axis\" text-anchor=\"middle\" x=\"",
                        (kLeft + chart_.width) / 2, "\" y=\"", chart_.height - 4, "\">",
                        EscapeHtml(chart_.x_label), "</text></svg>");
  }

 private:
  void DrawTick(double tick) {
    const double y = bottom_ - tick * scale_;
    absl::StrAppend(&svg_, "<line class=\"grid\" x1=\"", kLeft, "\" x2=\"", chart_.width - 8,
                    "\" y1=\"", Px(y), "\" y2=\"", Px(y),
                    "\"/><text class=\"tick\" text-anchor=\"end\" x=\"", kLeft - 6, "\" y=\"",
                    Px(y + 3.5), "\">", Number(tick), "</text>");
  }

  void DrawColumn(const ColumnChart::Column& column, double x) {
    absl::StrAppend(&svg_, "<g><title>", EscapeHtml(column.title), "</title>");
    double y = bottom_;
    for (size_t p = 0; p < column.parts.size(); ++p) {
      const double height = column.parts[p] * scale_;
      if (height <= 0) continue;
      y -= height;
      absl::StrAppend(&svg_, "<rect x=\"", Px(x), "\" y=\"", Px(y), "\" width=\"", Px(bar_),
                      "\" height=\"", Px(height), "\" fill=\"", chart_.colors[p], "\"/>");
    }
    absl::StrAppend(&svg_, "</g>");
    if (column.label.empty()) return;
    absl::StrAppend(&svg_, "<text class=\"tick\" text-anchor=\"middle\" x=\"",
                    Px(x - (step_ - bar_) / 2), "\" y=\"", bottom_ + 15, "\">",
                    EscapeHtml(column.label), "</text>");
  }

  const ColumnChart& chart_;
  std::string svg_;
  const int bottom_;
  const double step_;  // from one column to the next
  const double bar_;
  std::vector<double> ticks_;
  double scale_ = 0;  // pixels per unit
};

}  // namespace

std::string DrawLines(const LineChart& chart) { return LinePlot(chart).Draw(); }

std::string DrawColumns(const ColumnChart& chart) { return ColumnPlot(chart).Draw(); }

std::vector<double> NiceTicks(double low, double high, int count) {
  if (!(high > low) || count < 1) return {low};
  const double raw = (high - low) / count;
  const double power = std::pow(10, std::floor(std::log10(raw)));
  const double step = raw / power <= 1   ? power
                      : raw / power <= 2 ? 2 * power
                      : raw / power <= 5 ? 5 * power
                                         : 10 * power;
  std::vector<double> ticks;
  for (double i = std::ceil(low / step - 1e-9); i * step <= high + 1e-9 * step; ++i) {
    ticks.push_back(i * step + 0.0);  // not -0
  }
  return ticks;
}

}  // namespace rcnn::eval
