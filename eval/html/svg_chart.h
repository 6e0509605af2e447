// Charts as inline SVG: lines and bars, in the colours of the page.
//
// Colours are CSS variables or classes of the page, so that one chart works in light
// and dark mode. Lines are labelled at their ends if there is room, and every chart
// has a title for screen readers. The page scales the view box.
//
// Example:
//   LineChart chart;
//   chart.label = "Precision by recall of cat";
//   ChartLine line;
//   line.name = "cat";
//   line.points = points;
//   chart.lines.push_back(line);
//   page += DrawLines(chart);

#ifndef RCNN_EVAL_HTML_SVG_CHART_H_
#define RCNN_EVAL_HTML_SVG_CHART_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace rcnn::eval {

struct ChartLine {
  // Written at the end of the line; "" for none. Escaped here.
  std::string name;
  // CSS.
  std::string color = "var(--accent)";
  bool dashed = false;
  bool dots = false;
  // (x, y) in the units of the axes; points that are not finite interrupt the line.
  std::vector<std::pair<double, double>> points;
};

struct ChartAxis {
  double low = 0;
  double high = 1;
  // Values with a label.
  std::vector<double> ticks = {0, 0.5, 1};
  std::string label;  // escaped here
  bool logarithmic = false;
};

struct LineChart {
  // A description for screen readers. Escaped here.
  std::string label;
  ChartAxis x;
  ChartAxis y;
  std::vector<ChartLine> lines;
  // Marks a point, with this text beside it; "": no mark.
  double mark_x = 0;
  double mark_y = 0;
  std::string mark;
  int width = 320;
  int height = 220;
};

std::string DrawLines(const LineChart& chart);

// Stacked vertical bars of a histogram.
struct ColumnChart {
  struct Column {
    std::string label;          // of the lower edge, below it; "" for none
    std::vector<double> parts;  // from below
    std::string title;          // shown when pointed at
  };
  std::string label;
  std::vector<std::string> colors;  // of the parts, CSS
  std::vector<Column> columns;
  std::string x_label;
  int width = 640;
  int height = 220;
};

std::string DrawColumns(const ColumnChart& chart);

// Round values from `low` to `high`, about `count`.
std::vector<double> NiceTicks(double low, double high, int count);

}  // namespace rcnn::eval

#endif  // RCNN_EVAL_HTML_SVG_CHART_H_
