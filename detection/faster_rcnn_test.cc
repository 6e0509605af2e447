#include "rcnn/detection/faster_rcnn.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/configs/testing/parse_text.h"
#include "rcnn/detection/batch_map.h"
#include "rcnn/detection/layers.h"
#include "rcnn/detection/module_parts.h"
#include "rcnn/detection/testing/slow_boxes.h"
#include "rcnn/detection/testing/slow_layers.h"
#include "rcnn/ops/error_message.h"
#include "rcnn/ops/testing/queue_device.h"

namespace rcnn::detection {
namespace {

using ::testing::HasSubstr;

at::Generator Generator(uint64_t seed = 7) { return at::detail::createCPUGenerator(seed); }

const char kTiny[] =
    "backbone { tiny { channels: 8 } }"
    "rpn { anchors { size_px: [24, 48] } channels: 32 }"
    "head { fc { fc_channels: [32, 32] } }";

configs::ModelConfig Config(const std::string& text) {
  return configs::ParseTextOrDie<configs::ModelConfig>(text);
}

std::shared_ptr<FasterRcnn> Make(const std::string& text) {
  auto model = FasterRcnn::Create(Config(text), 3).value();
  ResetParameters(*model, Generator());
  return model;
}

struct Batch {
  at::Tensor images = at::randn({2, 3, 96, 128}, Generator());
  InputSizes sizes = {{96, 128, 2}, {80, 96, 2}};
  GroundTruths truths = {
      {at::tensor({10.f, 10.f, 40.f, 50.f, 60.f, 20.f, 100.f, 70.f}).view({2, 4}),
       at::tensor({1, 3}, at::kLong), at::Tensor()},
      {at::empty({0, 4}), at::empty({0}, at::kLong), at::Tensor()}};
  std::vector<ops::ImageSize> originals = {{48, 64}, {40, 48}};
};

TEST(FasterRcnnTest, AllPartsLearnFromTheJointLoss) {
  for (const char* config :
       {kTiny,
        "backbone { resnet { depth: RESNET_18 norm { batch_norm {} } layer3_stride: 1 } }"
        "rpn { anchors { size_px: [24, 48] } } head { layer4 {} targets { rois_per_image: 8 } }",
        "backbone { zf {} } rpn { objectness: SOFTMAX anchors { rounding: WHOLE_PIXELS size_px: "
        "[16, 32] } box_coder { inclusive_corners: true decode_one_pixel_larger: true } }"
        "head { fc { fc_channels: [16, 16] dropout: 0.5 dropout_scale: IN_TEST }"
        "  pool { roi_pool {} size: 6 } box_coder { inclusive_corners: true }"
        "  targets { box_normalization: FIXED box_mean: [0, 0, 0, 0]"
        "    box_std: [0.1, 0.1, 0.2, 0.2] } }"}) {
    SCOPED_TRACE(config);
    const auto model = Make(config);
    const Batch batch;
    const Losses losses =
        model->ComputeLosses(batch.images, {batch.sizes, batch.truths}, Generator());
    EXPECT_GT(losses.Count("anchors_positive"), 0);
    EXPECT_GT(losses.Count("anchors_negative"), 0);
    EXPECT_GE(losses.Count("rois_positive"), 2);  // the ground truth itself
    losses.Total().backward();
    for (const auto& item : model->named_parameters()) {
      ASSERT_TRUE(item.value().grad().defined()) << item.key();
      EXPECT_TRUE(item.value().grad().isfinite().all().item<bool>()) << item.key();
    }
    EXPECT_GT(model->rpn()->parameters().front().grad().abs().max().item<double>(), 0);
  }
}

std::vector<at::Tensor> Gradients(FasterRcnn& model) {
  std::vector<at::Tensor> gradients;
  for (at::Tensor& parameter : model.parameters()) {
    gradients.push_back(parameter.grad().clone());
    parameter.mutable_grad().reset();
  }
  return gradients;
}

// The losses of one image of the batch, as one of two processes computes them: it learns of the
// other's proposals and objects, but computes the network only for its own image.
Losses LossesOfPart(const FasterRcnn& model, const Batch& batch, int64_t image,
                    const std::vector<at::Tensor>& proposals) {
  const ImageRange own = {image, image + 1};
  const at::Generator generator = Generator();
  JointRpnPass pass = model.ComputeJointRpn(batch.images.narrow(0, image, 1),
                                            {batch.sizes, batch.truths}, generator, own);
  EXPECT_EQ(pass.proposals.size(), 1u);
  EXPECT_TRUE(Near(pass.proposals[0], proposals[static_cast<size_t>(image)], 1e-4));
  const RoiSamples samples = model.head()->Sample(proposals, batch.truths, generator);
  pass.losses.Append(
      model.ComputeHeadLosses(pass.maps, SamplesOfImages(samples, own), batch.truths, generator));
  return std::move(pass.losses);
}

// Losses and gradients, with dropout.
TEST(FasterRcnnTest, PartsOfABatchAddUpToIt) {
  const auto model = Make(
      "backbone { tiny { channels: 8 } } rpn { anchors { size_px: [24, 48] } channels: 32 }"
      "head { fc { fc_channels: [32, 32] dropout: 0.5 } targets { rois_per_image: 16 } }");
  const Batch batch;
  const Losses whole = model->ComputeLosses(batch.images, {batch.sizes, batch.truths}, Generator());
  whole.Total().backward();
  const std::vector<at::Tensor> expected = Gradients(*model);
  const std::vector<at::Tensor> proposals =
      model->ComputeJointRpn(batch.images, {batch.sizes, batch.truths}, Generator()).proposals;
  const Losses first = LossesOfPart(*model, batch, 0, proposals);
  const Losses second = LossesOfPart(*model, batch, 1, proposals);
  for (const auto& [name, part] : whole.parts) {
    EXPECT_TRUE(Near(first.Part(name) + second.Part(name), part, 1e-5)) << name;
  }
  for (const auto& [name, count] : whole.counts) {
    EXPECT_EQ(first.Count(name) + second.Count(name), count) << name;
  }
  first.Total().backward();
  second.Total().backward();
  const std::vector<at::Tensor> found = Gradients(*model);
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_TRUE(Near(found[i], expected[i], 1e-4)) << i;
  }
}

// Channels-last weights make channels-last maps, which every part must take. Proposals are given,
// so that rounding decides nothing.
TEST(FasterRcnnTest, TheFormOfAGpuChangesNoLossAndNoGradient) {
  for (const char* config :
       {kTiny,
        "backbone { resnet { depth: RESNET_18 } } fpn { channels: 16 }"
        "rpn {} head { fc { fc_channels: [16, 16] } }",
        "backbone { zf {} } rpn { objectness: SOFTMAX anchors { size_px: [16, 32] } }"
        "head { fc { fc_channels: [16, 16] } pool { roi_pool {} size: 6 } }"}) {
    SCOPED_TRACE(config);
    const Batch batch;
    const std::vector<at::Tensor> proposals = {batch.truths[0].boxes + 3,
                                               batch.truths[0].boxes - 5};
    std::vector<at::Tensor> totals, gradients[2];
    for (const bool gpu_form : {false, true}) {
      const auto model = Make(config);
      if (gpu_form) UseGpuForm(*model);
      const BatchFeatures maps = model->Features(BatchMap(batch.images));
      Losses losses = model->ComputeRpnLosses(maps, {batch.sizes, batch.truths}, Generator());
      losses.Append(model->ComputeHeadLosses(maps, proposals, batch.truths, Generator()));
      totals.push_back(losses.Total().detach());
      losses.Total().backward();
      for (const at::Tensor& parameter : model->parameters()) {
        if (!parameter.defined() || !parameter.grad().defined()) continue;
        gradients[gpu_form].push_back(parameter.grad());
      }
    }
    EXPECT_TRUE(Near(totals[1], totals[0], 1e-5));
    ASSERT_EQ(gradients[1].size(), gradients[0].size());
    EXPECT_GT(gradients[0].size(), 8u);
    for (size_t i = 0; i < gradients[0].size(); ++i) {
      EXPECT_TRUE(Near(gradients[1][i], gradients[0][i], 1e-3)) << i;
    }
  }
}

TEST(FasterRcnnTest, SameGeneratorSameLosses) {
  const auto model = Make(kTiny);
  const Batch batch;
  const auto loss = [&](uint64_t seed) {
    return model->ComputeLosses(batch.images, {batch.sizes, batch.truths}, Generator(seed)).Total();
  };
  EXPECT_TRUE(loss(1).equal(loss(1)));
}

TEST(FasterRcnnTest, AFewStepsLowerTheLoss) {
  const auto model = Make(kTiny);
  const Batch batch;
  double first = 0, last = 0;
  for (int step = 0; step < 30; ++step) {
    model->zero_grad();
    const at::Tensor loss =
        model->ComputeLosses(batch.images, {batch.sizes, batch.truths}, Generator()).Total();
    loss.backward();
    (step == 0 ? first : last) = loss.item<double>();
    at::NoGradGuard no_grad;
    for (at::Tensor& parameter : model->parameters()) parameter.sub_(parameter.grad(), 0.02);
  }
  EXPECT_LT(last, 0.7 * first);
}

TEST(FasterRcnnTest, FrozenPartsGetNoGradient) {
  const auto model = Make(kTiny);
  Freeze(*FindPart(*model, "backbone"));
  Freeze(*FindPart(*model, "rpn.conv"));
  const Batch batch;
  EXPECT_FALSE(model->Features(batch.images).levels[0].requires_grad());
  model->ComputeLosses(batch.images, {batch.sizes, batch.truths}, Generator()).Total().backward();
  for (const auto& item : model->named_parameters()) {
    const bool frozen =
        item.key().rfind("backbone.", 0) == 0 || item.key().rfind("rpn.conv.", 0) == 0;
    EXPECT_EQ(item.value().grad().defined(), !frozen) << item.key();
  }
  EXPECT_EQ(TrainableParameters(*model).front().first, "rpn.cls_score.weight");
}

TEST(FasterRcnnTest, PartsTrainAlone) {
  const Batch batch;
  const auto rpn_only = Make("backbone { tiny { channels: 8 } } rpn { anchors { size_px: 32 } }");
  const auto maps = rpn_only->Features(batch.images);
  const Losses rpn = rpn_only->ComputeRpnLosses(maps, {batch.sizes, batch.truths}, Generator());
  EXPECT_GT(rpn.Total().item<double>(), 0);
  EXPECT_EQ(rpn_only->head(), nullptr);
  EXPECT_THROW(rpn_only->ComputeLosses(batch.images, {batch.sizes, batch.truths}, Generator()),
               c10::Error);

  const auto head_only = Make("backbone { tiny { channels: 8 } } head { fc { fc_channels: 16 } }");
  const std::vector<at::Tensor> proposals = {
      at::tensor({12.f, 8.f, 44.f, 48.f, 0.f, 0.f, 90.f, 90.f}).view({2, 4}), at::empty({0, 4})};
  const Losses head = head_only->ComputeHeadLosses(head_only->Features(batch.images), proposals,
                                                   batch.truths, Generator());
  EXPECT_EQ(head.Count("rois_positive"), 3);  // one proposal and two objects
  EXPECT_EQ(head.Count("rois_negative"), 1);
}

TEST(FasterRcnnTest, DetectsInPixelsAsStored) {
  const Batch batch;
  for (const char* frame : {"false", "true"}) {
    const auto model = Make(absl::StrCat(
        "backbone { tiny { channels: 8 } } rpn { anchors { size_px: [24, 48] } channels: 32 }"
        "head { fc { fc_channels: 32 } detections { min_score: 0.01 max_per_image: 7 "
        "decode_in_original_pixels: ",
        frame, " } }"));
    model->eval();
    const auto found = model->Detect(batch.images, batch.sizes, batch.originals);
    ASSERT_EQ(found.size(), 2u);
    EXPECT_EQ(found[0].boxes.size(0), 7);
    EXPECT_LE(found[0].boxes.select(1, 2).max().item<double>(), 64);
    EXPECT_LE(found[1].boxes.select(1, 3).max().item<double>(), 40);
    EXPECT_GT(found[0].boxes.max().item<double>(), 20);
    EXPECT_TRUE(
        (found[0].scores.slice(0, 1) <= found[0].scores.slice(0, 0, -1)).all().item<bool>());
  }
}

// A head with the same output for every RoI: class 1, moved by these deltas. `rpn`: of the config.
std::shared_ptr<FasterRcnn> MakeConstant(const std::string& options, const SlowDeltas& deltas,
                                         const std::string& rpn = "") {
  auto model =
      FasterRcnn::Create(Config(absl::StrCat("backbone { tiny { channels: 8 } } ", rpn,
                                             " head { fc { fc_channels: 4 } ", options, " }")),
                         1)
          .value();
  model->eval();
  at::NoGradGuard no_grad;
  FindTensor(*model, "head.cls_score.bias")[1] = 2;
  for (int64_t i = 0; i < 4; ++i) {
    FindTensor(*model, "head.bbox_pred.bias")[4 + i] = deltas[static_cast<size_t>(i)];
  }
  return model;
}

// An image of 47 x 65 pixels is scaled to a height of 96, by 96 / 47, and so to a width
// of 133, which is not 65 times as much. Corners inside the box make its width in
// original pixels another than its scaled width over the scale.
TEST(FasterRcnnTest, DecodesInTheConfiguredFrame) {
  const double scale = 96. / 47;
  const InputSizes sizes = {{96, 133, static_cast<float>(scale)}};
  const at::Tensor rois = at::tensor({0.f, 20.f, 30.f, 90.f, 80.f,    // inside
                                      0.f, 100.f, 2.f, 132.f, 30.f})  // decoded across the corner
                              .view({2, 5});
  const SlowDeltas deltas = {0.1, -0.2, 0.3, 0.4}, ones = {1, 1, 1, 1};
  std::vector<std::vector<SlowBox>> seen;
  for (const bool original : {false, true}) {
    for (const double plus : {0., 1.}) {
      SCOPED_TRACE(absl::StrCat("original ", original, " plus ", plus));
      const auto model =
          MakeConstant(absl::StrCat("detections { decode_in_original_pixels: ", original,
                                    " } box_coder { inclusive_corners: ", plus > 0, " }"),
                       deltas);
      std::vector<SlowBox> expected;
      for (int64_t i = 0; i < 2; ++i) {
        SlowBox roi = BoxAt(rois.slice(1, 1), i);
        if (original) {
          for (double& corner : roi) corner /= scale;
        }
        SlowBox box = SlowDecode(roi, deltas, ones, plus, 0);
        box = original ? SlowClip(box, 47, 65, plus) : SlowClip(box, 96, 133, plus);
        for (size_t j = 0; j < 4 && !original; ++j) box[j] *= j % 2 == 0 ? 65. / 133 : 47. / 96;
        expected.push_back(box);
      }
      const Detections found =
          model->Detect(model->Features(at::zeros({1, 3, 96, 133})), rois, sizes, {{47, 65}})[0];
      ASSERT_EQ(found.boxes.size(0), 2);
      for (int64_t i = 0; i < 2; ++i) {
        for (size_t j = 0; j < 4; ++j) {
          EXPECT_NEAR(BoxAt(found.boxes, i)[j], expected[static_cast<size_t>(i)][j], 1e-4);
        }
        EXPECT_NEAR(found.scores[i].item<double>(), 1 / (1 + std::exp(-2.)), 1e-6);
      }
      seen.push_back(expected);
    }
  }
  // Each of the four has a different box inside.
  for (size_t i = 0; i < seen.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      double distance = 0;
      for (size_t k = 0; k < 4; ++k) {
        distance = std::max(distance, std::abs(seen[i][0][k] - seen[j][0][k]));
      }
      EXPECT_GT(distance, 0.02) << i << " " << j;
    }
  }
}

