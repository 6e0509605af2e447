#include "rcnn/training/trainer/losses.h"

#include <ATen/ATen.h>

#include <cmath>
#include <limits>
#include <memory>
#include <string>

#include "absl/strings/match.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/random_stream.h"
#include "rcnn/configs/testing/parse_text.h"
#include "rcnn/detection/layers.h"
#include "rcnn/detection/module_parts.h"

namespace rcnn::training {
namespace {

using detection::FasterRcnn;
using ::testing::ElementsAre;
using ::testing::Key;

at::Generator Generator(const std::string& purpose) {
  return MakeGenerator({7, "losses_test", 0, purpose});
}

std::shared_ptr<FasterRcnn> Model(const std::string& parts, bool freeze = false) {
  const auto config =
      configs::ParseTextOrDie<configs::ModelConfig>("backbone { tiny { channels: 8 } } " + parts);
  auto model = FasterRcnn::Create(config, 2).value();
  detection::ResetParameters(*model, Generator("weights"));
  if (freeze) detection::Freeze(*model->backbone());
  model->train();
  return model;
}

constexpr char kRpn[] = "rpn { anchors { size_px: [16, 32] aspect_ratio: 1 } channels: 16 } ";
constexpr char kHead[] = "head { fc { fc_channels: [16] } targets { rois_per_image: 8 } } ";

// Two images of 64 x 64, with an input of twice the size.
data::Batch TwoImages() {
  data::Batch batch;
  batch.images = at::randn({2, 3, 64, 64}, Generator("pixels"));
  for (int64_t b = 0; b < 2; ++b) {
    data::BatchImage entry;
    entry.index = b;
    entry.info.id = entry.index + 1;
    entry.info.height = entry.info.width = 32;
    entry.height = entry.width = 64;
    entry.scale_x = entry.scale_y = 2;
    entry.boxes = at::tensor({8.f, 8.f, 40.f, 40.f}).view({1, 4}) + 10.f * static_cast<float>(b);
    entry.labels = at::full({1}, 1 + b, at::kLong);
    entry.crowd = entry.difficult = at::zeros({1}, at::kBool);
    entry.proposals = at::cat(
        {entry.boxes + 2, at::tensor({0.f, 0.f, 20.f, 12.f, 30.f, 4.f, 60.f, 16.f}).view({2, 4})});
    batch.entries.push_back(entry);
  }
  return batch;
}

double Number(const at::Tensor& tensor) { return tensor.item<double>(); }

TEST(MakeRpnLossTest, IsTheRpnsLoss) {
  const auto model = Model(kRpn);
  const StepLosses step = MakeRpnLoss(model, nullptr)(TwoImages(), Generator("samples"));
  const data::Batch batch = TwoImages();
  const auto expected =
      model->ComputeRpnLosses(model->Features(batch.images),
                              {{{64, 64, 2}, {64, 64, 2}},
                               {{batch.entries[0].boxes, batch.entries[0].labels, {}, 1},
                                {batch.entries[1].boxes, batch.entries[1].labels, {}, 2}}},
                              Generator("samples"));
  EXPECT_THAT(step.parts, ElementsAre(Key("rpn_objectness"), Key("rpn_box")));
  EXPECT_EQ(Number(step.parts[0].second), Number(expected.Part("rpn_objectness")));
  EXPECT_EQ(Number(step.parts[1].second), Number(expected.Part("rpn_box")));
  EXPECT_FLOAT_EQ(Number(step.total),
                  Number(expected.Part("rpn_objectness")) + Number(expected.Part("rpn_box")));
  EXPECT_THAT(step.counts,
              ElementsAre(::testing::Pair("anchors_positive", expected.Count("anchors_positive")),
                          ::testing::Pair("anchors_negative", expected.Count("anchors_negative"))));
}

// 3 proposals and the object itself: those near the object are positive.
TEST(MakeFastRcnnLossTest, CountsTheRoisOfBothImages) {
  const auto model = Model(kHead);
  const StepLosses step = MakeFastRcnnLoss(model, nullptr)(TwoImages(), Generator("samples"));
  EXPECT_THAT(step.parts, ElementsAre(Key("head_classes"), Key("head_box")));
  EXPECT_THAT(step.counts, ElementsAre(::testing::Pair("rois_positive", 4.0),
                                       ::testing::Pair("rois_negative", 4.0)));
  EXPECT_FLOAT_EQ(Number(step.total), Number(step.parts[0].second) + Number(step.parts[1].second));
}

// RoIs are chosen in stored pixels and pooled in those of the input: the loss is that
// of RoIs given in input pixels, all of which are taken.
TEST(MakeFastRcnnLossTest, PoolsWhereTheInputHasTheRois) {
  const auto model = Model(kHead);
  const data::Batch batch = TwoImages();
  const StepLosses step = MakeFastRcnnLoss(model, nullptr)(batch, Generator("samples"));
  const auto expected = model->ComputeHeadLosses(
      model->Features(batch.images),
      std::vector<at::Tensor>{batch.entries[0].proposals, batch.entries[1].proposals},
      {{batch.entries[0].boxes, batch.entries[0].labels, {}},
       {batch.entries[1].boxes, batch.entries[1].labels, {}}},
      Generator("samples"));
  EXPECT_NEAR(Number(step.parts[0].second), Number(expected.Part("head_classes")), 1e-5);
  EXPECT_NEAR(Number(step.parts[1].second), Number(expected.Part("head_box")), 1e-5);
}

TEST(LossesTest, WithFrozenFeaturesTheLossIsTheSameAndTheBackboneGetsNoGradient) {
  for (const bool rpn : {true, false}) {
    const auto frozen = Model(rpn ? kRpn : kHead, /*freeze=*/true);
    const auto features = std::make_shared<FrozenFeatures>(
        frozen, FrozenFeaturesOptions{.max_bytes = int64_t{1} << 20});
    const auto stored = rpn ? MakeRpnLoss(frozen, features) : MakeFastRcnnLoss(frozen, features);
    const auto direct = rpn ? MakeRpnLoss(frozen, nullptr) : MakeFastRcnnLoss(frozen, nullptr);
    const StepLosses expected = direct(TwoImages(), Generator("samples"));
    for (int round = 0; round < 2; ++round) {
      const StepLosses step = stored(TwoImages(), Generator("samples"));
      EXPECT_NEAR(Number(step.total), Number(expected.total), 1e-5);
      step.total.backward();
    }
    EXPECT_EQ(features->hits(), 2);
    for (const auto& item : frozen->named_parameters()) {
      EXPECT_EQ(item.value().grad().defined(), !absl::StartsWith(item.key(), "backbone."))
          << item.key();
    }
  }
}

TEST(LossesTest, WithoutThemTheGradientReachesTheBackbone) {
  for (const char* parts : {kRpn, kHead}) {
    const auto model = Model(parts);
    const auto losses =
        parts == kRpn ? MakeRpnLoss(model, nullptr) : MakeFastRcnnLoss(model, nullptr);
    losses(TwoImages(), Generator("samples")).total.backward();
    EXPECT_GT(Number(model->named_parameters()["backbone.conv1.weight"].grad().abs().max()), 0);
  }
}

TEST(MakeJointLossTest, HasAllPartsAndIsTheirSum) {
  const auto model = Model(std::string(kRpn) + kHead);
  const StepLosses step = MakeJointLoss(model)(TwoImages(), Generator("samples"));
  EXPECT_THAT(step.parts, ElementsAre(Key("rpn_objectness"), Key("rpn_box"), Key("head_classes"),
                                      Key("head_box")));
  EXPECT_EQ(step.counts.size(), 4u);
  double sum = 0;
  for (const auto& [name, part] : step.parts) sum += Number(part);
  EXPECT_NEAR(Number(step.total), sum, 1e-5);
}

// The second image is smaller than the batch, whose padding is NaN here.
TEST(LossesTest, ReadNoPaddingOfTheBatch) {
  const auto model = Model(std::string(kRpn) + kHead);
  const auto frozen = Model(std::string(kRpn) + kHead, /*freeze=*/true);
  const auto features = std::make_shared<FrozenFeatures>(frozen, FrozenFeaturesOptions());
  data::Batch batch = TwoImages();
  batch.entries[1].height = 48;
  batch.entries[1].width = 40;
  batch.entries[1].own_padding_x = 16;
  batch.images[1].slice(1, 48).fill_(std::numeric_limits<float>::quiet_NaN());
  batch.images[1].slice(2, 56).fill_(std::numeric_limits<float>::quiet_NaN());
  for (const LossFunction& losses :
       {MakeRpnLoss(model, nullptr), MakeFastRcnnLoss(model, nullptr), MakeJointLoss(model),
        MakeRpnLoss(frozen, features), MakeFastRcnnLoss(frozen, features)}) {
    EXPECT_TRUE(std::isfinite(Number(losses(batch, Generator("samples")).total)));
  }
}

TEST(LossesTest, DrawFromTheGeneratorAlone) {
  const auto model = Model(std::string(kRpn) + kHead);
  const auto total = [&](const char* purpose) {
    return Number(MakeJointLoss(model)(TwoImages(), Generator(purpose)).total);
  };
  EXPECT_EQ(total("samples"), total("samples"));
  EXPECT_NE(total("samples"), total("others"));
}

}  // namespace
}  // namespace rcnn::training
