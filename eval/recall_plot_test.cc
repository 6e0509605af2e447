#include "rcnn/eval/recall_plot.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace rcnn::eval {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// One object that the first proposal covers with IoU 0.8, in series `name`.
RecallSeries Series(const std::string& name, float width) {
  const std::vector<data::Box> proposals = {{0, 0, width, 10}};
  const std::vector<RecallImage> images = {{proposals, {{0, 0, 10, 10}}, {100}}};
  return {name, MeasureRecall(images, {.counts = {1, 300, 2000}})};
}

TEST(FormatRecallTableTest, HasALineForEachMethodAndNumber) {
  const std::string table = FormatRecallTable({Series("RPN", 8), Series("selective search", 6)});
  EXPECT_THAT(table, HasSubstr("RPN                    300   100.0   100.0     0.0"));
  EXPECT_THAT(table, HasSubstr("selective search      2000   100.0     0.0     0.0"));
  EXPECT_THAT(table, HasSubstr("AR small"));
  EXPECT_EQ(FormatRecallTable({}), "");
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

}  // namespace
}  // namespace rcnn::eval
