#include "rcnn/ops/tensor_layout.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

namespace rcnn::ops {
namespace {

constexpr auto kLast = at::MemoryFormat::ChannelsLast;

TEST(HaveSameLayoutTest, ComparesSizesAndOrder) {
  EXPECT_TRUE(HaveSameLayout(at::zeros({4, 3}), at::ones({4, 3})));
  EXPECT_FALSE(HaveSameLayout(at::zeros({4, 3}), at::zeros({3, 4})));
  EXPECT_FALSE(HaveSameLayout(at::zeros({4, 3}), at::zeros({3, 4}).t()));
  EXPECT_FALSE(HaveSameLayout(at::zeros({4, 3, 2, 2}), at::zeros({4, 3, 2, 2}).contiguous(kLast)));
}

TEST(HaveSameLayoutTest, StridesOfSingleElementsDoNotMatter) {
  const at::Tensor one = at::zeros({4, 3, 1, 1}).as_strided({4, 3, 1, 1}, {3, 1, 1, 1});
  const at::Tensor other = at::zeros({4, 3, 1, 1}).as_strided({4, 3, 1, 1}, {3, 1, 3, 3});
  EXPECT_TRUE(HaveSameLayout(one, other));
}

}  // namespace
}  // namespace rcnn::ops
