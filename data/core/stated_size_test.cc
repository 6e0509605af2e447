#include "rcnn/data/core/stated_size.h"

#include <limits>

#include "gtest/gtest.h"

namespace rcnn::data {
namespace {

TEST(StatedPixelsTest, ReadsWholeNumbers) {
  EXPECT_EQ(StatedPixels(" 640 "), 640);
  EXPECT_EQ(StatedPixels("640.0"), 640);
  EXPECT_EQ(StatedPixels("1"), 1);
  EXPECT_EQ(StatedPixels(999'999'999.0), 999'999'999);
}

TEST(StatedPixelsTest, TakesNothingElseForASide) {
  for (const char* text : {"", "0", "-640", "640.5", "640px", "1e9", "nan", "inf", "-inf"}) {
    EXPECT_EQ(StatedPixels(text), 0) << text;
  }
  EXPECT_EQ(StatedPixels(std::numeric_limits<double>::quiet_NaN()), 0);
}

}  // namespace
}  // namespace rcnn::data
