#include "rcnn/base/graphed_function.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <atomic>
#include <string>
#include <thread>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/autocast_scope.h"
#include "rcnn/base/testing/fake_graphs.h"

namespace rcnn {
namespace {

using ::rcnn::testing::FakeGraphs;
using ::testing::AllOf;
using ::testing::HasSubstr;

// x -> (2 x, the sum of x).
std::vector<at::Tensor> TwiceAndSum(const at::Tensor& x) { return {x * 2, x.sum()}; }

at::Tensor Full(const std::vector<int64_t>& sizes, float value) { return at::full(sizes, value); }

class GraphedFunctionTest : public ::testing::Test {
 protected:
  // Runs with a tensor of `elements` ones and checks the result.
  static void Check(GraphedFunction& function, int64_t elements) {
    const std::vector<at::Tensor> results = function.Run(at::ones({elements}));
    ASSERT_EQ(results.size(), 2u);
    EXPECT_TRUE(results[0].equal(at::full({elements}, 2.0f)));
    EXPECT_EQ(results[1].item<float>(), static_cast<float>(elements));
  }

  FakeGraphs graphs_;
  const at::NoGradGuard no_grad_;
};

TEST_F(GraphedFunctionTest, RecordsAShapeThatComesAgainAndReplaysIt) {
  GraphedFunction function(TwiceAndSum, {2});
  Check(function, 3);
  EXPECT_EQ(graphs_.recorded(), 0);
  Check(function, 3);
  EXPECT_EQ(graphs_.recorded(), 1);
  EXPECT_EQ(graphs_.replayed(), 1);
  Check(function, 3);
  EXPECT_EQ(graphs_.recorded(), 1);
  EXPECT_EQ(graphs_.replayed(), 2);
}

// Every call has its own argument, and results that later calls leave alone.
TEST_F(GraphedFunctionTest, CopiesArgumentsAndResults) {
  GraphedFunction function(TwiceAndSum, {2});
  std::vector<std::vector<at::Tensor>> results;
  for (int i = 0; i < 5; ++i) {
    const at::Tensor x = Full({2, 2}, static_cast<float>(i));
    results.push_back(function.Run(x));
    EXPECT_TRUE(x.equal(Full({2, 2}, static_cast<float>(i))));
  }
  for (int i = 0; i < 5; ++i) {
    EXPECT_TRUE(results[i][0].equal(Full({2, 2}, 2.0f * static_cast<float>(i)))) << i;
    EXPECT_EQ(results[i][1].item<float>(), 4.0f * static_cast<float>(i));
  }
}

TEST_F(GraphedFunctionTest, FurtherShapesAreComputedAsUsual) {
  GraphedFunction function(TwiceAndSum, {2});
  for (int round = 0; round < 5; ++round) {
    for (const int64_t elements : {1, 2, 3, 4}) Check(function, elements);
  }
  EXPECT_EQ(graphs_.recorded(), 2);
  // Both in the rounds from the second one on.
  EXPECT_EQ(graphs_.replayed(), 8);
  EXPECT_EQ(function.num_graphs(), 2);
}

TEST_F(GraphedFunctionTest, AFurtherShapeReplacesTheGraphThatNobodyHasNeededForLong) {
  GraphedFunction function(TwiceAndSum, {/*max_graphs=*/2, /*idle_calls=*/5});
  for (const int64_t elements : {1, 1, 2, 2}) Check(function, elements);
  // Keeps the graph of 2, so that the other one is the last used.
  for (const int64_t elements : {3, 2, 3, 2}) Check(function, elements);
  EXPECT_EQ(graphs_.recorded(), 2);
  Check(function, 3);
  EXPECT_EQ(graphs_.recorded(), 3);
  EXPECT_EQ(function.num_graphs(), 2);
  const int64_t replayed = graphs_.replayed();
  Check(function, 2);
  Check(function, 3);
  EXPECT_EQ(graphs_.replayed(), replayed + 2);
  Check(function, 1);
  EXPECT_EQ(graphs_.replayed(), replayed + 2);
}

TEST_F(GraphedFunctionTest, TypesAndMemoryFormatsHaveTheirOwnGraphs) {
  GraphedFunction function([](const at::Tensor& x) { return std::vector<at::Tensor>{x + 1}; }, {8});
  const at::Tensor x = at::rand({2, 3, 4, 5});
  for (const at::Tensor& y : {x, x.contiguous(at::MemoryFormat::ChannelsLast), x.to(at::kDouble)}) {
    for (int i = 0; i < 2; ++i) {
      const at::Tensor result = function.Run(y)[0];
      EXPECT_TRUE(result.equal(y + 1));
      EXPECT_EQ(result.strides(), y.strides());
      EXPECT_EQ(result.scalar_type(), y.scalar_type());
    }
  }
  EXPECT_EQ(graphs_.recorded(), 3);
}

TEST_F(GraphedFunctionTest, AutocastHasItsOwnGraphs) {
  const at::Tensor weight = at::rand({4, 3});
  GraphedFunction function(
      [&](const at::Tensor& x) { return std::vector<at::Tensor>{at::linear(x, weight)}; }, {8});
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(function.Run(at::ones({2, 3}))[0].scalar_type(), at::kFloat);
    const AutocastScope scope(c10::DeviceType::CPU, at::kBFloat16);
    EXPECT_EQ(function.Run(at::ones({2, 3}))[0].scalar_type(), at::kBFloat16);
  }
  EXPECT_EQ(graphs_.recorded(), 2);
}

TEST_F(GraphedFunctionTest, TakesPartsOfATensor) {
  GraphedFunction function(TwiceAndSum, {1});
  const at::Tensor padded = at::rand({1, 3, 8, 9}).contiguous(at::MemoryFormat::ChannelsLast);
  const at::Tensor part = padded.narrow(2, 0, 5).narrow(3, 0, 6);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(function.Run(part)[0].equal(part * 2));
  EXPECT_EQ(graphs_.replayed(), 2);
}

TEST_F(GraphedFunctionTest, SeesWeightsThatChangeInPlace) {
  at::Tensor weight = at::full({1}, 3.0f);
  GraphedFunction function([&](const at::Tensor& x) { return std::vector<at::Tensor>{x * weight}; },
                           {1});
  for (int i = 0; i < 2; ++i) EXPECT_EQ(function.Run(at::ones({1}))[0].item<float>(), 3);
  weight.fill_(5);
  EXPECT_EQ(function.Run(at::ones({1}))[0].item<float>(), 5);
  EXPECT_EQ(graphs_.replayed(), 2);
}

TEST_F(GraphedFunctionTest, AFailedRecordingIsOneWarningAndComputesAsUsual) {
  GraphedFunction function(TwiceAndSum, {4});
  Check(function, 1);
  Check(function, 1);
  graphs_.Fail();
  ::testing::internal::CaptureStderr();
  for (int i = 0; i < 3; ++i) Check(function, 7);
  EXPECT_THAT(::testing::internal::GetCapturedStderr(),
              AllOf(HasSubstr("no graph for a tensor [7] on cpu: the stream is not capturing"),
                    HasSubstr("the same results")));
  ::testing::internal::CaptureStderr();
  for (int i = 0; i < 3; ++i) Check(function, 8);
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
  // What was recorded before stays.
  Check(function, 1);
  EXPECT_EQ(graphs_.replayed(), 2);
}

TEST_F(GraphedFunctionTest, FreedGraphsAreNotRecordedAgain) {
  GraphedFunction function(TwiceAndSum, {4});
  function.FreeGraphs();
  for (const int64_t elements : {1, 1, 2, 2}) Check(function, elements);
  EXPECT_EQ(function.num_graphs(), 2);
  EXPECT_EQ(function.num_freed(), 0);
  ::testing::internal::CaptureStderr();
  function.FreeGraphs();
  function.FreeGraphs();
  EXPECT_THAT(::testing::internal::GetCapturedStderr(),
              HasSubstr("memory has run out: 2 graphs are freed"));
  EXPECT_EQ(function.num_graphs(), 0);
  EXPECT_EQ(function.num_freed(), 2);
  const int64_t replayed = graphs_.replayed();
  for (const int64_t elements : {1, 1, 3, 3}) Check(function, elements);
  EXPECT_EQ(graphs_.recorded(), 2);
  EXPECT_EQ(graphs_.replayed(), replayed);
}

TEST_F(GraphedFunctionTest, ErrorsOfTheFunctionReachTheCaller) {
  GraphedFunction function(
      [](const at::Tensor& x) -> std::vector<at::Tensor> {
        TORCH_CHECK(x.size(0) > 1, "too small");
        return {x};
      },
      {4});
  for (int i = 0; i < 2; ++i) EXPECT_THROW(function.Run(at::ones({1})), c10::Error);
}

TEST_F(GraphedFunctionTest, ThreadsGetTheirOwnResults) {
  GraphedFunction function(TwiceAndSum, {2});
  std::atomic<int> wrong = 0;
  const auto work = [&](int thread) {
    const at::NoGradGuard no_grad;
    for (int i = 0; i < 200; ++i) {
      const auto value = static_cast<float>(thread * 1000 + i);
      const std::vector<at::Tensor> results = function.Run(Full({16}, value));
      if (!results[0].equal(Full({16}, 2 * value))) ++wrong;
    }
  };
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread) threads.emplace_back(work, thread);
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(graphs_.recorded(), 1);
}

TEST(GraphedFunctionWithGradientsTest, RecordsNoGraph) {
  const FakeGraphs graphs;
  GraphedFunction function(TwiceAndSum, {2});
  const at::Tensor x = at::ones({3}).requires_grad_();
  for (int i = 0; i < 3; ++i) function.Run(x)[0].sum().backward();
  EXPECT_TRUE(x.grad().equal(at::full({3}, 6.0f)));
  EXPECT_EQ(graphs.recorded(), 0);
}

TEST(GraphedFunctionWithoutGraphsTest, ComputesAsUsual) {
  const at::NoGradGuard no_grad;
  GraphedFunction without_library(TwiceAndSum, {2});
  for (int i = 0; i < 3; ++i) EXPECT_EQ(without_library.Run(at::ones({3}))[1].item<float>(), 3);
  const FakeGraphs graphs;
  GraphedFunction with_none(TwiceAndSum, {/*max_graphs=*/0});
  for (int i = 0; i < 3; ++i) EXPECT_EQ(with_none.Run(at::ones({3}))[1].item<float>(), 3);
  EXPECT_EQ(graphs.recorded(), 0);
}

}  // namespace
}  // namespace rcnn
