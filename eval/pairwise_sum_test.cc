#include "rcnn/eval/pairwise_sum.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <numeric>
#include <vector>

namespace rcnn::eval {
namespace {

std::vector<double> Values(int64_t n) {
  std::vector<double> values(n);
  for (int64_t i = 0; i < n; ++i) {
    values[i] = 1.0 / static_cast<double>(i + 1) +
                static_cast<double>((i * int64_t{2654435761}) % 1000) / 7.0;
  }
  return values;
}

// numpy 1.24.2: i = np.arange(n); np.mean(1.0/(i+1) + ((i*2654435761) % 1000)/7.0).hex()
TEST(NumpyMeanTest, EqualsNumpyAtEveryBranchOfTheTree) {
  const struct {
    int64_t n;
    double mean;
  } kCases[] = {
      {1, 0x1.0000000000000p+0},    {7, 0x1.e9a83a83a83a8p+5},     {8, 0x1.db4a0ea0ea0eap+5},
      {9, 0x1.b1c0b327a4416p+5},    {127, 0x1.1a8f614615af1p+6},   {128, 0x1.1b3dc03a64f16p+6},
      {129, 0x1.1ada64764a273p+6},  {136, 0x1.1dcab52a9cc4dp+6},   {255, 0x1.1ca7fec0c0cf3p+6},
      {256, 0x1.1baac878db7c0p+6},  {257, 0x1.1c60b4e48d340p+6},   {1000, 0x1.1d756120dfe10p+6},
      {1001, 0x1.1d2c60452091ap+6}, {4097, 0x1.1d43d2c71097ap+6},  {8192, 0x1.1d6b32d273ee8p+6},
      {8193, 0x1.1d6447b1365cdp+6}, {16385, 0x1.1d6caecdc03f0p+6}, {100000, 0x1.1d6dd68cfd00fp+6},
  };
  for (const auto& expected : kCases) {
    EXPECT_EQ(NumpyMean(Values(expected.n)), expected.mean) << expected.n;
    StreamedNumpyMean stream;
    for (double value : Values(expected.n)) stream.Add(value);
    EXPECT_EQ(stream.Mean(), expected.mean) << expected.n;
    EXPECT_EQ(stream.count(), expected.n);
  }
}

TEST(NumpyMeanTest, DiffersFromAPlainLoop) {
  const std::vector<double> values = Values(100000);
  EXPECT_NE(NumpySum(values), std::accumulate(values.begin(), values.end(), 0.0));
}

TEST(NumpySumTest, AnEmptySumIsZeroAndItsMeanIsNaN) {
  EXPECT_EQ(NumpySum({}), 0.0);
  EXPECT_TRUE(std::isnan(NumpyMean({})));
  EXPECT_TRUE(std::isnan(StreamedNumpyMean().Mean()));
}

}  // namespace
}  // namespace rcnn::eval
