#include "rcnn/tools/layer_times.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/instruction_set.h"
#include "rcnn/detection/convolution/precision.h"
#include "rcnn/detection/layer_calls.h"
#include "rcnn/detection/layers.h"

namespace rcnn::tools {
namespace {

using detection::AddConv;
using detection::AddLinear;
using detection::Conv;
using detection::ConvOptions;
using detection::LayerCalls;
using detection::Precision;
using detection::PrepareForInference;
using ::testing::ElementsAre;

// 16 -> 16 -> 16 channels with kernels of 3 and 1, and 16 -> 5. The scores, 16 -> 3 and 16 -> 2,
// stay in float32.
struct Network {
  explicit Network(Precision precision = Precision::kFloat32) {
    ConvOptions options;
    options.in_channels = options.out_channels = 16;
    three = AddConv(*module, "three", options);
    again = AddConv(*module, "again", options);
    options.kernel = 1;
    options.padding = 0;
    one = AddConv(*module, "one", options);
    options.out_channels = 3;
    scores = AddConv(*module, "scores", options);
    scores->KeepFloat32();
    linear = AddLinear(*module, "linear", 16, 5, {});
    linear_scores = AddLinear(*module, "linear_scores", 16, 2, {});
    linear_scores->KeepFloat32();
    module->eval();
    PrepareForInference(*module, {.precision = precision});
  }

  std::shared_ptr<torch::nn::Module> module = std::make_shared<torch::nn::Module>();
  std::shared_ptr<Conv> three, again, one, scores;
  std::shared_ptr<detection::Linear> linear, linear_scores;
};

TEST(LayerTimesTest, CountsOperationsAndBytesOfEachKind) {
  const at::NoGradGuard no_grad;
  const Network net;
  const LayerCalls calls;
  const at::Tensor x = at::zeros({1, 16, 9, 12});
  net.one->Forward(net.again->Forward(net.three->Forward(x)));
  net.linear->Forward(at::zeros({7, 16}));
  const std::vector<LayerTime> times = TimeLayers(*net.module, calls.calls(), 3);
  ASSERT_EQ(times.size(), 3u);
  EXPECT_EQ(times[0].name, "three");
  EXPECT_EQ(times[0].calls, 2);
  EXPECT_EQ(times[0].shape, "3 x 3, 1 x 16 x 9 x 12 to 16");
  EXPECT_DOUBLE_EQ(times[0].gflop, 2e-9 * 9 * 12 * 16 * 16 * 9);
  EXPECT_DOUBLE_EQ(times[0].megabytes, 4e-6 * (2 * 16 * 9 * 12 + 16 * 16 * 9));
  // Three rows of three tiles of 36 products each.
  const bool winograd = times[0].method == "Winograd";
  EXPECT_NEAR(times[0].multiplied, winograd ? 2e-9 * 9 * 36 * 16 * 16 : times[0].gflop, 1e-15);
  EXPECT_EQ(times[1].name, "one");
  EXPECT_EQ(times[1].calls, 1);
  EXPECT_DOUBLE_EQ(times[1].multiplied, 2e-9 * 9 * 12 * 16 * 16);
  EXPECT_EQ(times[2].shape, "linear, 7 x 16 to 5");
  EXPECT_DOUBLE_EQ(times[2].gflop, 2e-9 * 7 * 16 * 5);
  EXPECT_DOUBLE_EQ(times[2].megabytes, 4e-6 * (7 * 16 + 7 * 5 + 16 * 5));
  for (const LayerTime& time : times) EXPECT_GT(time.ms, 0) << time.name;
}

// Of "one", "scores", "linear" and "linear_scores".
std::vector<std::string> Methods(const Network& net) {
  const at::NoGradGuard no_grad;
  const LayerCalls calls;
  net.one->Forward(at::zeros({1, 16, 9, 12}));
  net.scores->Forward(at::zeros({1, 16, 9, 12}));
  net.linear->Forward(at::zeros({7, 16}));
  net.linear_scores->Forward(at::zeros({7, 16}));
  std::vector<std::string> methods;
  for (const LayerTime& time : TimeLayers(*net.module, calls.calls(), 1)) {
    methods.push_back(time.method);
  }
  return methods;
}

// The scores of the RPN are a matrix product like other convolutions of 1 x 1.
TEST(LayerTimesTest, NamesTheMethodOfEachLayer) {
  const bool own = CurrentInstructionLevel() >= InstructionLevel::kAvx2;
  const std::string product = own ? "matrix product" : "LibTorch";
  EXPECT_THAT(Methods(Network()),
              ElementsAre(product, product, "matrix product", "matrix product"));
}

TEST(LayerTimesTest, ScoresStayInFloat32) {
  if (!HasBfloat16Products()) GTEST_SKIP() << "no products of bfloat16";
  EXPECT_THAT(
      Methods(Network(Precision::kBfloat16)),
      ElementsAre("bfloat16 product", "matrix product", "bfloat16 product", "matrix product"));
}

TEST(LayerTimesTest, MeasuresTheMachine) {
  const MachineLimits limits = MeasureMachine(1, detection::Precision::kFloat32);
  // Between what any processor reaches and what none does.
  EXPECT_GT(limits.gflops, 0.1);
  EXPECT_LT(limits.gflops, 1e6);
  EXPECT_GT(limits.gigabytes_per_second, 0.1);
  EXPECT_LT(limits.gigabytes_per_second, 1e5);
}

TEST(LayerTimesTest, WritesJson) {
  LayerTime time;
  time.name = "rpn.conv";
  time.method = "Winograd";
  time.shape = "3 x 3";
  time.calls = 5;
  time.gflop = 1.5;
  time.ms = 0.25;
  const auto json = nlohmann::json::parse(LayerTimesJson({time, time}, {150, 20}));
  ASSERT_EQ(json["layers"].size(), 2u);
  EXPECT_EQ(json["layers"][1]["name"], "rpn.conv");
  EXPECT_EQ(json["layers"][1]["calls"], 5);
  EXPECT_EQ(json["layers"][1]["gflop"], 1.5);
  EXPECT_EQ(json["layers"][1]["ms"], 0.25);
  EXPECT_EQ(json["gflops"], 150);
  EXPECT_EQ(json["gigabytes_per_second"], 20);
}

}  // namespace
}  // namespace rcnn::tools
