#include "rcnn/ops/kernels/box_clip.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <limits>

#include "rcnn/ops/boxes.h"
#include "rcnn/ops/testing/host_grid.h"
#include "rcnn/ops/testing/random_boxes.h"
#include "rcnn/ops/testing/test_seed.h"

namespace rcnn::ops {
namespace {

using ::rcnn::ops::testing::HostGrid;
using ::rcnn::ops::testing::HostOrder;
using ::rcnn::ops::testing::kAllHostOrders;
using ::rcnn::ops::testing::RandomBoxes;
using ::rcnn::ops::testing::TestGenerator;
using ::rcnn::ops::testing::TestSeed;

template <typename T>
at::Tensor ClipByGrid(const at::Tensor& boxes, const ImageSize& image, bool inclusive,
                      HostOrder order) {
  const at::Tensor out = at::full_like(boxes, std::numeric_limits<double>::quiet_NaN());
  const T extra = inclusive ? T{1} : T{0};
  HostGrid launch(order, TestSeed());
  LaunchForEach(launch, boxes.size(0),
                ClipRow<T>{boxes.data_ptr<T>(), static_cast<T>(image.width) - extra,
                           static_cast<T>(image.height) - extra, out.data_ptr<T>()});
  return out;
}

template <typename T>
void ExpectEqualsOperator(at::ScalarType dtype) {
  at::Generator generator = TestGenerator();
  for (const int64_t count : {0, 1, 255, 256, 1000}) {
    // A third of the corners lie outside on each side.
    const at::Tensor boxes = (RandomBoxes(count, generator) - 200).to(dtype);
    for (const bool inclusive : {false, true}) {
      const at::Tensor expected = ClipBoxes(boxes, {150, 180}, {inclusive});
      for (const HostOrder order : kAllHostOrders) {
        EXPECT_TRUE(at::equal(ClipByGrid<T>(boxes, {150, 180}, inclusive, order), expected));
      }
    }
  }
}

TEST(BoxClipKernelTest, EqualsTheOperatorInFloat32) { ExpectEqualsOperator<float>(at::kFloat); }
TEST(BoxClipKernelTest, EqualsTheOperatorInFloat64) { ExpectEqualsOperator<double>(at::kDouble); }

TEST(BoxClipKernelTest, MillionBoxes) {
  at::Generator generator = TestGenerator();
  const at::Tensor boxes = (RandomBoxes(1000000, generator) - 200).to(at::kFloat);
  EXPECT_TRUE(at::equal(ClipByGrid<float>(boxes, {150, 180}, false, HostOrder::kReversed),
                        ClipBoxes(boxes, {150, 180}, {false})));
}

TEST(BoxClipKernelTest, ClipsInPlace) {
  const at::Tensor boxes = at::tensor({-5.0f, 3.0f, 20.0f, 30.0f}).view({1, 4});
  HostGrid launch(HostOrder::kForward);
  LaunchForEach(launch, 1, ClipRow<float>{boxes.data_ptr<float>(), 10, 8, boxes.data_ptr<float>()});
  EXPECT_TRUE(at::equal(boxes, at::tensor({0.0f, 3.0f, 10.0f, 8.0f}).view({1, 4}))) << boxes;
}

}  // namespace
}  // namespace rcnn::ops
