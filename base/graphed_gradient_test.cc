#include "rcnn/base/graphed_gradient.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <c10/core/impl/LocalDispatchKeySet.h>
#include <c10/util/Exception.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/autocast_scope.h"
#include "rcnn/base/testing/fake_graphs.h"

namespace rcnn {
namespace {

using ::rcnn::testing::FakeGraphs;
using ::testing::AllOf;
using ::testing::HasSubstr;

at::Generator Seeded(uint64_t seed) { return at::detail::createCPUGenerator(seed); }

// A hidden layer, which is a result as well, and a second layer that is used twice. One of the
// weights is not used.
struct Network {
  Network()
      : weights({at::randn({6, 3}, Seeded(1)).requires_grad_(),
                 at::randn({6, 6}, Seeded(2)).t().clone().requires_grad_(),
                 at::ones({5}).requires_grad_(), at::randn({6}, Seeded(3)).requires_grad_()}) {}

  std::vector<at::Tensor> Run(const at::Tensor& x) const {
    const at::Tensor hidden = at::linear(x, weights[0]).relu_();
    const at::Tensor once = at::linear(hidden, weights[1], weights[3]);
    return {hidden, at::linear(once, weights[1], weights[3])};
  }

  // Without graphs, this is the function itself.
  GraphedGradient Graphed(const GraphLimits& limits) const {
    return GraphedGradient([this](const auto& inputs) { return Run(inputs.front()); }, weights,
                           limits);
  }

  void Step() {
    const at::NoGradGuard no_grad;
    for (at::Tensor& weight : weights) {
      if (!weight.grad().defined()) continue;
      weight.sub_(weight.grad(), 0.01);
      weight.mutable_grad().reset();
    }
  }

  std::vector<at::Tensor> weights;
};

// Gradients of both results.
at::Tensor Loss(const std::vector<at::Tensor>& results) {
  return results[0].square().sum() + results[1].to(at::kFloat).sin().sum();
}

at::Tensor Input(int64_t rows, uint64_t seed) { return at::randn({rows, 3}, Seeded(100 + seed)); }

void ExpectSameBits(const Network& found, const Network& expected) {
  for (size_t w = 0; w < found.weights.size(); ++w) {
    EXPECT_TRUE(found.weights[w].equal(expected.weights[w])) << w;
  }
}

void ExpectSameGradients(const Network& found, const Network& expected) {
  for (size_t w = 0; w < found.weights.size(); ++w) {
    const at::Tensor& gradient = expected.weights[w].grad();
    ASSERT_EQ(found.weights[w].grad().defined(), gradient.defined()) << w;
    if (!gradient.defined()) continue;
    EXPECT_TRUE(found.weights[w].grad().equal(gradient)) << w;
  }
}

// Trains two networks on inputs with these numbers of rows, one of them with graphs.
class GraphedGradientTest : public ::testing::Test {
 protected:
  explicit GraphedGradientTest(const GraphLimits& limits = {2})
      : graphed_(found_.Graphed(limits)) {}

  void Train(const std::vector<int64_t>& rows) {
    for (const int64_t n : rows) {
      const at::Tensor x = Input(n, ++seed_);
      const std::vector<at::Tensor> results = graphed_.Run({x});
      const std::vector<at::Tensor> wanted = expected_.Run(x);
      for (size_t i = 0; i < wanted.size(); ++i) EXPECT_TRUE(results[i].equal(wanted[i])) << i;
      Loss(results).backward();
      Loss(wanted).backward();
      ExpectSameGradients(found_, expected_);
      found_.Step();
      expected_.Step();
    }
    ExpectSameBits(found_, expected_);
  }

