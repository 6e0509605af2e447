#include "rcnn/ops/weight_update.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "rcnn/ops/error_message.h"

namespace rcnn::ops {
namespace {

using ::testing::HasSubstr;

WeightUpdateOptions Sgd() {
  WeightUpdateOptions options;
  options.rule.momentum = 0.5;
  return options;
}

UpdatedTensors Row(at::IntArrayRef sizes, float weight, float gradient, float first) {
  UpdatedTensors row;
  row.weight = at::full(sizes, weight);
  row.gradient = at::full(sizes, gradient);
  row.first = at::full(sizes, first);
  row.rate = 0.25;
  row.decay = 0.5;
  return row;
}

// v = m v + (g + decay w) = 8 + 4 + 1 = 13 and w = 2 - 13 / 4, for g = 8 / 2, m = decay = 1/2,
// v = 16. The norm is that of four gradients of 4, and of one of 6.
TEST(UpdateWeightsTest, UpdatesEachWeight) {
  const std::vector<UpdatedTensors> weights = {Row({2, 2}, 2, 8, 16), Row({1}, 0, 12, 0)};
  WeightUpdateOptions options = Sgd();
  options.batches = 2;
  const WeightUpdateResult result = UpdateWeights(weights, options);
  EXPECT_TRUE(weights[0].first.equal(at::full({2, 2}, 13.0f)));
  EXPECT_TRUE(weights[0].weight.equal(at::full({2, 2}, 2 - 13.0f / 4)));
  EXPECT_EQ(weights[1].weight.item<float>(), -1.5f);
  EXPECT_EQ(result.norm.item<double>(), 10);
  EXPECT_TRUE(result.finite.item<bool>());
}

// The first step of AdamW is the rate, whatever the gradient.
TEST(UpdateWeightsTest, CountsTheUpdatesOfAdamW) {
  UpdatedTensors row = Row({3}, 1, 7, 0);
  row.second = at::zeros({3});
  row.updates = at::zeros({}, at::kLong);
  row.decay = 0;
  WeightUpdateOptions options;
  options.rule = {true, 0, false, 0.9, 0.999, 1e-8};
  UpdateWeights({row}, options);
  EXPECT_TRUE(at::allclose(row.weight, at::full({3}, 0.75f), 0, 1e-6));
  EXPECT_EQ(row.updates.item<int64_t>(), 1);
}

TEST(UpdateWeightsTest, TakesWeightsThatRequireAGradient) {
  UpdatedTensors row = Row({4}, 1, 1, 0);
  row.weight.requires_grad_();
  UpdateWeights({row}, Sgd());
  EXPECT_FALSE(row.weight.detach().equal(at::ones({4})));
}

TEST(UpdateWeightsTest, ObeysTheFlag) {
  const UpdatedTensors row = Row({4}, 1, 1, 0);
  WeightUpdateOptions options = Sgd();
  options.allowed = at::full({}, false, at::kBool);
  EXPECT_TRUE(UpdateWeights({row}, options).finite.item<bool>());
  EXPECT_TRUE(row.weight.equal(at::ones({4})));
}

TEST(UpdateWeightsTest, NamesTheWrongArgument) {
  UpdatedTensors row = Row({4, 3}, 1, 1, 0);
  row.gradient = at::ones({3, 4}).t();
  EXPECT_THAT(ErrorMessage([&] {
                UpdateWeights({Row({2}, 1, 1, 0), row}, Sgd());
              }),
              HasSubstr("gradients: row 1"));
  row = Row({4}, 1, 1, 0);
  row.first = at::ones({4}, at::kDouble);
  EXPECT_THAT(ErrorMessage([&] { UpdateWeights({row}, Sgd()); }), HasSubstr("first: row 0"));
  row = Row({4}, 1, 1, 0);
  WeightUpdateOptions options = Sgd();
  options.allowed = at::ones({});
  EXPECT_THAT(ErrorMessage([&] { UpdateWeights({row}, options); }), HasSubstr("allowed"));
  options = Sgd();
  options.batches = 0;
  EXPECT_THAT(ErrorMessage([&] { UpdateWeights({row}, options); }), HasSubstr("batches"));
}

TEST(CanUpdateWeightsTest, OnlyWhereThereIsAKernel) {
  EXPECT_TRUE(CanUpdateWeights(c10::DeviceType::CPU));
  EXPECT_FALSE(CanUpdateWeights(c10::DeviceType::CUDA));  // //ops/cuda:weight_update is not linked
  EXPECT_FALSE(CanUpdateWeights(c10::DeviceType::Meta));
}

}  // namespace
}  // namespace rcnn::ops
