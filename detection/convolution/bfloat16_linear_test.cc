#include "rcnn/detection/convolution/bfloat16_linear.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <cmath>

#include "gtest/gtest.h"
#include "rcnn/base/testing/instruction_levels.h"

namespace rcnn::detection {
namespace {

at::Tensor Draw(at::IntArrayRef shape, uint64_t seed) {
  return at::randn(shape, at::detail::createCPUGenerator(seed));
}

at::Tensor Rounded(const at::Tensor& t) { return t.to(at::kBFloat16).to(at::kDouble); }

at::Tensor Apply(const at::Tensor& weight, const at::Tensor& bias, const at::Tensor& x, bool relu) {
  const Bfloat16Linear linear(weight.data_ptr<float>(),
                              bias.defined() ? bias.data_ptr<float>() : nullptr, weight.size(0),
                              weight.size(1));
  at::Tensor y = at::full({x.size(0), weight.size(0)}, NAN);
  linear.Run(x.data_ptr<float>(), x.size(0), relu, y.data_ptr<float>());
  return y;
}

class Bfloat16LinearTest : public InstructionLevelTest {};

INSTANTIATE_TEST_SUITE_P(Levels, Bfloat16LinearTest, LevelsFrom(InstructionLevel::kPortable),
                         LevelName);

// Sizes around those of panels (16), an odd depth, and one of several parts.
TEST_P(Bfloat16LinearTest, EqualsAProductOfRoundedOperands) {
  for (const int64_t count : {1, 16, 35}) {
    for (const int64_t in : {1, 2, 33, 1500}) {
      for (const int64_t out : {1, 16, 40}) {
        SCOPED_TRACE(::testing::Message() << count << " x " << in << " to " << out);
        const at::Tensor weight = Draw({out, in}, 1) / std::sqrt(static_cast<double>(in));
        const at::Tensor bias = Draw({out}, 2), x = Draw({count, in}, 3);
        const at::Tensor product = at::matmul(Rounded(x), Rounded(weight).t());
        const auto distance = [](const at::Tensor& a, const at::Tensor& b) {
          return (a - b).abs().max().item<double>();
        };
        EXPECT_LE(distance(Apply(weight, {}, x, false), product), 1e-5);
        EXPECT_LE(distance(Apply(weight, bias, x, true), (product + bias).relu()), 1e-5);
      }
    }
  }
}

TEST_P(Bfloat16LinearTest, ThreadsChangeNoBit) {
  const at::Tensor weight = Draw({70, 300}, 1), x = Draw({50, 300}, 2);
  const at::Tensor expected = Apply(weight, {}, x, false);
  const int threads = at::get_num_threads();
  for (const int n : {1, 2, 3}) {
    at::set_num_threads(n);
    EXPECT_TRUE(Apply(weight, {}, x, false).equal(expected)) << n;
  }
  at::set_num_threads(threads);
}

TEST_P(Bfloat16LinearTest, NoRowsGiveNoOutput) {
  EXPECT_EQ(Apply(Draw({3, 4}, 1), {}, at::empty({0, 4}), true).numel(), 0);
}

}  // namespace
}  // namespace rcnn::detection