// Two images, of which only the second has RoIs that overlap.
struct TwoImages {
  InputSizes sizes = {{96, 133, 2}, {90, 120, 2}};
  std::vector<ops::ImageSize> originals = {{47, 65}, {45, 61}};
  at::Tensor rois = at::tensor({1.f, 20.f, 30.f, 90.f, 80.f, 0.f, 100.f, 2.f, 132.f, 30.f,  //
                                1.f, 21.f, 30.f, 90.f, 80.f})
                        .view({3, 5});

  std::vector<Detections> Detect(FasterRcnn& model, const c10::Device& device) const {
    model.to(device);
    const BatchFeatures maps = model.Features(BatchMap(at::zeros({2, 3, 96, 133}).to(device)));
    const at::Tensor there = rois.to(device);
    ops::testing::TakeWaits();
    return model.Detect(maps, there, sizes, originals);
  }
};

TEST(FasterRcnnTest, ADeviceSelectsDetectionsItselfUnlessTheyVote) {
  for (const char* options :
       {"", "decode_in_original_pixels: true", "max_per_class: 1", "voting_iou: 0.5"}) {
    SCOPED_TRACE(options);
    const auto model = MakeConstant(absl::StrCat("detections { ", options, " }"), {.1, .2, .3, .4});
    const TwoImages images;
    const auto expected = images.Detect(*model, at::kCPU);
    const auto found = images.Detect(*model, ops::testing::QueueDevice());
    const auto waits = ops::testing::TakeWaits();
    const bool votes = absl::StartsWith(options, "voting");
    EXPECT_EQ(waits.size() == 1 && waits[0] == "copy to the CPU", !votes);
    for (size_t b = 0; b < 2; ++b) {
      EXPECT_EQ(expected[b].boxes.size(0), 1);
      EXPECT_TRUE(found[b].boxes.is_cpu());
      EXPECT_TRUE(at::allclose(found[b].boxes, expected[b].boxes, 1e-6, 1e-5)) << b;
      EXPECT_TRUE(at::allclose(found[b].scores, expected[b].scores, 1e-6, 1e-6)) << b;
      EXPECT_TRUE(at::equal(found[b].labels, expected[b].labels)) << b;
    }
  }
}

