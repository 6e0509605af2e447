#include "rcnn/detection/backbone.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <cmath>
#include <set>
#include <string>
#include <utility>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/configs/testing/parse_text.h"
#include "rcnn/detection/fpn.h"
#include "rcnn/detection/make_backbone.h"
#include "rcnn/detection/module_parts.h"
#include "rcnn/detection/vgg_cnn_m_1024.h"
#include "rcnn/detection/zf.h"

namespace rcnn::detection {
namespace {

using ::testing::HasSubstr;

at::Generator Generator() { return at::detail::createCPUGenerator(7); }

absl::StatusOr<std::shared_ptr<Backbone>> Make(const std::string& text, bool pyramid = false) {
  const auto config = configs::ParseTextOrDie<configs::BackboneConfig>(text);
  return MakeBackbone(config, pyramid);
}

std::shared_ptr<Backbone> MakeReset(const std::string& text, bool pyramid = false) {
  auto backbone = Make(text, pyramid).value();
  ResetParameters(*backbone, Generator());
  return backbone;
}

int64_t Parameters(const torch::nn::Module& module) {
  int64_t count = 0;
  for (const at::Tensor& parameter : module.parameters()) count += parameter.numel();
  return count;
}

// The size of the last map for an image of this size, computed from noise.
std::vector<int64_t> MapSize(const std::string& config, int64_t height, int64_t width) {
  at::NoGradGuard no_grad;
  const auto maps = MakeReset(config)->Forward(at::zeros({1, 3, height, width}));
  return maps.back().sizes().slice(2).vec();
}

TEST(BackboneTest, MapsHaveTheDocumentedChannelsAndSizes) {
  for (const auto& [config, channels, stride] :
       {std::tuple("zf {}", 256, 16), std::tuple("vgg_cnn_m_1024 {}", 512, 16),
        std::tuple("vgg16 {}", 512, 16), std::tuple("resnet { depth: RESNET_18 }", 256, 16),
        std::tuple("resnet { depth: RESNET_34 }", 256, 16),
        std::tuple("resnet { depth: RESNET_50 }", 1024, 16),
        std::tuple("resnet { depth: RESNET_18 layer3_stride: 1 }", 256, 8),
        std::tuple("tiny {}", 192, 16)}) {
    SCOPED_TRACE(config);
    at::NoGradGuard no_grad;
    const auto backbone = MakeReset(config);
    ASSERT_EQ(backbone->levels().size(), 1u);
    EXPECT_EQ(backbone->levels()[0].channels, channels);
    EXPECT_EQ(backbone->levels()[0].stride, stride);
    const auto maps = backbone->Forward(at::randn({2, 3, 64, 96}, Generator()));
    ASSERT_EQ(maps.size(), 1u);
    EXPECT_EQ(maps[0].size(0), 2);
    EXPECT_EQ(maps[0].size(1), channels);
    EXPECT_NEAR(maps[0].size(2), 64 / stride, 1);
    EXPECT_NEAR(maps[0].size(3), 96 / stride, 1);
    EXPECT_TRUE(maps[0].isfinite().all().item<bool>());
  }
}

// Sizes of conv5 that Caffe's ceil-mode pools give, for a side of 200 px: each
// layer by hand.
TEST(BackboneTest, PoolsRoundUpAsInCaffe) {
  EXPECT_EQ(MapSize("vgg16 {}", 200, 40)[0], 13);  // 200 100 50 25 13
  EXPECT_EQ(MapSize("vgg16 { ceil_mode_pools: false }", 200, 40)[0], 12);
  // conv1 (200+6-7)/2+1 = 100, pool ceil((100+2-3)/2)+1 = 51, conv2 (51+4-5)/2+1 = 26,
  // pool ceil((26+2-3)/2)+1 = 14.
  EXPECT_EQ(MapSize("zf {}", 200, 40)[0], 14);
  // conv1 (200-7)/2+1 = 97, pool 48, conv2 (48+2-5)/2+1 = 23, pool 11.
  EXPECT_EQ(MapSize("vgg_cnn_m_1024 {}", 200, 60)[0], 11);
}

TEST(BackboneTest, HaveThePublishedNumbersOfParameters) {
  // Closed forms: sum of out * (in * k * k + 1).
  EXPECT_EQ(Parameters(*Make("zf {}").value()), 96 * (3 * 49 + 1) + 256 * (96 * 25 + 1) +
                                                    384 * (256 * 9 + 1) + 384 * (384 * 9 + 1) +
                                                    256 * (384 * 9 + 1));
  EXPECT_EQ(Parameters(*Make("vgg16 {}").value()), 14714688);
  // torchvision's counts without fc (and, for C4, without layer4).
  EXPECT_EQ(Parameters(*Make("resnet { depth: RESNET_50 norm { batch_norm {} } }", true).value()),
            25557032 - 2049000);
  EXPECT_EQ(Parameters(*Make("resnet { depth: RESNET_18 norm { batch_norm {} } }", true).value()),
            11689512 - 513000);
  EXPECT_LE(Parameters(*Make("tiny {}").value()), 1500000);
}

TEST(BackboneTest, StagesNameEveryParameterOnce) {
  for (const char* config : {"zf {}", "vgg16 {}", "tiny {}", "resnet { norm { batch_norm {} } }"}) {
    SCOPED_TRACE(config);
    const auto backbone = Make(config).value();
    size_t named = 0;
    for (const FreezableStage& stage : backbone->stages()) {
      for (const std::string& name : stage) {
        torch::nn::Module* part = FindPart(*backbone, name);
        ASSERT_NE(part, nullptr) << name;
        named += part->parameters().size();
      }
    }
    EXPECT_EQ(named, backbone->parameters().size());
  }
}

TEST(BackboneTest, FrozenStagesKeepNoGraph) {
  const auto backbone = MakeReset("zf {} frozen_stages: 2");
  EXPECT_TRUE(IsFrozen(*FindPart(*backbone, "conv2")));
  const at::Tensor map = backbone->Forward(at::randn({1, 3, 64, 64}, Generator()))[0];
  EXPECT_TRUE(map.requires_grad());
  map.sum().backward();
  EXPECT_FALSE(FindPart(*backbone, "conv1")->parameters()[0].grad().defined());
  EXPECT_TRUE(FindPart(*backbone, "conv3")->parameters()[0].grad().defined());
  backbone->FreezeStages(5);
  EXPECT_FALSE(backbone->Forward(at::randn({1, 3, 64, 64}, Generator()))[0].requires_grad());
}

TEST(BackboneTest, FrozenBatchNormsKeepTheirStatisticsInTraining) {
  const auto backbone = MakeReset("resnet { depth: RESNET_18 norm { batch_norm {} } }");
  backbone->train();
  const auto mean = [&](const char* name) {
    return FindPart(*backbone, name)->named_buffers(false)["running_mean"].clone();
  };
  Freeze(*FindPart(*backbone, "bn1"));
  backbone->Forward(at::randn({1, 3, 64, 64}, Generator()));
  EXPECT_TRUE(mean("bn1").equal(at::zeros({64})));
  EXPECT_FALSE(mean("layer1.0.bn1").equal(at::zeros({64})));
}

TEST(BackboneTest, PreparedForInferenceGivesTheSame) {
  for (const char* config : {"vgg16 {}", "resnet { depth: RESNET_50 }",
                             "resnet { depth: RESNET_18 norm { batch_norm {} } }", "tiny {}"}) {
    SCOPED_TRACE(config);
    at::NoGradGuard no_grad;
    const auto backbone = MakeReset(config);
    backbone->eval();
    for (auto& item : backbone->named_buffers()) {
      if (item.value().is_floating_point()) item.value().uniform_(0.5, 1.5, Generator());
    }
    const at::Tensor images = at::randn({1, 3, 70, 90}, Generator());
    const at::Tensor expected = backbone->Forward(images)[0];
    PrepareForInference(*backbone);
    EXPECT_TRUE(at::allclose(backbone->Forward(images)[0], expected, 1e-4,
                             1e-5 * expected.abs().max().item<double>()));
    EndInference(*backbone);
    EXPECT_TRUE(backbone->Forward(images)[0].equal(expected));
  }
}

TEST(BackboneTest, PreparedWeightsAreNeverStale) {
  // One with packed weights and, of float64, one with folded ones.
  for (const at::ScalarType type : {at::kFloat, at::kDouble}) {
    const auto backbone = MakeReset("resnet { depth: RESNET_18 }");
    backbone->to(type);
    backbone->eval();
    at::NoGradGuard no_grad;
    const at::Tensor images = at::randn({1, 3, 40, 40}, Generator()).to(type);
    const auto prepare = [&] {
      PrepareForInference(*backbone);
      return backbone->Forward(images)[0];
    };
    const at::Tensor first = prepare();
    // Changes the weights as an import and as an optimiser step do.
    FindPart(*backbone, "layer1.0.conv1")->parameters()[0].mul_(2);
    EXPECT_THROW(backbone->Forward(images), c10::Error);
    EXPECT_FALSE(prepare().equal(first));
    FindPart(*backbone, "layer3.1.bn2")->named_buffers()["running_mean"].add_(1);
    EXPECT_THROW(backbone->Forward(images), c10::Error);
    const at::Tensor second = prepare();
    {
      at::AutoGradMode grad(true);
      EXPECT_THROW(backbone->Forward(images), c10::Error);
    }
    EXPECT_TRUE(backbone->Forward(images)[0].equal(second));
    ResetParameters(*backbone, at::detail::createCPUGenerator(8));
    EXPECT_FALSE(backbone->Forward(images)[0].equal(second));
  }
}

TEST(BackboneTest, TrainingAndOtherTypesEndInference) {
  const auto backbone = MakeReset("zf {}");
  const at::Tensor images = at::randn({1, 3, 40, 40}, Generator());
  PrepareForInference(*backbone);
  backbone->train();
  at::Tensor map = backbone->Forward(images)[0];
  EXPECT_TRUE(map.requires_grad());
  map.sum().backward();
  EXPECT_TRUE(FindPart(*backbone, "conv1")->parameters()[0].grad().defined());
  for (int way = 0; way < 3; ++way) {
    backbone->to(at::kFloat);
    backbone->eval();
    PrepareForInference(*backbone);
    if (way == 0) backbone->to(at::kDouble);
    if (way == 1) backbone->to(at::Device(at::kCPU), at::kDouble);
    if (way == 2) backbone->to(at::Device(at::kCPU));
    const auto type = way == 2 ? at::kFloat : at::kDouble;
    EXPECT_TRUE(backbone->Forward(images.to(type))[0].requires_grad()) << way;
  }
}

TEST(BackboneTest, ImagesHaveAMinimumSize) {
  at::NoGradGuard no_grad;
  for (const auto& [config, side] :
       {std::pair("vgg_cnn_m_1024 {}", 25), std::pair("vgg16 { ceil_mode_pools: false }", 16),
        std::pair("zf {}", 1), std::pair("vgg16 {}", 1), std::pair("tiny {}", 1),
        std::pair("resnet { depth: RESNET_18 }", 1)}) {
    SCOPED_TRACE(config);
    const auto backbone = MakeReset(config);
    EXPECT_EQ(backbone->min_side_px(), side);
    const at::Tensor images = at::randn({1, 3, side, 40}, Generator());
    const at::Tensor map = backbone->Forward(images)[0];
    EXPECT_GT(map.numel(), 0);
    EXPECT_THROW(backbone->Forward(images.slice(2, 1)), c10::Error);
    EXPECT_THROW(backbone->Forward(images.slice(2, 1).transpose(2, 3)), c10::Error);
    PrepareForInference(*backbone);
    EXPECT_EQ(backbone->Forward(images)[0].sizes(), map.sizes());
  }
}

// Below min_side_px() a layer has an empty input.
TEST(BackboneTest, MinimumSizeOfVggCnnMIsExact) {
  const auto side_after = [](int64_t side) {
    for (const auto& [kernel, padding, ceil] :
         {std::tuple(7, 0, 0), std::tuple(3, 0, 1), std::tuple(5, 1, 0), std::tuple(3, 0, 1)}) {
      const int64_t room = side + 2 * padding - kernel + ceil;
      if (side < 1 || room < 0) return int64_t{0};
      side = room / 2 + 1;
    }
    return side;
  };
  EXPECT_EQ(side_after(25), 1);
  EXPECT_EQ(side_after(24), 0);
}

TEST(BackboneTest, ResetDrawsTheSameFromTheSameGenerator) {
  const auto a = MakeReset("tiny {}"), b = MakeReset("tiny {}");
  for (size_t i = 0; i < a->parameters().size(); ++i) {
    EXPECT_TRUE(a->parameters()[i].equal(b->parameters()[i]));
  }
}

TEST(BackboneTest, ErrorsNameTheField) {
  EXPECT_THAT(Make(""), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("has no network")));
  EXPECT_THAT(Make("zf {}", true), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("fpn")));
  EXPECT_THAT(Make("zf {} frozen_stages: 6"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("frozen_stages is 6")));
  EXPECT_THAT(Make("resnet { layer3_stride: 3 }"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("layer3_stride")));
  for (const char* groups : {"0", "-1", "24"}) {
    EXPECT_THAT(Make(std::string("resnet { norm { group_norm { groups: ") + groups + " } } }"),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("group_norm.groups is")));
  }
  EXPECT_THAT(Make("resnet { norm { frozen_batch_norm { epsilon: -1 } } }"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("backbone.resnet.norm.frozen_batch_norm.epsilon is -1")));
  EXPECT_THAT(Make("resnet { depth: RESNET_18 norm { frozen_batch_norm { epsilon: 0 } } }"),
              IsOk());
  EXPECT_THAT(Make("tiny { channels: 0 }"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("tiny.channels is 0")));
  EXPECT_THAT(Make("tiny { channels: 12 }"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("tiny.channels is 12")));
  EXPECT_THROW(Make("tiny {}").value()->Forward(at::zeros({3, 64, 64})), c10::Error);
}

