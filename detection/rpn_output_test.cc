#include "rcnn/detection/rpn_output.h"

#include <ATen/ATen.h>

#include <vector>

#include "gtest/gtest.h"

namespace rcnn::detection {
namespace {

// Of two levels, with 2 and 1 anchors, whose coordinates are all `value`.
RpnOutput Output(int64_t images, double value) {
  return {{at::zeros({images, 1, 1, 2}), at::zeros({images, 4, 1, 2}), at::full({2, 4}, value)},
          {at::zeros({images, 1, 1, 1}), at::zeros({images, 4, 1, 1}), at::full({1, 4}, -value)}};
}

TEST(RpnOutputTest, AnchorsAreThoseOfAllLevelsForEachImage) {
  const std::vector<RpnOutput> parts = {Output(2, 1), Output(1, 5)};
  EXPECT_EQ(CountImages(parts[0]), 2);
  const at::Tensor expected = at::tensor({1., 1., -1.}).to(at::kFloat).unsqueeze(1).repeat({1, 4});
  EXPECT_TRUE(AllAnchors(parts[0]).equal(expected));
  const std::vector<at::Tensor> anchors = AnchorsOfParts(parts);
  ASSERT_EQ(anchors.size(), 3u);
  EXPECT_TRUE(anchors[0].equal(expected));
  EXPECT_TRUE(anchors[1].equal(expected));
  EXPECT_TRUE(anchors[2].equal(5 * expected));
  EXPECT_EQ(CountAnchors(anchors, 0), 0);
  EXPECT_EQ(CountAnchors(anchors, 2), 6);
}

TEST(RpnOutputTest, StackedPartsAreFilledWithZeros) {
  const at::Tensor stacked = StackParts({at::ones({2, 3, 4}), at::full({1, 1, 4}, 2.0)});
  ASSERT_EQ(stacked.sizes().vec(), (std::vector<int64_t>{3, 3, 4}));
  EXPECT_TRUE(stacked.slice(0, 0, 2).equal(at::ones({2, 3, 4})));
  EXPECT_TRUE(stacked[2][0].equal(at::full({4}, 2.0)));
  EXPECT_TRUE(stacked[2].slice(0, 1).equal(at::zeros({2, 4})));
}

TEST(RpnOutputTest, StackedPartsHaveAtLeastOneAnchor) {
  EXPECT_TRUE(StackParts({at::ones({2, 0, 4})}).equal(at::zeros({2, 1, 4})));
}

TEST(RpnOutputTest, SampledAnchorsAreThoseOfBothSigns) {
  ops::CountedSample sample;
  sample.positive_count = at::tensor({1, 0}, at::kLong);
  sample.negative_count = at::tensor({2, 4}, at::kLong);
  EXPECT_EQ(CountSampled(sample).item<int64_t>(), 7);
}

}  // namespace
}  // namespace rcnn::detection