// The RPN's scores are all equal, and the head's, so that rounding changes no order. An image may
// have 300 proposals, and NMS leaves fewer.
constexpr char kConstantRpn[] =
    "rpn { anchors { size_px: [24, 48] } channels: 8 "
    "  test_proposals { before_nms: 300 after_nms: 300 } }";

std::vector<Detections> DetectTwo(FasterRcnn& model, bool of_one_size, const c10::Device& device) {
  model.to(device);
  const TwoImages two;
  const at::Tensor padded = at::zeros({2, 3, 96, 133}).to(device);
  const BatchMap images =
      of_one_size ? BatchMap(padded) : CutImages(padded, {{96, 133}, {90, 120}});
  ops::testing::TakeWaits();
  return model.Detect(images, two.sizes, two.originals);
}

TEST(FasterRcnnTest, DetectionOnADeviceWaitsOnce) {
  for (const char* options : {"", "decode_in_original_pixels: true"}) {
    for (const bool of_one_size : {true, false}) {
      SCOPED_TRACE(absl::StrCat(options, of_one_size ? ", one size" : ", two sizes"));
      const auto model = MakeConstant(absl::StrCat("detections { ", options, " }"),
                                      {.1, .2, .3, .4}, kConstantRpn);
      const auto expected = DetectTwo(*model, of_one_size, at::kCPU);
      const auto found = DetectTwo(*model, of_one_size, ops::testing::QueueDevice());
      EXPECT_THAT(ops::testing::TakeWaits(), ::testing::ElementsAre("copy to the CPU"));
      ASSERT_EQ(found.size(), 2u);
      for (size_t b = 0; b < 2; ++b) {
        EXPECT_GT(expected[b].boxes.size(0), 3) << b;
        ASSERT_EQ(found[b].boxes.sizes(), expected[b].boxes.sizes()) << b;
        EXPECT_TRUE(at::allclose(found[b].boxes, expected[b].boxes, 1e-5, 1e-4)) << b;
        EXPECT_TRUE(at::allclose(found[b].scores, expected[b].scores, 1e-6, 1e-6)) << b;
        EXPECT_TRUE(at::equal(found[b].labels, expected[b].labels)) << b;
      }
    }
  }
}

