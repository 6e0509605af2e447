#include "rcnn/base/shortest_number.h"

#include <cstdlib>
#include <limits>

#include "gtest/gtest.h"

namespace rcnn {
namespace {

TEST(ShortestNumberTest, HasNoDigitTooMany) {
  EXPECT_EQ(ShortestNumber(0.1), "0.1");
  EXPECT_EQ(ShortestNumber(-3), "-3");
  EXPECT_EQ(ShortestNumber(1e300), "1e+300");
}

TEST(ShortestNumberTest, ReadsBackAsTheSameNumber) {
  for (const double value : {1 / 3., 0.1 + 0.2, 5e-324, std::numeric_limits<double>::max(),
                             std::numeric_limits<double>::lowest()}) {
    EXPECT_EQ(std::strtod(ShortestNumber(value).c_str(), nullptr), value);
  }
}

}  // namespace
}  // namespace rcnn