  FakeGraphs graphs_;
  Network found_, expected_;
  GraphedGradient graphed_;
  uint64_t seed_ = 0;
};

TEST_F(GraphedGradientTest, WeightsHaveTheBitsThatTheyHaveWithoutGraphs) {
  Train({4, 4, 7, 4, 7, 7, 4, 7});
  EXPECT_EQ(graphs_.recorded(), 2);
  // A forward and a backward pass each, of three inputs of four rows and three of seven.
  EXPECT_EQ(graphs_.replayed(), 2 * 6);
  EXPECT_EQ(graphed_.num_graphs(), 2);
}

TEST_F(GraphedGradientTest, FurtherShapesAreComputedAsUsual) {
  Train({4, 4, 7, 7, 5, 5, 5});
  EXPECT_EQ(graphs_.recorded(), 2);
  EXPECT_EQ(graphs_.replayed(), 2 * 2);
}

class IdleGraphedGradientTest : public GraphedGradientTest {
 protected:
  IdleGraphedGradientTest() : GraphedGradientTest({/*max_graphs=*/1, /*idle_calls=*/2}) {}
};

TEST_F(IdleGraphedGradientTest, AFurtherShapeReplacesAGraphThatIsIdle) {
  Train({4, 4, 7, 7});
  EXPECT_EQ(graphs_.recorded(), 1);
  Train({7, 7});
  EXPECT_EQ(graphs_.recorded(), 2);
  EXPECT_EQ(graphed_.num_graphs(), 1);
  EXPECT_EQ(graphs_.replayed(), 2 * (1 + 2));
}

// As in several batches for an update.
TEST_F(GraphedGradientTest, GradientsOfSeveralBackwardPassesAddUp) {
  Train({4, 4});
  for (uint64_t seed = 0; seed < 3; ++seed) {
    Loss(graphed_.Run({Input(4, seed)})).backward();
    Loss(expected_.Run(Input(4, seed))).backward();
  }
  ExpectSameGradients(found_, expected_);
  EXPECT_EQ(graphs_.replayed(), 2 * 4);
}

TEST_F(GraphedGradientTest, GradientsAreCopies) {
  Train({4, 4});
  Loss(graphed_.Run({Input(4, 1)})).backward();
  const at::Tensor gradient = found_.weights[0].grad();
  const at::Tensor before = gradient.clone();
  found_.weights[0].mutable_grad().reset();
  Loss(graphed_.Run({Input(4, 2)})).backward();
  EXPECT_TRUE(gradient.equal(before));
}

// A weight is channels-last, for example.
TEST_F(GraphedGradientTest, GradientsHaveTheStridesOfTheWeights) {
  Train({4, 4});
  Loss(graphed_.Run({Input(4, 1)})).backward();
  ASSERT_EQ(found_.weights[1].strides(), at::IntArrayRef({1, 6}));
  EXPECT_EQ(found_.weights[1].grad().strides(), at::IntArrayRef({1, 6}));
}

// Their results would be overwritten.
TEST_F(GraphedGradientTest, ACallBeforeTheBackwardPassOfTheLastIsComputedAsUsual) {
  Train({4, 4});
  const std::vector<at::Tensor> first = graphed_.Run({Input(4, 1)});
  const std::vector<at::Tensor> kept = {first[0].clone(), first[1].clone()};
  const std::vector<at::Tensor> second = graphed_.Run({Input(4, 2)});
  EXPECT_EQ(graphs_.replayed(), 2 * 1 + 1);
  for (size_t i = 0; i < kept.size(); ++i) EXPECT_TRUE(first[i].equal(kept[i])) << i;
  (Loss(first) + Loss(second)).backward();
  const std::vector<at::Tensor> wanted_first = expected_.Run(Input(4, 1));
  (Loss(wanted_first) + Loss(expected_.Run(Input(4, 2)))).backward();
  for (size_t w = 0; w < found_.weights.size(); ++w) {
    const at::Tensor& wanted = expected_.weights[w].grad();
    // Sums of the two calls are added here, and all uses of a weight there.
    if (!wanted.defined()) continue;
    EXPECT_TRUE(found_.weights[w].grad().allclose(wanted)) << w;
  }
  // Now the graph is free.
  graphed_.Run({Input(4, 3)});
  EXPECT_EQ(graphs_.replayed(), 2 * 2 + 1);
}

// An iteration that has failed never gets to its backward pass.
TEST_F(GraphedGradientTest, DroppedResultsFreeTheirGraph) {
  Train({4, 4});
  graphed_.Run({Input(4, 1)});
  Train({4});
  EXPECT_EQ(graphs_.replayed(), 2 * 2 + 1);
}

TEST_F(GraphedGradientTest, ASecondBackwardPassIsAnError) {
  Train({4, 4});
  const at::Tensor loss = Loss(graphed_.Run({Input(4, 1)}));
  loss.backward({}, /*retain_graph=*/true);
  try {
    loss.backward();
    ADD_FAILURE() << "there is an error";
  } catch (const c10::Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("the backward pass of a graph has run already"));
  }
}

TEST_F(GraphedGradientTest, GradientsOfOtherResultsAreAnError) {
  Train({4, 4});
  try {
    graphed_.Run({Input(4, 1)})[1].sin().sum().backward();
    ADD_FAILURE() << "there is an error";
  } catch (const c10::Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("gradients arrive for other results of a graph"));
  }
}

TEST_F(GraphedGradientTest, ResultsWithoutGradientsStayWithoutThem) {
  for (int i = 0; i < 4; ++i) {
    graphed_.Run({Input(4, i)})[1].sin().sum().backward();
    expected_.Run(Input(4, i))[1].sin().sum().backward();
    ExpectSameGradients(found_, expected_);
  }
  EXPECT_EQ(graphs_.replayed(), 2 * 3);
}

