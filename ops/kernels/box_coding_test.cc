#include "rcnn/ops/kernels/box_coding.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <limits>
#include <vector>

#include "rcnn/ops/box_coder.h"
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

constexpr int64_t kMillion = 1000000;

// A tensor that nobody has written.
at::Tensor Unwritten(at::IntArrayRef sizes, at::ScalarType dtype) {
  return at::full(sizes, std::numeric_limits<double>::quiet_NaN(), dtype);
}

// The operator and its gradients, and the kernels under the host's grid, bit by bit: one source.
template <typename T>
void ExpectEncodes(int64_t count, const BoxCoderOptions& options, at::ArrayRef<HostOrder> orders,
                   at::Generator& generator) {
  const at::ScalarType dtype = c10::CppTypeToScalarType<T>::value;
  const at::Tensor boxes = RandomBoxes(count, generator).to(dtype).requires_grad_();
  const at::Tensor gt = RandomBoxes(count, generator).to(dtype).requires_grad_();
  const at::Tensor grad = at::rand({count, 4}, generator, at::kDouble).to(dtype);
  const at::Tensor expected = EncodeBoxes(boxes, gt, options);
  expected.backward(grad);
  for (const HostOrder order : orders) {
    const at::Tensor deltas = Unwritten({count, 4}, dtype);
    const at::Tensor grad_boxes = deltas.clone(), grad_gt = deltas.clone();
    HostGrid launch(order, TestSeed());
    LaunchForEach(launch, count,
                  EncodeRow<T>{BoxCoding<T>(options), boxes.data_ptr<T>(), gt.data_ptr<T>(),
                               deltas.data_ptr<T>()});
    LaunchForEach(
        launch, count,
        EncodeBackwardRow<T>{BoxCoding<T>(options), boxes.data_ptr<T>(), gt.data_ptr<T>(),
                             grad.data_ptr<T>(), grad_boxes.data_ptr<T>(), grad_gt.data_ptr<T>()});
    EXPECT_TRUE(at::equal(deltas, expected));
    EXPECT_TRUE(at::equal(grad_boxes, boxes.grad()));
    EXPECT_TRUE(at::equal(grad_gt, gt.grad()));
  }
}

template <typename T>
void ExpectDecodes(int64_t count, int64_t groups, const BoxCoderOptions& options,
                   at::ArrayRef<HostOrder> orders, at::Generator& generator) {
  const at::ScalarType dtype = c10::CppTypeToScalarType<T>::value;
  const at::Tensor boxes = RandomBoxes(count, generator).to(dtype).requires_grad_();
  const at::Tensor deltas =
      at::randn({count, 4 * groups}, generator, at::kDouble).to(dtype).requires_grad_();
  const at::Tensor grad = at::rand({count, 4 * groups}, generator, at::kDouble).to(dtype);
  const at::Tensor expected = DecodeBoxes(boxes, deltas, options);
  expected.backward(grad);
  for (const HostOrder order : orders) {
    const at::Tensor decoded = Unwritten({count, 4 * groups}, dtype);
    const at::Tensor grad_boxes = Unwritten({count, 4}, dtype), grad_deltas = decoded.clone();
    HostGrid launch(order, TestSeed());
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

template <typename T>
void ExpectEncodesOverShapes() {
  at::Generator generator = TestGenerator();
  for (const BoxCoderOptions& options : SomeOptions()) {
    for (const int64_t count : kCounts) {
      ExpectEncodes<T>(count, options, kAllHostOrders, generator);
    }
  }
}

template <typename T>
void ExpectDecodesOverShapes(int64_t groups) {
  at::Generator generator = TestGenerator();
  for (const BoxCoderOptions& options : SomeOptions()) {
    for (const int64_t count : kCounts) {
      ExpectDecodes<T>(count, groups, options, kAllHostOrders, generator);
    }
  }
}

TEST(BoxCodingKernelTest, EncodesAsTheOperatorInFloat32) { ExpectEncodesOverShapes<float>(); }
TEST(BoxCodingKernelTest, EncodesAsTheOperatorInFloat64) { ExpectEncodesOverShapes<double>(); }
TEST(BoxCodingKernelTest, DecodesAsTheOperatorInFloat32) {
  ExpectDecodesOverShapes<float>(1);
  ExpectDecodesOverShapes<float>(5);
}
TEST(BoxCodingKernelTest, DecodesAsTheOperatorInFloat64) {
  ExpectDecodesOverShapes<double>(1);
  ExpectDecodesOverShapes<double>(5);
}

TEST(BoxCodingKernelTest, MillionBoxes) {
  at::Generator generator = TestGenerator();
  ExpectEncodes<float>(kMillion, SomeOptions()[1], HostOrder::kReversed, generator);
  ExpectDecodes<float>(kMillion, 1, SomeOptions()[1], HostOrder::kReversed, generator);
}

}  // namespace
}  // namespace rcnn::ops
