#include "rcnn/detection/weights/module_state.h"

#include <ATen/core/grad_mode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/conv.h>

namespace rcnn::detection::weights {
namespace {

struct Net : torch::nn::Module {
  Net() {
    bn1 = register_module("bn1", torch::nn::BatchNorm2d(4));
    scale = register_parameter("scale", at::ones({1}));
    mean = register_buffer("mean", at::zeros({3}));
    conv1 = register_module(
        "conv1", torch::nn::Conv2d(torch::nn::Conv2dOptions(3, 4, /*kernel_size=*/1).bias(false)));
  }
  torch::nn::BatchNorm2d bn1{nullptr};
  torch::nn::Conv2d conv1{nullptr};
  at::Tensor scale, mean;
};

TEST(ModuleStateTest, ListsAsAPyTorchStateDictDoes) {
  const Net net;
  std::vector<std::string> names;
  for (const auto& entry : ModuleState(net, "backbone.")) names.push_back(entry.name);
  EXPECT_THAT(names,
              ::testing::ElementsAre("backbone.scale", "backbone.mean", "backbone.bn1.weight",
                                     "backbone.bn1.bias", "backbone.bn1.running_mean",
                                     "backbone.bn1.running_var", "backbone.bn1.num_batches_tracked",
                                     "backbone.conv1.weight"));
}

TEST(ModuleStateTest, SharesMemory) {
  Net net;
  const StateDict state = ModuleState(net);
  {
    const at::NoGradGuard no_grad;
    at::Tensor weight = *state.Find("conv1.weight");
    weight.fill_(3.0);
  }
  EXPECT_EQ(net.conv1->weight.min().item<float>(), 3.0f);
  EXPECT_EQ(net.conv1->weight.max().item<float>(), 3.0f);
}

}  // namespace
}  // namespace rcnn::detection::weights
