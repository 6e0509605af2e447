#include "rcnn/detection/finish_convolution.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/detection/testing/counting_finisher.h"
#include "rcnn/detection/testing/slow_layers.h"
#include "rcnn/ops/error_message.h"

namespace rcnn::detection {
namespace {

using ::testing::HasSubstr;

at::Tensor Map(uint64_t seed, at::MemoryFormat format = at::MemoryFormat::ChannelsLast) {
  return at::randn({2, 4, 3, 5}, at::detail::createCPUGenerator(seed), at::kDouble)
      .contiguous(format);
}

at::Tensor Bias() { return at::randn({4}, at::detail::createCPUGenerator(9), at::kDouble); }

// What is finished is not a leaf, as the result of a convolution.
at::Tensor Convolved(const at::Tensor& x) { return x * 2; }

TEST(FinishConvolutionTest, NeedsAFinisherForTheDevice) {
  const c10::Device cpu(c10::DeviceType::CPU), cuda(c10::DeviceType::CUDA);
  EXPECT_FALSE(FinishesConvolutions(cpu));
  const CountingFinisher finisher;
  EXPECT_TRUE(FinishesConvolutions(cpu));
  EXPECT_FALSE(FinishesConvolutions(cuda));
}

struct Found {
  at::Tensor result;
  std::vector<at::Tensor> gradients;
};

// Of map, bias and, if it is defined, what is added; which of them want a gradient.
Found Differentiate(const at::Tensor& map, const at::Tensor& add, bool relu,
                    const std::vector<bool>& wanted) {
  std::vector<at::Tensor> leaves = {map.clone(), Bias()};
  if (add.defined()) leaves.push_back(add.clone());
  for (size_t i = 0; i < leaves.size(); ++i) leaves[i].requires_grad_(wanted[i]);
  const at::Tensor other = add.defined() ? leaves[2] : at::Tensor();
  const at::Tensor y = FinishConvolution(Convolved(leaves[0]), leaves[1], other, relu);
  (y * Map(7)).sum().backward();
  Found found = {y.detach(), {}};
  for (const at::Tensor& leaf : leaves) found.gradients.push_back(leaf.grad());
  return found;
}

void ExpectEqual(const Found& found, const Found& expected) {
  EXPECT_TRUE(Near(found.result, expected.result, 1e-12));
  ASSERT_EQ(found.gradients.size(), expected.gradients.size());
  for (size_t i = 0; i < found.gradients.size(); ++i) {
    ASSERT_EQ(found.gradients[i].defined(), expected.gradients[i].defined()) << i;
    if (found.gradients[i].defined()) {
      EXPECT_TRUE(Near(found.gradients[i], expected.gradients[i], 1e-12)) << i;
    }
  }
}

TEST(FinishConvolutionTest, ResultAndGradientsAreThoseOfOperators) {
  for (const bool relu : {false, true}) {
    for (const bool adds : {false, true}) {
      const at::Tensor add = adds ? Map(3) : at::Tensor();
      for (const std::vector<bool>& wanted : std::vector<std::vector<bool>>{{true, true, true},
                                                                            {true, false, true},
                                                                            {true, false, false},
                                                                            {false, true, false}}) {
        const Found expected = Differentiate(Map(1), add, relu, wanted);  // without a finisher
        const CountingFinisher finisher;
        ExpectEqual(Differentiate(Map(1), add, relu, wanted), expected);
        EXPECT_EQ(finisher.count(), 1);
      }
    }
  }
}

TEST(FinishConvolutionTest, OperatorsTakeOtherLayouts) {
  const std::vector<bool> wanted = {true, true, true};
  const Found expected = Differentiate(Map(1), Map(3), true, wanted);
  const CountingFinisher finisher;
  ExpectEqual(Differentiate(Map(1, at::MemoryFormat::Contiguous), Map(3), true, wanted), expected);
  ExpectEqual(Differentiate(Map(1), Map(3, at::MemoryFormat::Contiguous), true, wanted), expected);
  EXPECT_EQ(finisher.count(), 0);
}

TEST(FinishConvolutionTest, WithoutGradientsInPlace) {
  const CountingFinisher finisher;
  const at::NoGradGuard no_grad;
  const at::Tensor map = Map(1), before = map.clone();
  const at::Tensor y = FinishConvolution(map, Bias(), {}, /*relu=*/true);
  EXPECT_EQ(y.data_ptr(), map.data_ptr());
  EXPECT_TRUE(Near(y, (before + Bias().view({1, 4, 1, 1})).relu(), 1e-12));
  EXPECT_EQ(finisher.count(), 1);
}

// A kernel would read what lies behind it.
TEST(FinishConvolutionTest, ABiasIsOfTheMapsChannels) {
  const CountingFinisher finisher;
  for (const at::MemoryFormat format :
       {at::MemoryFormat::ChannelsLast, at::MemoryFormat::Contiguous}) {
    EXPECT_THAT(ops::ErrorMessage([&] {
                  FinishConvolution(Map(1, format), at::zeros({1}, at::kDouble), {}, false);
                }),
                HasSubstr("bias [1] on cpu for maps [2, 4, 3, 5] on cpu"));
  }
  EXPECT_EQ(finisher.count(), 0);
}

}  // namespace
}  // namespace rcnn::detection
