#include "rcnn/detection/layers.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/autocast_scope.h"
#include "rcnn/base/testing/instruction_levels.h"
#include "rcnn/detection/testing/normed_conv.h"
#include "rcnn/detection/testing/slow_layers.h"

namespace rcnn::detection {
namespace {

using ::testing::ElementsAre;

TEST(AutocastTest, RoundsExceptWhereFloat32IsKept) {
  RCNN_SKIP_WITHOUT_CPU_AUTOCAST();
  const auto owner = std::make_shared<torch::nn::Module>();
  const auto conv = AddConv(*owner, "conv", ConvShape(4, 6)),
             scores = AddConv(*owner, "s", ConvShape(6, 5, 1));
  const auto fc = AddLinear(*owner, "fc", 30, 7, {}), last = AddLinear(*owner, "last", 7, 3, {});
  scores->KeepFloat32();
  last->KeepFloat32();
  FillAtRandom(*owner, 1, 5);
  const at::Tensor x = at::randn({2, 4, 6, 5}, SeededGenerator());
  const AutocastScope scope(c10::DeviceType::CPU, at::kBFloat16);
  const at::Tensor map = conv->Forward(x);
  EXPECT_EQ(map.scalar_type(), at::kBFloat16);
  EXPECT_EQ(scores->Forward(map).scalar_type(), at::kFloat);
  const at::Tensor features = fc->Forward(map.flatten(0, 1).flatten(1));
  EXPECT_EQ(features.scalar_type(), at::kBFloat16);
  const at::Tensor deltas = last->Forward(features);
  EXPECT_EQ(deltas.scalar_type(), at::kFloat);
  deltas.sum().backward();
  EXPECT_EQ(last->weight().grad().scalar_type(), at::kFloat);
  EXPECT_TRUE(conv->weight().grad().defined());
}

TEST(AddConvTest, RegistersPytorchNames) {
  torch::nn::Module module;
  AddConv(module, "conv1", ConvShape(3, 4), "bn1", MakeNormOptions(NormOptions::kBatchNorm));
  AddConv(module, "conv2", ConvShape(4, 4), "bn2", MakeNormOptions(NormOptions::kFrozenBatchNorm));
  AddConv(module, "conv3", ConvShape(4, 4), "bn3", {});
  std::vector<std::string> parameters, buffers;
  for (const auto& item : module.named_parameters()) {
    if (item.value().defined()) parameters.push_back(item.key());
  }
  for (const auto& item : module.named_buffers()) buffers.push_back(item.key());
  EXPECT_THAT(parameters, ElementsAre("conv1.weight", "bn1.weight", "bn1.bias", "conv2.weight",
                                      "conv3.weight", "conv3.bias"));
  EXPECT_THAT(buffers,
              ElementsAre("bn1.running_mean", "bn1.running_var", "bn1.num_batches_tracked",
                          "bn2.weight", "bn2.bias", "bn2.running_mean", "bn2.running_var"));
}

// Of 20,000 and more numbers: mean within five deviations of a mean, variance within 5 %.
void ExpectMoments(const at::Tensor& values, double variance) {
  const double count = static_cast<double>(values.numel());
  ASSERT_GE(count, 20000);
  EXPECT_LE(std::abs(values.mean().item<double>()), 5 * std::sqrt(variance / count));
  EXPECT_NEAR(values.var(/*unbiased=*/false).item<double>(), variance, 0.05 * variance);
}

TEST(ResetParametersTest, DrawsTheDocumentedVariances) {
  const auto owner = std::make_shared<torch::nn::Module>();
  torch::nn::Module& module = *owner;
  ConvOptions options = ConvShape(64, 40);
  const auto relu = AddConv(module, "relu", options);
  options.init.kind = Init::kNormal;
  options.init.stddev = 0.03;
  const auto normal = AddConv(module, "normal", options);
  Init init;
  init.kind = Init::kUniformFanIn;
  const auto linear = AddLinear(module, "linear", 300, 100, init);
  options.init = init;
  const auto uniform = AddConv(module, "uniform", options);
  FillAtRandom(module, 1, 4);
  ResetParameters(module, SeededGenerator());
  at::NoGradGuard no_grad;
  ExpectMoments(relu->weight(), 2.0 / (40 * 9));
  ExpectMoments(normal->weight(), 0.03 * 0.03);
  ExpectMoments(linear->weight(), 1.0 / 300);
  ExpectMoments(uniform->weight(), 1.0 / (64 * 9));
  EXPECT_LE(linear->weight().abs().max().item<double>(), std::sqrt(3.0 / 300) * (1 + 1e-6));
  for (const at::Tensor& bias : {relu->bias(), normal->bias(), linear->bias(), uniform->bias()}) {
    EXPECT_TRUE(bias.eq(0).all().item<bool>());
  }
}

TEST(ResetParametersTest, KeepsNormsAndOtherGenerators) {
  NormedConv layer(ConvShape(3, 4), MakeNormOptions(NormOptions::kBatchNorm)),
      same(ConvShape(3, 4), MakeNormOptions(NormOptions::kBatchNorm));
  const at::Tensor norm = FindTensor(layer.module, "norm.weight").detach().clone();
  ResetParameters(layer.module, SeededGenerator(1));
  ResetParameters(same.module, SeededGenerator(1));
  EXPECT_TRUE(layer.conv->weight().equal(same.conv->weight()));
  EXPECT_TRUE(FindTensor(layer.module, "norm.weight").equal(norm));
  ResetParameters(same.module, SeededGenerator(2));
  EXPECT_FALSE(layer.conv->weight().equal(same.conv->weight()));
}

}  // namespace
}  // namespace rcnn::detection