TEST_F(GraphedGradientTest, AFailedRecordingIsOneWarningAndComputesAsUsual) {
  Train({4, 4});
  graphs_.Fail();
  ::testing::internal::CaptureStderr();
  Train({7, 7, 7, 5, 5, 5});
  const std::string warnings = ::testing::internal::GetCapturedStderr();
  EXPECT_THAT(warnings, AllOf(HasSubstr("no graphs for the training of a tensor [7, 3] on cpu: the "
                                        "stream is not capturing"),
                              HasSubstr("the same results")));
  EXPECT_EQ(warnings.find("[5, 3]"), std::string::npos) << warnings;
  // What was recorded before stays.
  Train({4});
  EXPECT_EQ(graphs_.replayed(), 2 * 2);
}

TEST_F(GraphedGradientTest, FreedGraphsAreNotRecordedAgain) {
  EXPECT_FALSE(graphed_.FreeGraphs());
  Train({4, 4, 7, 7});
  ::testing::internal::CaptureStderr();
  EXPECT_TRUE(graphed_.FreeGraphs());
  EXPECT_FALSE(graphed_.FreeGraphs());
  EXPECT_THAT(::testing::internal::GetCapturedStderr(),
              HasSubstr("memory has run out: 2 graphs of training are freed"));
  EXPECT_EQ(graphed_.num_graphs(), 0);
  Train({4, 4, 5, 5});
  EXPECT_EQ(graphs_.recorded(), 2);
  EXPECT_EQ(graphs_.replayed(), 2 * 2);
}

TEST_F(GraphedGradientTest, MemoryMayRunOutBeforeTheBackwardPass) {
  Train({4, 4});
  const std::vector<at::Tensor> results = graphed_.Run({Input(4, 1)});
  ::testing::internal::CaptureStderr();
  EXPECT_TRUE(graphed_.FreeGraphs());
  ::testing::internal::GetCapturedStderr();
  Loss(results).backward();
  Loss(expected_.Run(Input(4, 1))).backward();
  ExpectSameGradients(found_, expected_);
}

// Their graphs would read the old memory.
TEST_F(GraphedGradientTest, WeightsThatMoveAreRecordedAgain) {
  Train({4, 4, 4});
  EXPECT_EQ(graphs_.recorded(), 1);
  found_.weights[0].set_data(found_.weights[0].detach().clone());
  Train({4, 4});
  EXPECT_EQ(graphs_.recorded(), 2);
  EXPECT_EQ(graphs_.replayed(), 2 * 4);
}

// A conversion that is used twice gets the sum of both gradients in bfloat16, and only then becomes
// one in float32.
TEST_F(GraphedGradientTest, UnderAutocastWeightsHaveTheSameBits) {
  const AutocastScope scope(c10::DeviceType::CPU, at::kBFloat16);
  const auto backward = [](const at::Tensor& loss) {
    const c10::impl::ExcludeDispatchKeyGuard no_autocast(c10::autocast_dispatch_keyset);
    loss.backward();
  };
  for (uint64_t i = 0; i < 4; ++i) {
    const at::Tensor x = Input(4, i);
    backward(Loss(graphed_.Run({x})));
    {
      const OwnAutocastCacheScope of_an_iteration;
      backward(Loss(expected_.Run(x)));
    }
    ExpectSameGradients(found_, expected_);
    found_.Step();
    expected_.Step();
  }
  EXPECT_EQ(graphs_.replayed(), 2 * 3);
}

TEST_F(GraphedGradientTest, WithoutGradientsOrALibraryItIsTheFunction) {
  {
    const at::NoGradGuard no_grad;
    for (int i = 0; i < 3; ++i) {
      EXPECT_TRUE(graphed_.Run({Input(4, i)})[1].equal(expected_.Run(Input(4, i))[1]));
    }
  }
  SetDeviceGraphLibrary(nullptr);
  Train({4, 4, 4});
  EXPECT_EQ(graphs_.recorded(), 0);
}

TEST(GraphedGradientOfOneWeightTest, ErrorsOfTheFunctionReachTheCaller) {
  const FakeGraphs graphs;
  const at::Tensor weight = at::ones({1}).requires_grad_();
  GraphedGradient function(
      [&](const auto& inputs) -> std::vector<at::Tensor> {
        TORCH_CHECK(inputs.front().size(0) > 1, "too small");
        return {inputs.front() * weight};
      },
      {weight}, {2});
  for (int i = 0; i < 2; ++i) EXPECT_THROW(function.Run({at::ones({1})}), c10::Error);
}

