#include "rcnn/detection/convolution/winograd_weights.h"

#include "gtest/gtest.h"

namespace rcnn::detection {
namespace {

TEST(WinogradWeightsTest, ManyKernelsAreNotKeptTransformed) {
  EXPECT_EQ(FrugalWinogradWeights(64, 128), WinogradWeights::kTransformed);
  EXPECT_EQ(FrugalWinogradWeights(128, 128), WinogradWeights::kKernels);
  EXPECT_EQ(FrugalWinogradWeights(512, 512), WinogradWeights::kKernels);
}

}  // namespace
}  // namespace rcnn::detection
