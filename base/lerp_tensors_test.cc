#include "rcnn/base/lerp_tensors.h"

#include <ATen/ATen.h>
#include <ATen/record_function.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/libtorch_version.h"

namespace rcnn {
namespace {

using ::testing::ElementsAre;

at::Generator Generator(uint64_t seed) { return at::detail::createCPUGenerator(seed); }

// Of several shapes, some channels-last, as the weights of a network are.
std::vector<at::Tensor> Tensors(uint64_t seed) {
  return {at::randn({3, 5}, Generator(seed)), at::randn({}, Generator(seed + 1)),
          at::randn({8, 4, 3, 3}, Generator(seed + 2)).contiguous(at::MemoryFormat::ChannelsLast)};
}

// Shares below and above 1/2, for which LibTorch has two forms.
TEST(LerpTensorsTest, HasTheBitsOfLerp) {
  for (const double share : {0.0, 0.002, 0.5, 9.0 / 11, 1.0}) {
    const std::vector<at::Tensor> tensors = Tensors(1), others = Tensors(10);
    std::vector<at::Tensor> expected;
    for (size_t i = 0; i < tensors.size(); ++i)
      expected.push_back(tensors[i].lerp(others[i], share));
    LerpTensors(tensors, others, share);
    for (size_t i = 0; i < tensors.size(); ++i) {
      EXPECT_TRUE(tensors[i].equal(expected[i])) << i << ", share " << share;
    }
  }
}

TEST(LerpTensorsTest, TakesTensorsThatRequireAGradient) {
  const at::Tensor average = at::zeros({2}), weight = at::ones({2}).requires_grad_();
  LerpTensors({average}, {weight}, 0.25);
  EXPECT_TRUE(average.equal(at::full({2}, 0.25f)));
  EXPECT_FALSE(average.requires_grad());
}

TEST(LerpTensorsTest, OfNoTensorsIsNothing) { LerpTensors({}, {}, 0.5); }

TEST(LerpTensorsTest, ThrowsWithoutATensorForEach) {
  EXPECT_THROW(LerpTensors({at::zeros({2})}, {}, 0.5), c10::Error);
}

#if RCNN_LIBTORCH_2

// What is called, except what these call themselves on the CPU.
std::vector<std::string>& Called() {
  static auto* const names = new std::vector<std::string>();
  return *names;
}

std::unique_ptr<at::ObserverContext> Note(const at::RecordFunction& function) {
  if (std::string(function.name()) != "aten::lerp_") Called().push_back(function.name());
  return nullptr;
}

TEST(LerpTensorsTest, IsOneOperatorForAllTensors) {
  const std::vector<at::Tensor> tensors = Tensors(1), others = Tensors(10);
  const at::CallbackHandle handle = at::addThreadLocalCallback(
      at::RecordFunctionCallback(&Note).scopes({at::RecordScope::FUNCTION}));
  LerpTensors(tensors, others, 0.25);
  at::removeCallback(handle);
  EXPECT_THAT(Called(), ElementsAre("aten::_foreach_lerp_"));
}

#endif

}  // namespace
}  // namespace rcnn
