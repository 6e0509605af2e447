#include "rcnn/training/trainer/weight_average.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/status_matchers.h"

namespace rcnn::training {
namespace {

using detection::weights::StateDict;
using ::testing::HasSubstr;

struct Weight {
  at::Tensor value = at::full({2}, 1.0f).requires_grad_();
  std::vector<TrainedParameter> parameters() const { return {{"w", value}}; }
  void Set(float number) {
    at::NoGradGuard no_grad;
    value.fill_(number);
  }
};

float AveragedValue(const WeightAverage& average, const Weight& weight) {
  const WeightAverage::Swap swap(average);
  EXPECT_EQ(weight.value[0].item<float>(), weight.value[1].item<float>());
  return weight.value[0].item<float>();
}

// From 1: decays 2/11, 3/12, 4/13, ... until they reach 1/3 at the fourth (5/14 > 1/3).
TEST(WeightAverageTest, IsTheClosedFormOfItsUpdates) {
  Weight weight;
  WeightAverage average(weight.parameters(), 1.0 / 3);
  EXPECT_EQ(AveragedValue(average, weight), 1);
  double expected = 1;
  const std::vector<double> decays = {2.0 / 11, 3.0 / 12, 4.0 / 13, 1.0 / 3, 1.0 / 3};
  for (size_t n = 0; n < decays.size(); ++n) {
    const float present = 3.0f - 2.0f * static_cast<float>(n * n);
    weight.Set(present);
    average.Update();
    expected = decays[n] * expected + (1 - decays[n]) * present;
    EXPECT_NEAR(AveragedValue(average, weight), expected, 1e-5) << n;
    EXPECT_EQ(weight.value[0].item<float>(), present) << "the weights come back";
  }
}

TEST(WeightAverageTest, WithoutDecayItIsTheWeightsThemselves) {
  Weight weight;
  WeightAverage average(weight.parameters(), 0);
  weight.Set(5);
  average.Update();
  EXPECT_EQ(AveragedValue(average, weight), 5);
  StateDict state;
  average.Save(state);
  EXPECT_TRUE(state.empty());
  EXPECT_THAT(average.Restore(state), IsOk());
}

// A constant, such as the statistics of a frozen norm, does not drift.
TEST(WeightAverageTest, AverageOfAConstantIsExact) {
  const at::Tensor value = at::randn({100});
  const at::Tensor before = value.clone();
  WeightAverage average({{"norm.running_mean", value}}, 0.998);
  for (int i = 0; i < 50; ++i) average.Update();
  const WeightAverage::Swap swap(average);
  EXPECT_TRUE(at::equal(value, before));
}

TEST(WeightAverageTest, RestoredAverageContinuesExactly) {
  Weight undisturbed, resumed;
  WeightAverage whole(undisturbed.parameters(), 0.9);
  StateDict state;
  for (int i = 1; i <= 6; ++i) {
    undisturbed.Set(static_cast<float>(i) / 3);
    whole.Update();
    if (i != 3) continue;
    StateDict shared;
    whole.Save(shared);
    for (const StateDict::Entry& entry : shared) state.Add(entry.name, entry.tensor.clone());
  }
  WeightAverage second(resumed.parameters(), 0.9);
  ASSERT_THAT(second.Restore(state), IsOk());
  for (int i = 4; i <= 6; ++i) {
    resumed.Set(static_cast<float>(i) / 3);
    second.Update();
  }
  EXPECT_EQ(AveragedValue(second, resumed), AveragedValue(whole, undisturbed));
}

TEST(WeightAverageTest, NamesTensorsMissingFromASavedState) {
  Weight weight;
  WeightAverage average(weight.parameters(), 0.9);
  EXPECT_THAT(average.Restore({}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("average.w is missing")));
  StateDict other;
  other.Add("average.w", at::zeros({3}));
  EXPECT_THAT(average.Restore(other), StatusIs(absl::StatusCode::kInvalidArgument,
                                               HasSubstr("average.w has another shape")));
  StateDict half;
  half.Add("average.w", at::zeros({2}));
  EXPECT_THAT(average.Restore(half), StatusIs(absl::StatusCode::kInvalidArgument,
                                              HasSubstr("average_updates is missing")));
}

}  // namespace
}  // namespace rcnn::training