TEST(GraphedGradientOfOneWeightTest, WithoutWeightsOrGraphsItIsTheFunction) {
  const FakeGraphs graphs;
  const at::Tensor weight = at::ones({1}).requires_grad_();
  const auto twice = [](const auto& inputs) -> std::vector<at::Tensor> {
    return {inputs.front() * 2};
  };
  GraphedGradient without_weights(twice, {}, {2}), without_graphs(twice, {weight}, {0});
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(without_weights.Run({at::ones({1})})[0].item<float>(), 2);
    EXPECT_EQ(without_graphs.Run({at::ones({1})})[0].item<float>(), 2);
  }
  EXPECT_EQ(graphs.recorded(), 0);
}

// Of the three gradients of `scaled` 1e8 comes from outside, and -1e8 and 1 from within, the later
// operator first: 1e8 - 1e8 + 1 is 1 in float32, but 1 - 1e8 + 1e8 is 0.
TEST(GraphedGradientOfOneWeightTest, GradientsOfATensorAreAddedUpInTheOrderOfTheOperators) {
  const FakeGraphs graphs;
  const auto compute = [](const at::Tensor& x, const at::Tensor& weight) {
    const at::Tensor scaled = x * weight;
    const at::Tensor earlier = scaled * 1, later = scaled * -1e8;
    return std::vector<at::Tensor>{scaled, earlier, later};
  };
  const auto loss = [](const std::vector<at::Tensor>& results) {
    const at::Tensor from_within = (results[1] + 1).mul(results[2] + 1);
    return ((results[0] + 1).square() * 5e7 + from_within).sum();
  };
  const at::Tensor weight = at::zeros({1}).requires_grad_(),
                   usual = at::zeros({1}).requires_grad_();
  GraphedGradient function([&](const auto& inputs) { return compute(inputs.front(), weight); },
                           {weight}, {1});
  const at::Tensor x = at::ones({1});
  loss(compute(x, usual)).backward();
  ASSERT_EQ(usual.grad().item<float>(), 1);
  for (int i = 0; i < 3; ++i) {
    loss(function.Run({x})).backward();
    EXPECT_EQ(weight.grad().item<float>(), 1) << i;
    weight.mutable_grad().reset();
  }
  EXPECT_EQ(graphs.replayed(), 2 * 2);
}

// Strides and addresses decide in which order some kernels add.
TEST(GraphedGradientOfOneWeightTest, GradientsArriveWithTheSameStridesAndAlignment) {
  const FakeGraphs graphs;
  const at::Tensor weight = at::ones({1}).requires_grad_();
  std::vector<std::pair<std::vector<int64_t>, uintptr_t>> arrived;
  GraphedGradient function(
      [&](const auto& inputs) -> std::vector<at::Tensor> {
        at::Tensor result = inputs.front() * weight;
        result.register_hook([&](const at::Tensor& gradient) {
          arrived.emplace_back(gradient.strides().vec(),
                               reinterpret_cast<uintptr_t>(gradient.data_ptr()) % 64);
        });
        return {result};
      },
      {weight}, {1});
  for (int i = 0; i < 3; ++i) {
    const at::Tensor result = function.Run({at::ones({4, 5})})[0];
    // The gradient of the transposed result begins after three elements.
    const at::Tensor row = at::cat({at::zeros({3}), result.t().flatten()});
    row.square().sum().backward();
  }
  ASSERT_GE(arrived.size(), 3u);
  EXPECT_EQ(arrived.front().first, std::vector<int64_t>({1, 4}));
  EXPECT_EQ(arrived.front().second, 3 * sizeof(float));
  EXPECT_THAT(arrived, ::testing::Each(arrived.front()));
  EXPECT_EQ(graphs.replayed(), 2 * 2);
}

// The gradient of a sum is one number for all elements.
TEST(GraphedGradientOfOneWeightTest, AGradientThatRepeatsItsElementsIsNotRecorded) {
  const FakeGraphs graphs;
  const at::Tensor weight = at::ones({1}).requires_grad_();
  GraphedGradient function(
      [&](const auto& inputs) -> std::vector<at::Tensor> { return {inputs.front() * weight}; },
      {weight}, {1});
  ::testing::internal::CaptureStderr();
  for (int i = 0; i < 3; ++i) function.Run({at::ones({4})})[0].sum().backward();
  EXPECT_THAT(::testing::internal::GetCapturedStderr(),
              HasSubstr("repeats its elements along dimension 0"));
  EXPECT_EQ(weight.grad().item<float>(), 3 * 4);
  EXPECT_EQ(graphs.recorded(), 0);
}

}  // namespace
}  // namespace rcnn
