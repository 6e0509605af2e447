#include "rcnn/detection/module_parts.h"

#include <ATen/ATen.h>

#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/detection/layers.h"
#include "rcnn/detection/testing/slow_layers.h"

namespace rcnn::detection {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

ConvOptions Square() {
  ConvOptions options;
  options.in_channels = options.out_channels = 2;
  return options;
}

// first: a convolution with a batch norm; second: a block with another convolution.
struct Network {
  Network() {
    NormOptions norm;
    norm.kind = NormOptions::kBatchNorm;
    conv = AddConv(*module, "conv", Square(), "norm", norm);
    auto block = module->register_module("block", std::make_shared<torch::nn::Module>());
    inner = AddConv(*block, "inner", Square());
    FillAtRandom(*module, 0.5, 3);
  }

  at::Tensor Forward() const {
    const at::Tensor x = at::ones({1, 2, 4, 4});
    return inner->Forward(conv->Forward(x));
  }

  std::shared_ptr<torch::nn::Module> module = std::make_shared<torch::nn::Module>();
  std::shared_ptr<Conv> conv, inner;
};

std::vector<std::string> Names(const torch::nn::Module& model) {
  std::vector<std::string> names;
  for (const auto& [name, tensor] : TrainableParameters(model)) names.push_back(name);
  return names;
}

TEST(FindPartTest, FollowsThePath) {
  const Network network;
  EXPECT_EQ(FindPart(*network.module, ""), network.module.get());
  EXPECT_EQ(FindPart(*network.module, "conv"), network.conv.get());
  EXPECT_EQ(FindPart(*network.module, "block.inner"), network.inner.get());
  for (const char* name : {"inner", "block.", "block.inner.weight", "con", "."}) {
    EXPECT_EQ(FindPart(*network.module, name), nullptr) << name;
  }
}

TEST(FreezeTest, DropsGradientsAndComputesNone) {
  const Network network;
  network.Forward().sum().backward();
  EXPECT_TRUE(network.conv->weight().grad().defined());
  Freeze(*FindPart(*network.module, "conv"));
  EXPECT_FALSE(network.conv->weight().grad().defined());
  EXPECT_TRUE(IsFrozen(*network.conv));
  EXPECT_FALSE(IsFrozen(*network.module));
  network.inner->zero_grad();
  network.Forward().sum().backward();
  EXPECT_FALSE(network.conv->weight().grad().defined());
  EXPECT_TRUE(network.inner->weight().grad().defined());
  EXPECT_TRUE(FindTensor(*network.module, "norm.weight").grad().defined());
}

TEST(FreezeTest, FrozenFromTheStartKeepsNoGraph) {
  const Network network;
  Freeze(*network.module);
  EXPECT_TRUE(IsFrozen(*network.module));
  EXPECT_FALSE(network.Forward().requires_grad());
  Unfreeze(*FindPart(*network.module, "block"));
  EXPECT_TRUE(network.Forward().requires_grad());
  EXPECT_THAT(Names(*network.module), ElementsAre("block.inner.weight", "block.inner.bias"));
}

TEST(FreezeTest, AFrozenBatchNormKeepsItsStatisticsInTraining) {
  const Network network;
  const at::Tensor mean = FindTensor(*network.module, "norm.running_mean").clone();
  Freeze(*FindPart(*network.module, "norm"));
  network.Forward();
  EXPECT_TRUE(FindTensor(*network.module, "norm.running_mean").equal(mean));
  Unfreeze(*FindPart(*network.module, "norm"));
  network.Forward();
  EXPECT_FALSE(FindTensor(*network.module, "norm.running_mean").equal(mean));
}

TEST(TrainableParametersTest, AreInOrderOfRegistration) {
  const Network network;
  EXPECT_THAT(Names(*network.module), ElementsAre("conv.weight", "norm.weight", "norm.bias",
                                                  "block.inner.weight", "block.inner.bias"));
  Freeze(*network.conv);
  EXPECT_EQ(Names(*network.module).front(), "norm.weight");
  Freeze(*network.module);
  EXPECT_THAT(Names(*network.module), IsEmpty());
  // The tensors are the model's own.
  Unfreeze(*network.inner);
  EXPECT_TRUE(TrainableParameters(*network.module).front().second.is_same(network.inner->weight()));
}

TEST(IsFrozenTest, ModuleWithoutParametersIsFrozen) { EXPECT_TRUE(IsFrozen(torch::nn::Module())); }

}  // namespace
}  // namespace rcnn::detection