// Within-channel norm, cell by cell in float64.
TEST(ResponseNormTest, WithinChannelEqualsItsFormula) {
  const at::Tensor x = at::randn({1, 2, 4, 5}, Generator(), at::kDouble) * 30;
  const at::Tensor y = WithinChannelResponseNorm(x, 5e-2, 0.75);
  for (int c = 0; c < 2; ++c) {
    for (int i = 0; i < 4; ++i) {
      for (int j = 0; j < 5; ++j) {
        const at::Tensor window = x[0][c]
                                      .slice(0, std::max(i - 1, 0), std::min(i + 2, 4))
                                      .slice(1, std::max(j - 1, 0), std::min(j + 2, 5));
        const double sum = window.square().sum().item<double>();
        EXPECT_NEAR(y[0][c][i][j].item<double>(),
                    x[0][c][i][j].item<double>() * std::pow(1 + 5e-2 / 9 * sum, -0.75), 1e-9);
      }
    }
  }
}

// Also of fewer channels than are summed.
TEST(ResponseNormTest, AcrossChannelsEqualsItsFormula) {
  for (const int channels : {1, 2, 7}) {
    const at::Tensor x = at::randn({1, channels, 2, 2}, Generator(), at::kDouble) * 30;
    const at::Tensor y = AcrossChannelResponseNorm(x, 5, 5e-2, 0.75, 2);
    for (int c = 0; c < channels; ++c) {
      const double sum = x.select(2, 1)
                             .select(2, 0)
                             .slice(1, std::max(c - 2, 0), c + 3)
                             .square()
                             .sum()
                             .item<double>();
      EXPECT_NEAR(y[0][c][1][0].item<double>(),
                  x[0][c][1][0].item<double>() * std::pow(2 + 5e-2 / 5 * sum, -0.75), 1e-9);
    }
  }
}

