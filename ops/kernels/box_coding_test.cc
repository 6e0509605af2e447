#include "rcnn/ops/kernels/box_coding.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <vector>

#include "rcnn/ops/box_coder.h"
#include "rcnn/ops/testing/host_grid.h"
#include "rcnn/ops/testing/random_boxes.h"

namespace rcnn::ops {
namespace {

using ::rcnn::ops::testing::HostGrid;
using ::rcnn::ops::testing::HostOrder;
using ::rcnn::ops::testing::kAllHostOrders;
using ::rcnn::ops::testing::RandomBoxes;
using ::rcnn::ops::testing::TestGenerator;

constexpr int64_t kCounts[] = {0, 1, 255, 256, 257, 1000};

std::vector<BoxCoderOptions> SomeOptions() {
  BoxCoderOptions normalized;
  normalized.weights = {10, 10, 5, 5};
  normalized.mean = {0.1, -0.1, 0.2, 0};
  normalized.stddev = {0.5, 1, 2, 1};
  normalized.max_log_scale = 0.5;  // clamps about half
  BoxCoderOptions inclusive;
  inclusive.inclusive = true;
  BoxCoderOptions inexact = inclusive;
  inexact.exact_inverse = false;
  return {{}, normalized, inclusive, inexact};
}

// The operator and its gradients, and the kernels under the host's grid, bit by bit: one source.
template <typename T>
void ExpectEncodeEquals(at::ScalarType dtype) {
  at::Generator generator = TestGenerator();
  for (const BoxCoderOptions& options : SomeOptions()) {
    for (const int64_t count : kCounts) {
      const at::Tensor boxes = RandomBoxes(count, generator).to(dtype).requires_grad_();
      const at::Tensor gt = RandomBoxes(count, generator).to(dtype).requires_grad_();
      const at::Tensor grad = at::rand({count, 4}, generator, at::kDouble).to(dtype);
      const at::Tensor expected = EncodeBoxes(boxes, gt, options);
      expected.backward(grad);
      const at::Tensor deltas = at::empty({count, 4}, dtype);
      const at::Tensor grad_boxes = at::empty_like(deltas), grad_gt = at::empty_like(deltas);
      for (const HostOrder order : kAllHostOrders) {
        HostGrid launch(order);
        LaunchForEach(launch, count,
                      EncodeRow<T>{BoxCoding<T>(options), boxes.data_ptr<T>(), gt.data_ptr<T>(),
                                   deltas.data_ptr<T>()});
        LaunchForEach(launch, count,
                      EncodeBackwardRow<T>{BoxCoding<T>(options), boxes.data_ptr<T>(),
                                           gt.data_ptr<T>(), grad.data_ptr<T>(),
                                           grad_boxes.data_ptr<T>(), grad_gt.data_ptr<T>()});
        EXPECT_TRUE(at::equal(deltas, expected));
        EXPECT_TRUE(at::equal(grad_boxes, boxes.grad()));
        EXPECT_TRUE(at::equal(grad_gt, gt.grad()));
      }
    }
  }
}

template <typename T>
void ExpectDecodeEquals(at::ScalarType dtype, int64_t groups) {
  at::Generator generator = TestGenerator();
  for (const BoxCoderOptions& options : SomeOptions()) {
    for (const int64_t count : kCounts) {
      const at::Tensor boxes = RandomBoxes(count, generator).to(dtype).requires_grad_();
      const at::Tensor deltas =
          at::randn({count, 4 * groups}, generator, at::kDouble).to(dtype).requires_grad_();
      const at::Tensor grad = at::rand({count, 4 * groups}, generator, at::kDouble).to(dtype);
      const at::Tensor expected = DecodeBoxes(boxes, deltas, options);
      expected.backward(grad);
      const at::Tensor decoded = at::empty({count, 4 * groups}, dtype);
      const at::Tensor grad_boxes = at::empty({count, 4}, dtype);
      const at::Tensor grad_deltas = at::empty_like(decoded);
      for (const HostOrder order : kAllHostOrders) {
        HostGrid launch(order);
        LaunchForEach(launch, count * groups,
                      DecodeRow<T>{BoxCoding<T>(options), groups, boxes.data_ptr<T>(),
                                   deltas.data_ptr<T>(), decoded.data_ptr<T>()});
        LaunchForEach(launch, count,
                      DecodeBackwardRow<T>{BoxCoding<T>(options), groups, boxes.data_ptr<T>(),
                                           deltas.data_ptr<T>(), grad.data_ptr<T>(),
                                           grad_boxes.data_ptr<T>(), grad_deltas.data_ptr<T>()});
        EXPECT_TRUE(at::equal(decoded, expected));
        EXPECT_TRUE(at::equal(grad_boxes, boxes.grad()));
        EXPECT_TRUE(at::equal(grad_deltas, deltas.grad()));
      }
    }
  }
}

TEST(BoxCodingKernelTest, EncodesAsTheOperatorInFloat32) { ExpectEncodeEquals<float>(at::kFloat); }
TEST(BoxCodingKernelTest, EncodesAsTheOperatorInFloat64) {
  ExpectEncodeEquals<double>(at::kDouble);
}
TEST(BoxCodingKernelTest, DecodesAsTheOperatorInFloat32) {
  ExpectDecodeEquals<float>(at::kFloat, 1);
  ExpectDecodeEquals<float>(at::kFloat, 5);
}
TEST(BoxCodingKernelTest, DecodesAsTheOperatorInFloat64) {
  ExpectDecodeEquals<double>(at::kDouble, 1);
  ExpectDecodeEquals<double>(at::kDouble, 5);
}

}  // namespace
}  // namespace rcnn::ops
