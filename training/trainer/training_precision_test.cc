#include "rcnn/training/trainer/training_precision.h"

#include <ATen/ATen.h>

#include <memory>
#include <string>

#include "gtest/gtest.h"
#include "rcnn/base/random_stream.h"
#include "rcnn/base/testing/instruction_levels.h"
#include "rcnn/configs/testing/parse_text.h"
#include "rcnn/detection/layers.h"

namespace rcnn::training {
namespace {

using configs::TrainingConfig;

at::Generator Generator(const std::string& purpose) {
  return MakeGenerator({7, "training_precision_test", 0, purpose});
}

std::shared_ptr<detection::FasterRcnn> Model() {
  const auto config = configs::ParseTextOrDie<configs::ModelConfig>(
      "backbone { tiny { channels: 8 } } rpn { channels: 16 } head { fc { fc_channels: [16] } }");
  auto model = detection::FasterRcnn::Create(config, 2).value();
  detection::ResetParameters(*model, Generator("weights"));
  model->train();
  return model;
}

data::Batch OneImage() {
  data::Batch batch;
  batch.images = at::randn({1, 3, 64, 64}, Generator("pixels"));
  data::BatchImage entry;
  entry.info.id = 1;
  entry.info.height = entry.info.width = entry.height = entry.width = 64;
  entry.scale_x = entry.scale_y = 1;
  entry.boxes = at::tensor({8.f, 8.f, 40.f, 40.f}).view({1, 4});
  entry.labels = at::full({1}, 1, at::kLong);
  entry.crowd = entry.difficult = at::zeros({1}, at::kBool);
  entry.proposals = at::tensor({9.f, 6.f, 42.f, 38.f, 0.f, 0.f, 20.f, 12.f}).view({2, 4});
  batch.entries.push_back(entry);
  return batch;
}

LossFunction Joint(const std::shared_ptr<detection::FasterRcnn>& model) {
  return MakeJointLoss(model);
}

LossFunction OfTheHead(const std::shared_ptr<detection::FasterRcnn>& model) {
  return MakeFastRcnnLoss(model, nullptr);
}

// Also on CPUs without instructions for bfloat16, on which a stage is refused (stage_device.h).
StepLosses Compute(const LossFunction& losses, TrainingConfig::Precision precision) {
  StepLosses step =
      InPrecision(precision, c10::DeviceType::CPU, losses)(OneImage(), Generator("samples"));
  step.total.backward();
  return step;
}

double Total(const LossFunction& losses, TrainingConfig::Precision precision) {
  return Compute(losses, precision).total.item<double>();
}

TEST(InPrecisionTest, Float32IsTheLossItself) {
  const LossFunction losses = Joint(Model());
  const double plain = losses(OneImage(), Generator("samples")).total.item<double>();
  EXPECT_EQ(Total(losses, TrainingConfig::FLOAT32), plain);
  EXPECT_EQ(Total(losses, TrainingConfig::TF32), plain);
}

// bfloat16 has 8 bits of fraction.
TEST(InPrecisionTest, Bfloat16IsClose) {
  RCNN_SKIP_WITHOUT_CPU_AUTOCAST();
  const double plain = Total(OfTheHead(Model()), TrainingConfig::FLOAT32);
  const double rounded = Total(OfTheHead(Model()), TrainingConfig::BFLOAT16);
  EXPECT_NE(rounded, plain);
  EXPECT_NEAR(rounded, plain, 0.02 * plain);
}

TEST(InPrecisionTest, LossesAndWeightsStayInFloat32) {
  RCNN_SKIP_WITHOUT_CPU_AUTOCAST();
  const auto model = Model();
  EXPECT_EQ(Compute(Joint(model), TrainingConfig::BFLOAT16).total.scalar_type(), at::kFloat);
  for (const auto& item : model->named_parameters()) {
    EXPECT_EQ(item.value().scalar_type(), at::kFloat) << item.key();
    ASSERT_TRUE(item.value().grad().defined()) << item.key();
    EXPECT_EQ(item.value().grad().scalar_type(), at::kFloat) << item.key();
    EXPECT_TRUE(item.value().grad().isfinite().all().item<bool>()) << item.key();
  }
}

// Steps 1 and 3 compute the RPN at few cells, from maps of bfloat16.
TEST(InPrecisionTest, StepsOfTheRpnAreClose) {
  RCNN_SKIP_WITHOUT_CPU_AUTOCAST();
  const auto loss = [] { return MakeRpnLoss(Model(), nullptr); };
  const double plain = Total(loss(), TrainingConfig::FLOAT32);
  EXPECT_NEAR(Total(loss(), TrainingConfig::BFLOAT16), plain, 0.02 * plain);
}

TEST(InPrecisionTest, EndsWithTheLoss) {
  RCNN_SKIP_WITHOUT_CPU_AUTOCAST();
  Compute(Joint(Model()), TrainingConfig::BFLOAT16);
  EXPECT_EQ(at::linear(at::ones({1, 2}), at::ones({1, 2})).scalar_type(), at::kFloat);
}

}  // namespace
}  // namespace rcnn::training
