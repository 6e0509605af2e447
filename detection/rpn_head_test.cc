#include "rcnn/detection/rpn_head.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/autocast_scope.h"
#include "rcnn/base/tensor_memory.h"
#include "rcnn/base/testing/instruction_levels.h"
#include "rcnn/detection/convolution/panel_product.h"
#include "rcnn/detection/layer_calls.h"
#include "rcnn/detection/testing/slow_layers.h"
#include "rcnn/ops/testing/queue_device.h"

namespace rcnn::detection {
namespace {

using ::testing::ElementsAre;

std::shared_ptr<RpnHead> Make(int64_t num_convs, ops::ObjectnessKind kind) {
  RpnHeadOptions options;
  options.in_channels = 3;
  options.channels = 5;
  options.num_convs = num_convs;
  options.anchors_per_cell = 2;
  options.objectness = kind;
  auto head = std::make_shared<RpnHead>(options);
  FillAtRandom(*head, 0.5, 3);
  head->to(at::kDouble);
  return head;
}

at::Tensor Map(int64_t height, int64_t width) {
  return at::randn({2, 3, height, width}, at::detail::createCPUGenerator(4), at::kDouble);
}

at::Tensor Slow(const RpnHead& head, const std::string& layer, const at::Tensor& x,
                int64_t padding) {
  return SlowConv(x, FindTensor(head, layer + ".weight"), FindTensor(head, layer + ".bias"), 1,
                  padding);
}

TEST(RpnHeadTest, IsConvolutionsAndTwoSiblings) {
  for (const int64_t num_convs : {1, 3}) {
    for (const ops::ObjectnessKind kind :
         {ops::ObjectnessKind::kSigmoid, ops::ObjectnessKind::kSoftmaxPair}) {
      const auto head = Make(num_convs, kind);
      for (const at::Tensor& map : {Map(4, 5), Map(1, 1), Map(1, 7)}) {
        at::Tensor x = map;
        for (int64_t i = 1; i <= num_convs; ++i) {
          x = Slow(*head, i == 1 ? "conv" : "conv" + std::to_string(i), x, 1).clamp_min(0);
        }
        const auto [logits, deltas] = head->Forward(map);
        EXPECT_EQ(logits.size(1), kind == ops::ObjectnessKind::kSigmoid ? 2 : 4);
        EXPECT_TRUE(Near(logits, Slow(*head, "cls_score", x, 0), 1e-11));
        EXPECT_TRUE(Near(deltas, Slow(*head, "bbox_pred", x, 0), 1e-11));
      }
    }
  }
}

// Cells at the corner of one image, at an edge, and in the middle of the other, unordered.
TEST(RpnHeadTest, SampledCellsEqualTheWholeMap) {
  const at::Tensor cells = at::tensor({19, 0, 4, 27, 39}, at::kLong);
  const auto rows_of = [&](const at::Tensor& map) {
    return map.permute({0, 2, 3, 1}).flatten(0, 2).index_select(0, cells);
  };
  for (const int64_t num_convs : {1, 3}) {
    for (const ops::ObjectnessKind kind :
         {ops::ObjectnessKind::kSigmoid, ops::ObjectnessKind::kSoftmaxPair}) {
      const auto head = Make(num_convs, kind);
      const auto [logits, deltas] = head->Forward(Map(4, 5));
      const auto [some_logits, some_deltas] = head->ForwardAt(Map(4, 5), cells);
      EXPECT_TRUE(Near(some_logits, rows_of(logits), 1e-11));
      EXPECT_TRUE(Near(some_deltas, rows_of(deltas), 1e-11));
    }
  }
}

// Under autocast, where maps are bfloat16, scores and deltas are computed in float32.
TEST(RpnHeadTest, SampledCellsOfShortMapsAreCloseToTheWholeMap) {
  RCNN_SKIP_WITHOUT_CPU_AUTOCAST();
  const at::Tensor cells = at::tensor({19, 0, 4, 27, 39}, at::kLong);
  const auto head = Make(/*num_convs=*/1, ops::ObjectnessKind::kSigmoid);
  head->to(at::kFloat);
  const at::Tensor map = Map(4, 5).to(at::kBFloat16);
  const AutocastScope scope(c10::DeviceType::CPU, c10::ScalarType::BFloat16);
  const at::Tensor logits = head->Forward(map).first, some = head->ForwardAt(map, cells).first;
  EXPECT_EQ(some.scalar_type(), at::kFloat);
  EXPECT_TRUE(Near(some, logits.permute({0, 2, 3, 1}).flatten(0, 2).index_select(0, cells), 0.05));
}

// A pass of a head with 2 anchors in each cell, and its gradients.
struct Pass {
  std::vector<at::Tensor> tensors;
  size_t num_calls;
};

Pass RunOn(const c10::Device& device, ops::ObjectnessKind kind) {
  const auto head = Make(1, kind);
  head->to(device);
  at::Tensor map = Map(4, 5).to(device);
  map.requires_grad_();
  const LayerCalls calls;
  const auto [logits, deltas] = head->Forward(map);
  (logits.pow(2).sum() + deltas.sin().sum()).backward();
  Pass pass = {{logits.detach().cpu(), deltas.detach().cpu(), map.grad().cpu()},
               calls.calls().size()};
  for (const at::Tensor& weight : head->parameters()) pass.tensors.push_back(weight.grad().cpu());
  return pass;
}

// There one convolution computes both: of 10 channels and 2 that are not used, or of 12.
TEST(RpnHeadTest, BothPredictorsOnADeviceAreThoseOfTheCpu) {
  for (const ops::ObjectnessKind kind :
       {ops::ObjectnessKind::kSigmoid, ops::ObjectnessKind::kSoftmaxPair}) {
    const Pass cpu = RunOn(c10::Device(c10::DeviceType::CPU), kind);
    const Pass device = RunOn(ops::testing::QueueDevice(), kind);
    ASSERT_EQ(device.tensors.size(), cpu.tensors.size());
    for (size_t i = 0; i < cpu.tensors.size(); ++i) {
      EXPECT_TRUE(Near(device.tensors[i], cpu.tensors[i], 1e-11)) << i;
    }
    EXPECT_EQ(device.num_calls, cpu.num_calls);
  }
}

// Of 64 channels, 16 MB and a little more; the last band has 29 rows.
TEST(RpnHeadTest, ALargeMapIsComputedInBandsOfTheSameBits) {
  if (!PanelProductAvailable()) GTEST_SKIP() << "this processor has no AVX2 and FMA";
  const at::NoGradGuard no_grad;
  RpnHeadOptions options;
  options.in_channels = 3;
  options.channels = 64;
  options.anchors_per_cell = 2;
  const auto head = std::make_shared<RpnHead>(options);
  FillAtRandom(*head, 0.5, 3);
  head->eval();
  PrepareForInference(*head);
  const at::Tensor map = Map(253, 261).to(at::kFloat), one = map.narrow(0, 0, 1);
  const auto [all_logits, all_deltas] = head->Forward(map);  // two images: not in bands
  const LayerCalls calls;
  const TensorMemory memory;
  const auto [logits, deltas] = head->Forward(one);
  EXPECT_LT(memory.peak_bytes(), 64 * 253 * 261 * 4 / 2);
  EXPECT_TRUE(logits.equal(all_logits.narrow(0, 0, 1)));
  EXPECT_TRUE(deltas.equal(all_deltas.narrow(0, 0, 1)));
  ASSERT_EQ(calls.calls().size(), 3u);
  EXPECT_THAT(calls.calls()[1].input, ElementsAre(1, 64, 253, 261));
}

TEST(RpnHeadTest, TensorsHaveTheDocumentedNames) {
  std::vector<std::string> names;
  for (const auto& item : Make(2, ops::ObjectnessKind::kSigmoid)->named_parameters()) {
    names.push_back(item.key());
  }
  EXPECT_THAT(names, ElementsAre("conv.weight", "conv.bias", "conv2.weight", "conv2.bias",
                                 "cls_score.weight", "cls_score.bias", "bbox_pred.weight",
                                 "bbox_pred.bias"));
}

TEST(RpnHeadTest, StartsWithADeviationOfAHundredth) {
  const auto head = std::make_shared<RpnHead>(RpnHeadOptions());
  ResetParameters(*head, at::detail::createCPUGenerator(5));
  for (const char* layer : {"conv", "cls_score", "bbox_pred"}) {
    const at::Tensor weight = FindTensor(*head, std::string(layer) + ".weight").detach();
    EXPECT_NEAR(weight.std().item<double>(), 0.01, 0.001) << layer;
    EXPECT_EQ(FindTensor(*head, std::string(layer) + ".bias").abs().max().item<double>(), 0);
  }
}

TEST(RpnHeadTest, AMapOfOtherChannelsIsAnError) {
  const auto head = Make(1, ops::ObjectnessKind::kSigmoid);
  EXPECT_THROW(head->Forward(at::zeros({1, 4, 5, 5}, at::kDouble)), c10::Error);
}

}  // namespace
}  // namespace rcnn::detection
