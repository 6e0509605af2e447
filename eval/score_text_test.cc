#include "rcnn/eval/score_text.h"

#include <string>

#include "gtest/gtest.h"

namespace rcnn::eval {
namespace {

TEST(ScoreTextTest, IsShort) {
  EXPECT_EQ(ScoreText(0.934), "0.93");
  EXPECT_EQ(ScoreText(-12.5), "-12.50");
  EXPECT_EQ(ScoreText(1e300), "1e+300");
}

TEST(ThresholdTextTest, KeepsTheScoreThatItComesFrom) {
  EXPECT_EQ(ThresholdText(0.29694), "0.296");
  EXPECT_EQ(ThresholdText(0.5), "0.500");
  EXPECT_EQ(ThresholdText(0.00467), "0.0046");
  EXPECT_EQ(ThresholdText(0), "0.000");
  EXPECT_EQ(ThresholdText(-3.0001), "-3.001");
  EXPECT_EQ(ThresholdText(1e300), "1e+300");
  EXPECT_LT(ThresholdText(1e-300).size(), 20u);
  for (int i = 1; i < 1000; ++i) {
    const double score = static_cast<double>(static_cast<float>(i) / 997.0f);
    EXPECT_LE(std::stod(ThresholdText(score)), score);
    EXPECT_GE(std::stod(ThresholdText(score)), score - 0.001);
  }
}

}  // namespace
}  // namespace rcnn::eval