TEST(FasterRcnnTest, ValuesThatAreNotFiniteAreReportedOnADeviceToo) {
  const auto model = MakeConstant("", {}, kConstantRpn);
  const at::NoGradGuard no_grad;
  FindTensor(*model, "head.cls_score.bias")[0] = std::numeric_limits<float>::quiet_NaN();
  const c10::Device device = ops::testing::QueueDevice();
  EXPECT_THAT(ops::ErrorMessage([&] { TwoImages().Detect(*model, device); }),
              HasSubstr("logits: row 0 is not finite"));
  EXPECT_THAT(ops::ErrorMessage([&] { DetectTwo(*model, true, device); }),
              HasSubstr("logits: row 0 is not finite"));
}

TEST(FasterRcnnTest, ABatchGivesWhatEachImageGivesAlone) {
  const auto model = Make(kTiny);
  model->eval();
  const Batch batch;
  const auto proposals = model->Propose(batch.images, batch.sizes);
  const auto first = model->Propose(batch.images.narrow(0, 0, 1), {batch.sizes[0]});
  ASSERT_EQ(proposals.counts[0].item<int64_t>(), first.rois.size(0));
  EXPECT_TRUE(
      at::allclose(proposals.rois.narrow(0, 0, first.rois.size(0)), first.rois, 1e-4, 1e-3));
}

