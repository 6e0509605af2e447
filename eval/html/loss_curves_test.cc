#include "rcnn/eval/html/loss_curves.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rcnn::eval {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;

TEST(LossCurvesTest, TakesTheLossesOfEachLine) {
  const auto curves = LossCurves("joint",
                                 "{\"iteration\":20,\"time\":1.5,\"loss\":0.5,\"loss_rpn\":0.25}\n"
                                 "{\"iteration\":40,\"time\":2.5,\"loss\":0.25,\"lr\":0.1}\n");
  ASSERT_THAT(curves, SizeIs(2));
  EXPECT_EQ(curves[0].stage, "joint");
  EXPECT_EQ(curves[0].name, "loss");
  EXPECT_THAT(curves[0].points, ElementsAre(Pair(20, 0.5), Pair(40, 0.25)));
  EXPECT_EQ(curves[1].name, "rpn");
  EXPECT_THAT(curves[1].points, ElementsAre(Pair(20, 0.25)));
}

TEST(LossCurvesTest, TakesTheValidations) {
  const auto curves = LossCurves("rpn1",
                                 "{\"iteration\":10,\"validation_ap50\":0.25}\n"
                                 "{\"iteration\":20,\"loss\":0.5,\"gradient_norm\":3}\n"
                                 "{\"iteration\":20,\"validation_ap50\":0.5,"
                                 "\"validation_ar_100\":0.75}\n");
  ASSERT_THAT(curves, SizeIs(3));
  EXPECT_EQ(curves[0].name, "AP50");
  EXPECT_TRUE(curves[0].validation);
  EXPECT_THAT(curves[0].points, ElementsAre(Pair(10, 0.25), Pair(20, 0.5)));
  EXPECT_EQ(curves[1].name, "loss");
  EXPECT_FALSE(curves[1].validation);
  EXPECT_EQ(curves[2].name, "ar_100");
  EXPECT_TRUE(curves[2].validation);
}

TEST(LossCurvesTest, LeavesOutTornLinesAndWhatIsNotANumber) {
  const auto curves =
      LossCurves("a", "{\"iteration\":1,\"loss\":null}\n[1]\n{\"iteration\":2,\"lo");
  EXPECT_THAT(curves, IsEmpty());
}

// Its fields would each be compared with all before it: an hour.
TEST(LossCurvesTest, LeavesOutALineOfAMillionFields) {
  std::string lines = "{\"iteration\":1,\"loss\":1}\n{\"iteration\":2";
  for (int i = 0; i < 1'000'000; ++i) absl::StrAppend(&lines, ",\"loss", i, "\":2");
  const auto curves = LossCurves("a", absl::StrCat(lines, "}\n{\"iteration\":3,\"loss\":3}\n"));
  ASSERT_THAT(curves, SizeIs(1));
  EXPECT_THAT(curves[0].points, ElementsAre(Pair(1, 1), Pair(3, 3)));
}

TEST(LossCurvesTest, ManyLinesAreAveraged) {
  const auto curves = LossCurves("a",
                                 "{\"iteration\":1,\"loss\":1}\n{\"iteration\":2,\"loss\":3}\n"
                                 "{\"iteration\":3,\"loss\":5}\n{\"iteration\":4,\"loss\":7}\n",
                                 2);
  ASSERT_THAT(curves, SizeIs(1));
  EXPECT_THAT(curves[0].points, ElementsAre(Pair(2, 2), Pair(4, 6)));
}

}  // namespace
}  // namespace rcnn::eval
