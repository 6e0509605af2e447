#include "rcnn/eval/html/svg_chart.h"

#include <limits>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rcnn::eval {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(SvgChartTest, DrawsALineFromAxisToAxis) {
  LineChart chart;
  chart.label = "a < b";
  ChartLine line;
  line.points = {{0, 0}, {1, 1}};
  chart.lines = {line};
  const std::string svg = DrawLines(chart);
  EXPECT_THAT(svg, HasSubstr("aria-label=\"a &lt; b\""));
  // 320 x 220 less margins: from the lower left to the upper right corner.
  EXPECT_THAT(svg, HasSubstr("d=\"M40 184L308 10\""));
}

TEST(SvgChartTest, InterruptsALineWhereThereIsNoNumber) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  LineChart chart;
  ChartLine line;
  line.points = {{0, 0}, {0.5, nan}, {1, 1}};
  line.name = "<x>";
  chart.lines = {line};
  const std::string svg = DrawLines(chart);
  EXPECT_THAT(svg, Not(HasSubstr("nan")));
  EXPECT_THAT(svg, HasSubstr("&lt;x&gt;</text>"));
}

// Baselines of the names.
std::vector<double> NameHeights(const std::string& svg) {
  std::vector<double> heights;
  for (size_t at = svg.find("class=\"name\""); at != std::string::npos;
       at = svg.find("class=\"name\"", at + 1)) {
    heights.push_back(std::stod(svg.substr(svg.find(" y=\"", at) + 4)));
  }
  return heights;
}

TEST(SvgChartTest, NamesOfLinesThatEndTogetherDoNotTouchTheAxis) {
  LineChart chart;
  for (const char* name : {"rpn", "rpn1", "rpn2", "box"}) {
    ChartLine line;
    line.name = name;
    line.points = {{0, 1}, {1, 0.01}};
    chart.lines.push_back(line);
  }
  const std::vector<double> heights = NameHeights(DrawLines(chart));
  // The plot ends at 184; the axis labels are below.
  EXPECT_THAT(heights, ElementsAre(148, 160, 172, 184));
}

TEST(SvgChartTest, LargeNumbersFitTheMargin) {
  ColumnChart chart;
  chart.colors = {"red"};
  chart.columns = {{"", {400000}, ""}};
  EXPECT_THAT(DrawColumns(chart), HasSubstr(">200k</text>"));
  chart.columns = {{"", {4000}, ""}};
  EXPECT_THAT(DrawColumns(chart), HasSubstr(">2,000</text>"));
  chart.columns = {{"", {3000000}, ""}};
  EXPECT_THAT(DrawColumns(chart), HasSubstr(">2M</text>"));
}

TEST(SvgChartTest, AnEmptyChartHasOnlyAxes) {
  EXPECT_THAT(DrawLines({}), Not(HasSubstr("<path")));
  EXPECT_THAT(DrawColumns({}), Not(HasSubstr("<rect")));
}

TEST(SvgChartTest, StacksTheParts) {
  ColumnChart chart;
  chart.colors = {"red", "blue"};
  chart.columns = {{"1", {2, 1}, "two & one"}};
  chart.width = 148;
  chart.height = 146;
  const std::string svg = DrawColumns(chart);
  EXPECT_THAT(svg, HasSubstr("<title>two &amp; one</title>"));
  // 100 pixels for 3: the lower part has 66.7 of them, the upper 33.3.
  EXPECT_THAT(svg, HasSubstr("y=\"43.3\" width=\"94\" height=\"66.7\" fill=\"red\""));
  EXPECT_THAT(svg, HasSubstr("y=\"10\" width=\"94\" height=\"33.3\" fill=\"blue\""));
}

// Two bars in 100 pixels from 40 on: their lower edges are at 40 and 90.
TEST(SvgChartTest, AColumnIsLabelledAtItsLowerEdge) {
  ColumnChart chart;
  chart.colors = {"red"};
  chart.columns = {{"0.0", {2}, ""}, {"0.5", {1}, ""}};
  chart.width = 148;
  const std::string svg = DrawColumns(chart);
  EXPECT_THAT(svg, HasSubstr("x=\"40\" y=\"199\">0.0</text>"));
  EXPECT_THAT(svg, HasSubstr("x=\"90\" y=\"199\">0.5</text>"));
}

TEST(NiceTicksTest, AreRound) {
  EXPECT_THAT(NiceTicks(0, 1, 4), ElementsAre(0, 0.5, 1));
  EXPECT_THAT(NiceTicks(0, 2400, 4), ElementsAre(0, 1000, 2000));
  EXPECT_THAT(NiceTicks(3, 3, 4), ElementsAre(3));
}

}  // namespace
}  // namespace rcnn::eval