TEST(FasterRcnnTest, SavedStateHasTheNormalisationInIt) {
  const auto model = Make(kTiny);
  model->eval();
  const at::Tensor mean = at::randn({4, 4}, Generator()), std = at::rand({4, 4}, Generator()) + 0.5;
  model->head()->SetBoxNormalization(mean, std);
  const Batch batch;
  const auto maps = model->Features(batch.images);
  const at::Tensor rois = at::tensor({0.f, 10.f, 10.f, 60.f, 60.f}).view({1, 5});
  const at::Tensor expected = model->head()->Forward(maps.levels, rois).deltas.slice(1, 4);
  at::NoGradGuard no_grad;
  const auto parameters = model->named_parameters();
  ASSERT_EQ(model->StateToSave().size(), Make(kTiny)->StateToSave().size());
  for (const auto& [name, tensor] : model->StateToSave()) {
    EXPECT_THAT(name, ::testing::Not(HasSubstr("normalization")));
    if (at::Tensor* found = const_cast<at::Tensor*>(parameters.find(name))) found->copy_(tensor);
  }
  model->head()->SetBoxNormalization({}, {});
  EXPECT_TRUE(at::allclose(model->head()->Forward(maps.levels, rois).deltas.slice(1, 4), expected,
                           1e-4, 1e-6));
}

