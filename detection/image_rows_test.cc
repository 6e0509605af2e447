#include "rcnn/detection/image_rows.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

namespace rcnn::detection {
namespace {

TEST(ImageRowsTest, PicksTheRowsOfEachImage) {
  const at::Tensor rows = at::tensor({2, 0, 1, 1}, at::kLong).view({2, 2});
  const at::Tensor values = at::arange(6, at::kLong).view({2, 3});
  EXPECT_TRUE(RowsOfImages(values, rows).equal(at::tensor({2, 0, 4, 4}, at::kLong).view({2, 2})));
  const at::Tensor pairs = at::arange(12, at::kLong).view({2, 3, 2});
  EXPECT_TRUE(RowsOfImages(pairs, rows)
                  .equal(at::tensor({4, 5, 0, 1, 8, 9, 8, 9}, at::kLong).view({2, 2, 2})));
}

TEST(ImageRowsTest, RowsFromTheCountOnAreBeyondIt) {
  const at::Tensor beyond = BeyondCounts(at::tensor({0, 2, 3}, at::kLong), 3);
  const at::Tensor expected = at::tensor({1, 1, 1, 0, 0, 1, 0, 0, 0}, at::kLong).view({3, 3});
  EXPECT_TRUE(beyond.equal(expected.to(at::kBool)));
}

}  // namespace
}  // namespace rcnn::detection