// By LibTorch's pool, the channels being the depth of a volume.
at::Tensor PooledResponseNorm(const at::Tensor& x, int64_t size, double alpha, double beta,
                              double k) {
  const at::Tensor mean_square =
      at::avg_pool3d(x.square().unsqueeze(1), {size, 1, 1}, {1, 1, 1}, {size / 2, 0, 0}).squeeze(1);
  return x * at::pow(mean_square * alpha + k, -beta);
}

// Results of earlier trainings hold.
TEST(ResponseNormTest, AcrossChannelsHasTheBitsOfAPool) {
  const at::Tensor values = at::randn({2, 20, 5, 7}, Generator()).relu() * 30;
  const at::Tensor weights = at::randn(values.sizes(), Generator()).relu();
  const auto compute = [&](const auto& norm) {
    const at::Tensor x = values.clone().requires_grad_();
    const at::Tensor y = norm(x, 5, 5e-4, 0.75, 2);
    y.backward(weights);
    return std::pair(y.detach(), x.grad());
  };
  const auto found = compute(AcrossChannelResponseNorm), expected = compute(PooledResponseNorm);
  EXPECT_TRUE(found.first.equal(expected.first));
  EXPECT_TRUE(found.second.equal(expected.second));
}

TEST(FpnTest, AddsUpsampledCoarseMapsAndPoolsTheLast) {
  const std::vector<FeatureLevel> inputs = {{2, 4}, {3, 8}};
  FpnOptions options;
  options.channels = 2;
  Fpn fpn(inputs, options);
  ASSERT_EQ(fpn.levels().size(), 3u);
  EXPECT_EQ(fpn.levels()[2].stride, 16);
  EXPECT_EQ(fpn.num_roi_levels(), 2);
  at::NoGradGuard no_grad;
  // Laterals that sum their input channels; outputs that pass the centre through.
  for (auto& item : fpn.named_parameters()) {
    if (item.value().dim() != 4) continue;
    if (item.value().size(2) == 1) {
      item.value().fill_(1);
    } else {
      for (int c = 0; c < 2; ++c) item.value()[c][c][1][1] = 1;
    }
  }
  const at::Tensor fine = at::arange(2 * 6 * 5, at::kFloat).view({1, 2, 6, 5});
  const at::Tensor coarse = at::arange(3 * 3 * 3, at::kFloat).view({1, 3, 3, 3});
  const auto maps = fpn.Forward(std::vector<at::Tensor>{fine, coarse});
  ASSERT_EQ(maps.size(), 3u);
  // Cell (4, 3) of 6 x 5 lies over cell (2, 1) of 3 x 3: floor(4 3/6), floor(3 3/5).
  const float expected = fine[0].select(1, 4).select(1, 3).sum().item<float>() +
                         coarse[0].select(1, 2).select(1, 1).sum().item<float>();
  EXPECT_EQ(maps[0][0][1][4][3].item<float>(), expected);
  EXPECT_TRUE(maps[2].equal(maps[1].slice(2, 0, 3, 2).slice(3, 0, 3, 2)));
}

}  // namespace
}  // namespace rcnn::detection
