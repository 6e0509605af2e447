#include "rcnn/training/trainer/gradient_buckets.h"

#include <ATen/ATen.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/training/testing/device_libraries.h"
#include "rcnn/training/testing/run_ranks.h"

namespace rcnn::training {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

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

at::Tensor ExpectedSum(size_t parameter, int ranks) {
  at::Tensor sum = Gradient(parameter, 0);
  for (int rank = 1; rank < ranks; ++rank) sum = sum + Gradient(parameter, rank);
  return sum;
}

// Has the gradients that are expected of the rank.
at::Tensor Loss(const std::vector<TrainedParameter>& parameters, int rank) {
  return (parameters[0].value * Gradient(0, rank)).sum() +
         (parameters[1].value * Gradient(1, rank)).sum();
}

// Several updates, with and without an overlap; the last has two backward passes.
TEST(GradientBucketsTest, AddsInTheOrderOfTheRanksWhateverTheBuckets) {
  for (const int ranks : {2, 4}) {
    for (const BucketBytes& bytes : {BucketBytes{1, 1}, BucketBytes{20, 200}, BucketBytes{}}) {
      SCOPED_TRACE(bytes.first);
      const auto work = [&](const std::shared_ptr<RankGroup>& group) -> absl::Status {
        const std::vector<TrainedParameter> parameters = Parameters();
        GradientBuckets buckets(group, parameters, bytes);
        for (const auto& [starts, passes] :
             {std::pair(false, 1), std::pair(true, 1), std::pair(true, 2)}) {
          for (int pass = 0; pass < passes; ++pass) {
            if (starts && pass == passes - 1) buckets.Start();
            Loss(parameters, group->rank()).backward();
          }
          const absl::Status status = buckets.Finish();
          if (!status.ok()) return status;
          EXPECT_EQ(WhichHaveGradients(parameters), "110");
          EXPECT_THAT(buckets.Store("110"), IsOk());
          for (const size_t p : {size_t{0}, size_t{1}}) {
            at::Tensor value = parameters[p].value;
            if (passes == 1) {
              EXPECT_TRUE(at::equal(value.grad(), ExpectedSum(p, ranks))) << p;
            }
            EXPECT_TRUE(at::allclose(value.grad(), ExpectedSum(p, ranks) * passes)) << p;
            value.mutable_grad().reset();
          }
          EXPECT_FALSE(parameters[2].value.grad().defined());
        }
        return absl::OkStatus();
      };
      EXPECT_THAT(RunRanks(ranks, work), Each(IsOk()));
    }
  }
}

// As of a rank that has no image of the batch, or an error. It does not start, the other does.
TEST(GradientBucketsTest, AMissingGradientIsZero) {
  const auto work = [](const std::shared_ptr<RankGroup>& group) {
    const std::vector<TrainedParameter> parameters = Parameters();
    GradientBuckets buckets(group, parameters, {1, 1});
    if (group->rank() == 1) {
      buckets.Start();
      (parameters[1].value * Gradient(1, 1)).sum().backward();
    }
    const absl::Status status = buckets.Finish();
    EXPECT_EQ(WhichHaveGradients(parameters), group->rank() == 1 ? "010" : "000");
    EXPECT_THAT(buckets.Store("010"), IsOk());
    EXPECT_TRUE(at::equal(parameters[1].value.grad(), Gradient(1, 1)));
    EXPECT_FALSE(parameters[0].value.grad().defined());
    return status;
  };
  EXPECT_THAT(RunRanks(2, work), Each(IsOk()));
}

// The backward pass waits, between its two gradients, until the first has been added up.
TEST(GradientBucketsTest, SumsWhileTheBackwardPassRuns) {
  const auto work = [](const std::shared_ptr<RankGroup>& group) {
    std::vector<TrainedParameter> parameters = {{"first", at::ones({3})}, {"last", at::ones({3})}};
    for (TrainedParameter& parameter : parameters) parameter.value.requires_grad_();
    GradientBuckets buckets(group, parameters, {1, 1});
    const at::Tensor hidden = parameters[0].value * 2;
    int64_t summed = 0;
    hidden.register_hook([&](const at::Tensor& gradient) {
      for (int i = 0; i < 1000 && buckets.summed() == 0; ++i)
        absl::SleepFor(absl::Milliseconds(10));
      summed = buckets.summed();
      return gradient;
    });
    buckets.Start();
    (hidden * parameters[1].value).sum().backward();
    EXPECT_EQ(summed, 1);
    const absl::Status status = buckets.Finish();
    for (const TrainedParameter& parameter : parameters) {
      EXPECT_TRUE(at::equal(parameter.value.grad(), at::full({3}, 4.0f))) << parameter.name;
    }
    return status;
  };
  EXPECT_THAT(RunRanks(2, work), Each(IsOk()));
}

// "shift" gets the gradient of the sum as it is, and its sum over the ranks must not change what
// the backward pass then reads for "first".
TEST(GradientBucketsTest, LeavesTheMemoryOfTheBackwardPassAlone) {
  const auto work = [](const std::shared_ptr<RankGroup>& group) {
    std::vector<TrainedParameter> parameters = {{"first", at::ones({3})}, {"shift", at::ones({3})}};
    for (TrainedParameter& parameter : parameters) parameter.value.requires_grad_();
    GradientBuckets buckets(group, parameters, {1, 1});
    const at::Tensor hidden = parameters[0].value * 2;
    hidden.register_hook([&](const at::Tensor& gradient) {
      for (int i = 0; i < 1000 && buckets.summed() == 0; ++i)
        absl::SleepFor(absl::Milliseconds(10));
      return gradient;
    });
    const at::Tensor weights = at::full({1, 3}, 5.0f);
    buckets.Start();
    ((hidden.view({1, 3}) + parameters[1].value.view({1, 3})) * weights).sum().backward();
    const absl::Status status = buckets.Finish();
    EXPECT_TRUE(at::equal(parameters[0].value.grad(), at::full({3}, 20.0f)));
    EXPECT_TRUE(at::equal(parameters[1].value.grad(), at::full({3}, 10.0f)));
    return status;
  };
  EXPECT_THAT(RunRanks(2, work), Each(IsOk()));
}

const c10::Device kCpu(c10::DeviceType::CPU);

// The CPU takes the place of a GPU, whose sums Gloo makes. They go on until Store: in between the
// ranks exchange messages. The second update has a gradient that rank 0 lacks.
TEST(GradientBucketsTest, OnADeviceSumsBeginAndStoreWaitsForThem) {
  const ScopedDeviceLibrary library(CpuDeviceLibrary());
  for (const BucketBytes& bytes : {BucketBytes{1, 1}, BucketBytes{}}) {
    SCOPED_TRACE(bytes.first);
    const auto work = [&](const std::shared_ptr<RankGroup>& group) -> absl::Status {
      RCNN_RETURN_IF_ERROR(group->ConnectDevice(kCpu));
      const std::vector<TrainedParameter> parameters = Parameters();
      GradientBuckets buckets(group, parameters, bytes);
      for (const bool is_complete : {true, false}) {
        buckets.Start();
        if (is_complete || group->rank() > 0) Loss(parameters, group->rank()).backward();
        RCNN_RETURN_IF_ERROR(buckets.Finish());
        RCNN_RETURN_IF_ERROR(group->AllGather("ready").status());
        RCNN_RETURN_IF_ERROR(buckets.Store("110"));
        for (const size_t p : {size_t{0}, size_t{1}}) {
          at::Tensor value = parameters[p].value;
          const at::Tensor expected =
              is_complete ? ExpectedSum(p, 3) : Gradient(p, 1) + Gradient(p, 2);
          EXPECT_TRUE(at::allclose(value.grad(), expected)) << p;
          EXPECT_EQ(value.grad().sizes(), value.sizes());
          value.mutable_grad().reset();
        }
        EXPECT_FALSE(parameters[2].value.grad().defined());
      }
      return absl::OkStatus();
    };
    EXPECT_THAT(RunRanks(3, work), Each(IsOk()));
  }
}

// As where a rank has an error: the others give up the update too, and make another one.
TEST(GradientBucketsTest, OnADeviceAnUpdateCanBeGivenUp) {
  const ScopedDeviceLibrary library(CpuDeviceLibrary());
  const auto work = [](const std::shared_ptr<RankGroup>& group) -> absl::Status {
    RCNN_RETURN_IF_ERROR(group->ConnectDevice(kCpu));
    const std::vector<TrainedParameter> parameters = Parameters();
    GradientBuckets buckets(group, parameters, {1, 1});
    Loss(parameters, group->rank()).mul(100).backward();
    RCNN_RETURN_IF_ERROR(buckets.Finish());
    for (const TrainedParameter& parameter : parameters) {
      at::Tensor value = parameter.value;
      value.mutable_grad().reset();
    }
    Loss(parameters, group->rank()).backward();
    RCNN_RETURN_IF_ERROR(buckets.Finish());
    RCNN_RETURN_IF_ERROR(buckets.Store("110"));
    for (const size_t p : {size_t{0}, size_t{1}}) {
      EXPECT_TRUE(at::allclose(parameters[p].value.grad(), ExpectedSum(p, 2))) << p;
    }
    return absl::OkStatus();
  };
  EXPECT_THAT(RunRanks(2, work), Each(IsOk()));
}

TEST(GradientBucketsTest, OnADeviceASumThatDoesNotEndIsAnError) {
  const ScopedDeviceLibrary library(StuckDeviceLibrary());
  const auto work = [](const std::shared_ptr<RankGroup>& group) -> absl::Status {
    RCNN_RETURN_IF_ERROR(group->ConnectDevice(kCpu));
    const std::vector<TrainedParameter> parameters = Parameters();
    GradientBuckets buckets(group, parameters);
    RCNN_RETURN_IF_ERROR(buckets.Finish());
    if (group->rank() == 1) return absl::DataLossError("torn");
    return buckets.Store("000");
  };
  EXPECT_THAT(RunRanks(2, work), ElementsAre(StatusIs(absl::StatusCode::kDataLoss, "rank 1: torn"),
                                             StatusIs(absl::StatusCode::kDataLoss, "torn")));
}

// The group adds up float32 alone, and throws.
TEST(GradientBucketsTest, AnExceptionOfTheSumIsAnError) {
  const auto work = [](const std::shared_ptr<RankGroup>& group) {
    std::vector<TrainedParameter> parameters = {{"double", at::ones({3}, at::kDouble)}};
    parameters[0].value.requires_grad_();
    return GradientBuckets(group, parameters).Finish();
  };
  EXPECT_THAT(RunRanks(2, work), Each(StatusIs(absl::StatusCode::kInternal, HasSubstr("Float"))));
}

TEST(GradientBucketsTest, TheErrorOfAnotherRankEndsTheSum) {
  const auto work = [](const std::shared_ptr<RankGroup>& group) -> absl::Status {
    if (group->rank() == 1) return absl::DataLossError("torn");
    const std::vector<TrainedParameter> parameters = Parameters();
    return GradientBuckets(group, parameters).Finish();
  };
  EXPECT_THAT(RunRanks(2, work), ElementsAre(StatusIs(absl::StatusCode::kDataLoss, "rank 1: torn"),
                                             StatusIs(absl::StatusCode::kDataLoss, "torn")));
}

}  // namespace
}  // namespace rcnn::training
