#include "rcnn/eval/recall_plot.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace rcnn::eval {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// One object of width 10, and a proposal inside it of this width.
RecallSeries Series(const std::string& name, float width,
                    const std::vector<double>& iou_thresholds = CocoIouThresholds()) {
  const std::vector<data::Box> proposals = {{0, 0, width, 10}};
  const std::vector<RecallImage> images = {{proposals, {{0, 0, 10, 10}}, {100}}};
  return {name,
          MeasureRecall(images, {.counts = {1, 300, 2000}, .iou_thresholds = iou_thresholds})};
}

TEST(FormatRecallTableTest, HasALineForEachMethodAndNumber) {
  const std::string table = FormatRecallTable({Series("RPN", 8), Series("selective search", 6)});
  EXPECT_THAT(table, HasSubstr("RPN                    300   100.0   100.0     0.0"));
  EXPECT_THAT(table, HasSubstr("selective search      2000   100.0     0.0     0.0"));
  EXPECT_THAT(table, HasSubstr("AR small"));
  EXPECT_EQ(FormatRecallTable({}), "");
}

TEST(FormatRecallTableTest, EscapesNames) {
  EXPECT_THAT(FormatRecallTable({Series("\x1b[2J\n", 8)}), HasSubstr("\n\\x1b[2J\\n       300 "));
}

TEST(RecallPlotSvgTest, DrawsAPanelForEachMeasuredNumberAndEscapesNames) {
  const std::string svg = RecallPlotSvg({Series("a<b>&", 8), Series("other", 6)});
  EXPECT_THAT(svg, HasSubstr("300 proposals"));
  EXPECT_THAT(svg, HasSubstr("2000 proposals"));
  EXPECT_THAT(svg, Not(HasSubstr("1000 proposals"))) << "not measured";
  EXPECT_THAT(svg, HasSubstr("a&lt;b&gt;&amp;"));
  EXPECT_THAT(svg, Not(HasSubstr("nan")));
  // Two panels of two curves, and the one of average recall.
  size_t curves = 0;
  for (size_t at = svg.find("<polyline"); at != std::string::npos;
       at = svg.find("<polyline", at + 1)) {
    ++curves;
  }
  EXPECT_EQ(curves, 6u);
}

TEST(RecallPlotSvgTest, DrawsASingleThresholdInsideItsPanel) {
  for (const double threshold : {0.5, 0.95, 1.0}) {
    const std::string svg = RecallPlotSvg({Series("RPN", 10, {threshold})}, {300});
    EXPECT_THAT(svg, Not(HasSubstr("nan"))) << threshold;
    EXPECT_THAT(svg, HasSubstr(">1</text>")) << "tick at IoU 1";
  }
}

}  // namespace
}  // namespace rcnn::eval
