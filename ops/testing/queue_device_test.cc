#include "rcnn/ops/testing/queue_device.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "rcnn/ops/balanced_sampler.h"
#include "rcnn/ops/boxes.h"

namespace rcnn::ops::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Not;

at::Tensor Moved(const at::Tensor& tensor) {
  return tensor.to(QueueDevice(), tensor.scalar_type(), /*non_blocking=*/true);
}

std::vector<std::string> ListWaits(const std::function<void()>& run) {
  TakeWaits();
  run();
  return TakeWaits();
}

TEST(QueueDeviceTest, ComputesWhatTheCpuComputes) {
  const at::Tensor a = at::arange(12, at::kFloat).view({3, 4}), b = a.sin();
  const auto compute = [](const at::Tensor& x, const at::Tensor& y) {
    at::Tensor z = at::cat({x, y}, 1).relu().matmul(at::ones({8, 2}, x.options()));
    z.select(0, 1).add_(3);  // in place, through a view
    return at::where(z.gt(1), z, z * 2).sum(1) + at::arange(3, x.options());
  };
  at::Tensor there;
  EXPECT_THAT(ListWaits([&] { there = compute(Moved(a), Moved(b)); }), IsEmpty());
  EXPECT_EQ(there.device(), QueueDevice());
  EXPECT_TRUE(there.cpu().allclose(compute(a, b)));
}

TEST(QueueDeviceTest, ASummedLossIsAScalarWithAGradient) {
  const at::Tensor a = at::arange(8, at::kFloat).view({2, 4}), b = a.sin();
  const at::Tensor x = Moved(a).requires_grad_();
  const at::Tensor loss = at::smooth_l1_loss(x, Moved(b), at::Reduction::Sum, 0.5);
  EXPECT_EQ(loss.dim(), 0);
  EXPECT_TRUE(loss.cpu().allclose(at::smooth_l1_loss(a, b, at::Reduction::Sum, 0.5)));
  loss.backward();
  EXPECT_TRUE(x.grad().cpu().allclose(((a - b) / 0.5).clamp(-1, 1)));
}

TEST(QueueDeviceTest, ShrinksInPlace) {
  at::Tensor x = Moved(at::arange(6, at::kFloat));
  x.resize_({2});
  EXPECT_EQ(x.sizes(), at::IntArrayRef({2}));
  EXPECT_TRUE(x.cpu().equal(at::arange(2, at::kFloat)));
}

TEST(QueueDeviceTest, GradientsFlowThroughConvolutions) {
  at::Generator generator = at::detail::createCPUGenerator(1);
  const at::Tensor x = at::randn({2, 3, 8, 8}, generator), w = at::randn({4, 3, 3, 3}, generator);
  const auto gradient = [&](const std::function<at::Tensor(const at::Tensor&)>& move) {
    const at::Tensor weight = move(w).detach().requires_grad_();
    at::conv2d(move(x), weight, {}, 2, 1).square().sum().backward();
    return weight.grad();
  };
  at::Tensor there;
  EXPECT_THAT(ListWaits([&] { there = gradient(&Moved); }), IsEmpty());
  const auto keep = [](const at::Tensor& tensor) { return tensor; };
  EXPECT_TRUE(there.cpu().allclose(gradient(keep), 1e-4, 1e-4));
}

// Also where LibTorch is built for CUDA (tools/developer/check_cuda_build.sh).
TEST(QueueDeviceTest, GradientsOfTheCpuStillFlow) {
  const at::Tensor x = at::arange(6, at::kFloat).requires_grad_();
  (x * x).sum().backward();
  EXPECT_TRUE(x.grad().equal(2 * x.detach()));
}

TEST(QueueDeviceTest, NotesWhatWaits) {
  const at::Tensor x = Moved(at::arange(6, at::kFloat));
  EXPECT_THAT(ListWaits([&] { x.sum().item<float>(); }), ElementsAre("aten::_local_scalar_dense"));
  EXPECT_THAT(ListWaits([&] { x.gt(2).nonzero(); }), ElementsAre("aten::nonzero"));
  EXPECT_THAT(ListWaits([&] { x.masked_select(x.gt(2)); }), ElementsAre("aten::masked_select"));
  EXPECT_THAT(ListWaits([&] { x.index({x.gt(2)}); }), Not(IsEmpty()));
  EXPECT_THAT(ListWaits([&] { x.cpu(); }), ElementsAre("copy to the CPU"));
  EXPECT_THAT(ListWaits([&] { at::ones({2}).to(QueueDevice()); }),
              ElementsAre("copy to the device that blocks"));
  EXPECT_THAT(ListWaits([&] { x.equal(x); }), ElementsAre("aten::equal"));
}

TEST(QueueDeviceTest, OnlyOperatorsWithoutAKernelAreCopied) {
  const at::Tensor boxes = Moved(at::tensor({0.f, 0.f, 9.f, 9.f}).view({1, 4}));
  EXPECT_THAT(ListWaits([&] { BoxIou(boxes, boxes); }), IsEmpty());
  const at::Tensor labels = Moved(at::zeros({5}, at::kLong));
  EXPECT_THAT(ListWaits([&] {
                SampleBalanced(labels, {2, 0.5}, at::detail::createCPUGenerator(1));
              }),
              Not(IsEmpty()));
}

}  // namespace
}  // namespace rcnn::ops::testing