TEST(FasterRcnnTest, RpnTargetsMayBeNormalised) {
  const auto model = Make(kTiny), normalised = Make(kTiny);
  const Batch batch;
  const auto maps = model->Features(batch.images);
  const at::Tensor all =
      model->rpn()->PositiveBoxTargets(maps.levels, 96, 128, batch.sizes, batch.truths);
  const at::Tensor mean = all.mean(0), std = all.std(0, /*unbiased=*/false) + 0.1;
  // The same network in normalised units: deltas d become (d - mean) / std.
  normalised->rpn()->SetBoxNormalization(mean, std);
  {
    at::NoGradGuard no_grad;
    for (auto& item : normalised->rpn()->named_parameters()) {
      if (item.key() == "bbox_pred.weight") item.value().div_(std.repeat({6}).view({-1, 1, 1, 1}));
      if (item.key() == "bbox_pred.bias") item.value().sub_(mean.repeat({6})).div_(std.repeat({6}));
    }
  }
  const auto a = model->Propose(batch.images, batch.sizes);
  const auto b = normalised->Propose(batch.images, batch.sizes);
  ASSERT_EQ(a.rois.sizes(), b.rois.sizes());
  EXPECT_TRUE(at::allclose(a.rois, b.rois, 1e-4, 1e-3));
  for (const auto& [name, tensor] : normalised->StateToSave()) {
    EXPECT_TRUE(at::allclose(tensor, *model->named_parameters().find(name), 1e-5, 1e-6)) << name;
  }
}

TEST(FasterRcnnTest, LossOfNormalisedRpnTargetsIsThatOfTheirZScores) {
  // With bbox_pred at 0 the box loss is that of the targets themselves.
  const auto model = Make(absl::StrCat(
      "backbone { tiny { channels: 8 } } rpn { anchors { size_px: [24, 48] } channels: 32"
      "  loss { smooth_l1_beta: 0 } targets { anchors_per_image: 1000000",
      "    box_normalization: FIXED box_mean: [0.1, -0.2, 0.3, 0] box_std: [0.5, 0.25, 2, 4] } }"));
  {
    at::NoGradGuard no_grad;
    for (auto& item : model->rpn()->named_parameters()) {
      if (item.key() == "bbox_pred.weight") item.value().zero_();
    }
  }
  const Batch batch;
  const auto maps = model->Features(batch.images);
  const Losses losses = model->ComputeRpnLosses(maps, {batch.sizes, batch.truths}, Generator());
  const at::Tensor targets =
      model->rpn()->PositiveBoxTargets(maps.levels, 96, 128, batch.sizes, batch.truths);
  ASSERT_EQ(losses.Count("anchors_positive"), targets.size(0));
  const at::Tensor mean = at::tensor({0.1f, -0.2f, 0.3f, 0.f});
  const at::Tensor std = at::tensor({0.5f, 0.25f, 2.f, 4.f});
  const double expected =
      ((targets - mean) / std).abs().sum().item<double>() /
      static_cast<double>(losses.Count("anchors_positive") + losses.Count("anchors_negative"));
  EXPECT_NEAR(losses.Part("rpn_box").item<double>(), expected, 1e-5 * expected);
}

