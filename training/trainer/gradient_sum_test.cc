#include "rcnn/training/trainer/gradient_sum.h"

#include <ATen/ATen.h>

#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/training/testing/run_ranks.h"

namespace rcnn::training {
namespace {

using ::testing::Each;

// A convolution in channels-last order, a bias, and one that no rank has a gradient of.
std::vector<TrainedParameter> Parameters() {
  std::vector<TrainedParameter> parameters = {
      {"conv.weight", at::zeros({4, 3, 2, 2}).contiguous(at::MemoryFormat::ChannelsLast)},
      {"conv.bias", at::zeros({4})},
      {"unused", at::zeros({5})}};
  for (TrainedParameter& parameter : parameters) parameter.value.requires_grad_();
  return parameters;
}

at::Tensor Gradient(size_t parameter, int rank) {
  const at::Tensor value = Parameters()[parameter].value;
  return at::arange(value.numel(), at::kFloat).view(value.sizes()) * (0.1f + 10.0f * rank) +
         static_cast<float>(parameter);
}

TEST(GradientSumTest, AddsInTheOrderOfTheRanksWhateverTheBuckets) {
  for (const int ranks : {2, 4}) {
    for (const int64_t bucket : {int64_t{1}, int64_t{200}, kBucketBytes}) {
      SCOPED_TRACE(bucket);
      const auto work = [&](const std::shared_ptr<RankGroup>& group) {
        const std::vector<TrainedParameter> parameters = Parameters();
        for (const size_t p : {size_t{0}, size_t{1}}) {
          parameters[p].value.mutable_grad() = Gradient(p, group->rank());
        }
        EXPECT_EQ(WhichHaveGradients(parameters), "110");
        const absl::Status status = SumGradients(*group, parameters, "110", bucket);
        for (const size_t p : {size_t{0}, size_t{1}}) {
          at::Tensor expected = Gradient(p, 0);
          for (int rank = 1; rank < ranks; ++rank) expected = expected + Gradient(p, rank);
          EXPECT_TRUE(at::equal(parameters[p].value.grad(), expected)) << p;
        }
        EXPECT_FALSE(parameters[2].value.grad().defined());
        return status;
      };
      EXPECT_THAT(RunRanks(ranks, work), Each(IsOk()));
    }
  }
}

// As of a rank that has no image of the batch.
TEST(GradientSumTest, AMissingGradientIsZero) {
  const auto work = [](const std::shared_ptr<RankGroup>& group) {
    const std::vector<TrainedParameter> parameters = Parameters();
    if (group->rank() == 1) parameters[1].value.mutable_grad() = Gradient(1, 1);
    const absl::Status status = SumGradients(*group, parameters, "010");
    EXPECT_TRUE(at::equal(parameters[1].value.grad(), Gradient(1, 1)));
    EXPECT_FALSE(parameters[0].value.grad().defined());
    return status;
  };
  EXPECT_THAT(RunRanks(2, work), Each(IsOk()));
}

}  // namespace
}  // namespace rcnn::training
