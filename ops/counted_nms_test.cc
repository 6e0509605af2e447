#include "rcnn/ops/counted_nms.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>

#include "rcnn/ops/batched_nms.h"
#include "rcnn/ops/error_message.h"
#include "rcnn/ops/nms.h"
#include "rcnn/ops/testing/random_boxes.h"

namespace rcnn::ops {
namespace {

using ::rcnn::ops::testing::RandomBoxes;
using ::rcnn::ops::testing::TestGenerator;
using ::testing::HasSubstr;

// `expected` first, then zeros.
void ExpectCounted(const CountedIndices& found, const at::Tensor& expected, int64_t capacity) {
  EXPECT_EQ(found.count.dim(), 0);
  ASSERT_EQ(found.kept.sizes(), at::IntArrayRef({capacity}));
  ASSERT_EQ(found.count.item<int64_t>(), expected.size(0));
  EXPECT_TRUE(found.kept.slice(0, 0, expected.size(0)).equal(expected));
  EXPECT_TRUE(found.kept.slice(0, expected.size(0)).eq(0).all().item<bool>());
}

TEST(CountedNmsTest, HasTheIndicesOfNms) {
  at::Generator generator = TestGenerator();
  for (const int64_t count : {0, 1, 500}) {
    const at::Tensor boxes = RandomBoxes(count, generator);
    const at::Tensor scores = at::rand({count}, generator, at::kDouble);
    const at::Tensor classes = at::arange(count, at::kLong).remainder(3);
    for (const int64_t most : {int64_t{1000}, int64_t{7}, int64_t{0}}) {
      const NmsOptions options = {.iou_threshold = 0.5, .max_keep = most};
      const int64_t capacity = std::min(count, most);
      ExpectCounted(CountedNms(boxes, scores, options), Nms(boxes, scores, options), capacity);
      ExpectCounted(CountedBatchedNms(boxes, scores, classes, options),
                    BatchedNms(boxes, scores, classes, options), capacity);
    }
  }
}

TEST(CountedNmsTest, ErrorsAreThoseOfNms) {
  const at::Tensor boxes = at::zeros({2, 4});
  EXPECT_THAT(ErrorMessage([&] { CountedNms(boxes, at::zeros({3}), {}); }), HasSubstr("scores"));
  EXPECT_THAT(ErrorMessage([&] { CountedBatchedNms(boxes, at::zeros({2}), at::zeros({2}), {}); }),
              HasSubstr("classes"));
}

}  // namespace
}  // namespace rcnn::ops