TEST(FasterRcnnTest, ErrorsNameTheField) {
  const auto error = [](const std::string& text) {
    return FasterRcnn::Create(Config(text), 3).status();
  };
  const std::string tiny = "backbone { tiny {} } ";
  EXPECT_THAT(error(tiny + "rpn { anchors { size_px: -1 } }"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("rpn.anchors")));
  EXPECT_THAT(
      error(tiny + "rpn { test_proposals { nms_iou: 2 } }"),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("rpn.test_proposals.nms_iou is 2")));
  EXPECT_THAT(error(tiny + "head { layer4 {} }"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("head.layer4")));
  EXPECT_THAT(error(tiny + "head { box_coder { weight: 1 } }"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("head.box_coder.weight")));
  EXPECT_THAT(error(tiny + "head { targets { box_normalization: FIXED } }"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("box_mean")));
  EXPECT_THAT(error(tiny + "rpn { targets { box_normalization: FIXED box_mean: [0, 0, 0, 0] "
                           "box_std: [1, 1, 0, 1] } }"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("rpn.targets.box_std is 0")));
  const std::string pyramid = "backbone { resnet { depth: RESNET_18 } } fpn ";
  EXPECT_THAT(error(pyramid + "{ channels: 0 }"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("fpn.channels is 0")));
  EXPECT_THAT(
      error(pyramid + "{ channels: 48 norm { group_norm {} } }"),
      StatusIs(absl::StatusCode::kInvalidArgument,
               HasSubstr("fpn.norm.group_norm.groups is 32, which does not divide 48 channels")));
  EXPECT_THAT(
      error(pyramid + "{ norm { batch_norm { momentum: 2 } } }"),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("fpn.norm.batch_norm.momentum is 2")));
  for (const char* norm : {"groups: 0", "groups: -1", "groups: 7", "epsilon: 0"}) {
    EXPECT_THAT(
        error(tiny + "head { fc { conv_channels: [8] conv_norm { group_norm { " + norm +
              " } } } }"),
        StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("head.fc.conv_norm.group_norm.")))
        << norm;
  }
  EXPECT_THAT(error("backbone { resnet {} } fpn {} head { pool { roi_pool {} } }"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("roi_pool")));
  EXPECT_THAT(error("backbone { resnet {} } fpn {} rpn { anchors { size_px: [1, 2] } }"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("cannot share")));
}

TEST(FasterRcnnTest, HugeLayersAreErrorsThatNameThem) {
  const auto status = [](const std::string& text) {
    return FasterRcnn::Create(Config(text), 3).status();
  };
  const absl::Status fc =
      status("backbone { tiny {} } head { fc { fc_channels: [1000000, 1000000] } }");
  EXPECT_THAT(fc, StatusIs(absl::StatusCode::kInvalidArgument,
                           HasSubstr("fc6: 1000000 outputs of 9408 inputs")));
  EXPECT_THAT(status("backbone { tiny {} } rpn { channels: 1000000 }"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("conv: 1000000 outputs")));
  EXPECT_THAT(status("backbone { tiny { channels: 2147483640 } }"), ::testing::Not(IsOk()));
  EXPECT_THAT(status("backbone { tiny { channels: 1048576 } }"), ::testing::Not(IsOk()));
}

TEST(FasterRcnnTest, ValuesThatAreNotFiniteAreReported) {
  const auto model = Make(kTiny);
  model->eval();
  Batch batch;
  batch.images[0][0][5][5] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THROW(model->Detect(batch.images, batch.sizes, batch.originals), c10::Error);
}

}  // namespace
}  // namespace rcnn::detection
