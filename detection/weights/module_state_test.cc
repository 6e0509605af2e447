#include "rcnn/detection/weights/module_state.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/nn/module.h>

namespace rcnn::detection::weights {
namespace {

// Replacements for torch's own layers, whose headers take minutes to compile.
struct Norm : torch::nn::Module {
  Norm() {
    register_buffer("running_mean", at::zeros({4}));
    register_parameter("weight", at::ones({4}));
    register_parameter("bias", at::Tensor(), /*requires_grad=*/false);
  }
};

struct Net : torch::nn::Module {
  Net() {
    register_module("bn1", std::make_shared<Norm>());
    register_buffer("mean", at::zeros({3}));
    register_buffer("_unsaved", at::zeros({3}));
    scale = register_parameter("scale", at::ones({1}));
  }
  at::Tensor scale;
};

TEST(ModuleStateTest, ListsLikeAPyTorchStateDict) {
  const Net net;
  std::vector<std::string> names;
  for (const auto& entry : ModuleState(net, "backbone.")) names.push_back(entry.name);
  EXPECT_THAT(names, ::testing::ElementsAre("backbone.scale", "backbone.mean",
                                            "backbone.bn1.weight", "backbone.bn1.running_mean"));
}

TEST(ModuleStateTest, SharesMemory) {
  const Net net;
  const StateDict state = ModuleState(net);
  {
    const at::NoGradGuard no_grad;
    at::Tensor scale = *state.Find("scale");
    scale.fill_(3.0);
  }
  EXPECT_EQ(net.scale.item<float>(), 3.0f);
}

TEST(IsSavedBufferTest, AnUnderscoreBeforeTheLastWordMeansNotSaved) {
  for (const char* name : {"bn1.running_mean", "mean", "_part.mean", "my_mean"}) {
    EXPECT_TRUE(IsSavedBuffer(name)) << name;
  }
  for (const char* name : {"rpn.box_normalization._mean", "_std"}) {
    EXPECT_FALSE(IsSavedBuffer(name)) << name;
  }
}

}  // namespace
}  // namespace rcnn::detection::weights
