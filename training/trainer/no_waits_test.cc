// A training iteration on a device waits for nothing: no value is read, no shape depends on one,
// and nothing is copied back. On a fake device that notes what would wait
// (ops/testing/queue_device.h).

#include <ATen/ATen.h>

#include <cmath>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/random_stream.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/configs/solver.pb.h"
#include "rcnn/configs/testing/parse_text.h"
#include "rcnn/detection/finite_output.h"
#include "rcnn/detection/layers.h"
#include "rcnn/detection/module_parts.h"
#include "rcnn/ops/preprocess.h"
#include "rcnn/ops/testing/queue_device.h"
#include "rcnn/training/trainer/batch_summary.h"
#include "rcnn/training/trainer/batch_targets.h"
#include "rcnn/training/trainer/batch_upload.h"
#include "rcnn/training/trainer/frozen_features.h"
#include "rcnn/training/trainer/losses.h"
#include "rcnn/training/trainer/non_finite_flag.h"
#include "rcnn/training/trainer/running_means.h"
#include "rcnn/training/trainer/solver.h"
#include "rcnn/training/trainer/weight_average.h"

namespace rcnn::training {
namespace {

using detection::FasterRcnn;
using ops::testing::QueueDevice;
using ops::testing::TakeWaits;
using ::testing::IsEmpty;
using ::testing::Not;

at::Generator Generator(const std::string& purpose) {
  return MakeGenerator({7, "no_waits_test", 0, purpose});
}

constexpr char kRpn[] =
    "rpn { anchors { size_px: [16, 32] aspect_ratio: 1 } channels: 16 targets { max_overhang_px: 8 "
    "} "
    "box_coder { inclusive_corners: true } } ";
constexpr char kHead[] = "head { fc { fc_channels: [16] } targets { rois_per_image: 8 } } ";
constexpr char kTiny[] = "backbone { tiny { channels: 8 } } ";
constexpr char kPyramid[] =
    "backbone { resnet { depth: RESNET_18 } } fpn { channels: 8 } "
    "rpn { anchors { aspect_ratio: 1 } objectness: SOFTMAX "
    "  targets { box_normalization: FIXED box_mean: [0, 0, 0, 0] box_std: [1, 1, 2, 2] } } "
    "head { fc { fc_channels: [16] dropout: 0.5 } targets { rois_per_image: 8 } } ";

std::shared_ptr<FasterRcnn> Model(const std::string& text, const c10::Device& device) {
  const auto config = configs::ParseTextOrDie<configs::ModelConfig>(text);
  auto model = FasterRcnn::Create(config, 2).value();
  detection::ResetParameters(*model, Generator("weights"));
  model->train();
  model->to(device);
  return model;
}

// The object of an image of 64 x 64; the second image has none.
data::BatchImage Entry(int64_t index) {
  data::BatchImage entry;
  entry.index = index;
  entry.info.id = index + 1;
  entry.info.height = entry.info.width = 32;
  entry.height = entry.width = 64;
  entry.scale_x = entry.scale_y = 2;
  const int64_t objects = index == 1 ? 0 : 1;
  entry.boxes = (at::tensor({8.f, 8.f, 40.f, 40.f}) + static_cast<float>(index)).view({1, 4});
  entry.boxes = entry.boxes.slice(0, 0, objects);
  entry.labels = at::full({objects}, 2, at::kLong);
  entry.crowd = entry.difficult = at::zeros({objects}, at::kBool);
  entry.proposals = at::cat({at::tensor({9.f, 9.f, 41.f, 42.f}).view({1, 4}),
                             at::tensor({0.f, 0.f, 20.f, 12.f}).view({1, 4})});
  return entry;
}

data::Batch ThreeImages() {
  data::Batch batch;
  batch.images = at::randn({3, 3, 64, 64}, Generator("pixels"));
  for (int64_t b = 0; b < 3; ++b) batch.entries.push_back(Entry(b));
  return batch;
}

// The last image is narrower.
data::Batch MixedSizes() {
  data::Batch batch = ThreeImages();
  batch.entries[2].width = 40;
  batch.entries[2].own_padding_x = 8;
  batch.images[2].slice(2, 40).zero_();
  return batch;
}

// The second and the third image, which are this process's part of a batch of several.
data::Batch LastTwo(data::Batch batch) {
  batch.images = batch.images.slice(0, 1, 3);
  batch.own_begin = 1;
  return batch;
}

// As the loader leaves them for a GPU.
data::Batch Bytes() {
  data::Batch batch = ThreeImages();
  batch.images = at::zeros({}).expand({3, 3, 64, 64});
  for (data::BatchImage& entry : batch.entries) {
    entry.bytes = at::randint(0, 256, {32, 32, 3}, Generator("bytes"), at::kByte);
    entry.preprocess.height = entry.preprocess.width = 64;
    entry.preprocess.mean = {100, 110, 120};
    entry.preprocess.std = {60, 60, 60};
  }
  return batch;
}

LossFunction Losses(const std::string& kind, const std::shared_ptr<FasterRcnn>& model,
                    Sampling sampling) {
  if (kind == "rpn") return MakeRpnLoss(model, nullptr, sampling);
  if (kind == "head") return MakeFastRcnnLoss(model, nullptr, sampling);
  return MakeJointLoss(model, sampling);
}

struct Case {
  std::string kind, model;
  data::Batch batch;
};

std::vector<Case> Cases() {
  std::vector<Case> cases;
  for (const data::Batch& batch : {ThreeImages(), MixedSizes(), Bytes()}) {
    cases.push_back({"rpn", std::string(kTiny) + kRpn, batch});
    cases.push_back({"head", std::string(kTiny) + kHead, batch});
    cases.push_back({"joint", std::string(kTiny) + kRpn + kHead, batch});
  }
  cases.push_back({"joint", kPyramid, ThreeImages()});
  for (const data::Batch& batch :
       {LastTwo(ThreeImages()), LastTwo(MixedSizes()), LastTwo(Bytes())}) {
    cases.push_back({"rpn", std::string(kTiny) + kRpn, batch});
    cases.push_back({"head", std::string(kTiny) + kHead, batch});
  }
  cases.push_back({"head", kPyramid, LastTwo(ThreeImages())});
  return cases;
}

TEST(NoWaitsTest, AnIterationWaitsForNothing) {
  for (const Case& one : Cases()) {
    SCOPED_TRACE(one.kind + " of " + one.model);
    const auto model = Model(one.model, QueueDevice());
    const LossFunction losses = Losses(one.kind, model, Sampling::kFixedSize);
    BatchUpload upload(QueueDevice());
    TakeWaits();
    const StepLosses step = losses(upload.Upload(one.batch), Generator("samples"));
    step.total.backward();
    EXPECT_THAT(TakeWaits(), IsEmpty());
    EXPECT_TRUE(step.read_with_log);
    EXPECT_EQ(step.total.device(), QueueDevice());
  }
}

// As the loader leaves a batch whose maps are cached: without pixels.
data::Batch WithoutPixels(data::Batch batch) {
  batch.images = at::full({}, NAN).expand(batch.images.sizes());
  for (data::BatchImage& entry : batch.entries) {
    entry.has_pixels = false;
    entry.bytes = at::Tensor();
  }
  return batch;
}

// Steps 3 and 4: the first iteration computes the maps, the second finds them on the device.
void ExpectNoWaitsOnFrozenMaps(const std::string& kind, const std::string& text,
                               const data::Batch& batch) {
  const auto near = Model(text, at::kCPU), far = Model(text, QueueDevice());
  detection::Freeze(*far->backbone());
  const StepLosses expected = Losses(kind, near, Sampling::kFixedSize)(batch, Generator("samples"));
  const auto frozen =
      std::make_shared<FrozenFeatures>(far, FrozenFeaturesOptions{.max_bytes = int64_t{1} << 30});
  const LossFunction losses = kind == "rpn" ? MakeRpnLoss(far, frozen, Sampling::kFixedSize)
                                            : MakeFastRcnnLoss(far, frozen, Sampling::kFixedSize);
  BatchUpload upload(QueueDevice());
  for (const bool is_cached : {false, true}) {
    SCOPED_TRACE(is_cached ? "cached" : "computed");
    const data::Batch next = is_cached ? WithoutPixels(batch) : batch;
    TakeWaits();
    const StepLosses step = losses(upload.Upload(next), Generator("samples"));
    step.total.backward();
    EXPECT_THAT(TakeWaits(), IsEmpty());
    EXPECT_EQ(frozen->hits(), is_cached ? batch.images.size(0) : 0);
    EXPECT_TRUE(step.total.cpu().allclose(expected.total, 1e-5, 1e-5));
  }
}

TEST(NoWaitsTest, AnIterationOnFrozenMapsWaitsForNothing) {
  for (const data::Batch& batch :
       {ThreeImages(), MixedSizes(), Bytes(), LastTwo(ThreeImages()), LastTwo(Bytes())}) {
    ExpectNoWaitsOnFrozenMaps("rpn", std::string(kTiny) + kRpn, batch);
    ExpectNoWaitsOnFrozenMaps("head", std::string(kTiny) + kHead, batch);
  }
}

// What the trainer does with a loss: the flag, the means of the log, the update.
void Learn(const StepLosses& step, Solver& solver, NonFiniteFlag& flag, RunningMeans& means,
           int64_t iteration) {
  for (const auto& [name, finite] : step.finite) flag.Add(name, finite, iteration);
  for (const auto& [name, part] : step.parts) {
    flag.Add("loss_" + name, detection::AllFinite(part), iteration);
  }
  solver.ScaleLoss(step.total).backward();
  AddToMeans(step, means);
  const auto update = solver.Update(iteration, flag.IsClear());
  ASSERT_THAT(update, IsOk());
  flag.Add("gradient", update->finite, iteration);
}

// With `solver`, and with the average of the weights.
void ExpectNoWaitsOfUpdates(const std::string& solver, bool scales_loss) {
  const auto model = Model(std::string(kTiny) + kRpn + kHead, QueueDevice());
  std::vector<TrainedParameter> parameters;
  for (const auto& item : model->named_parameters()) {
    parameters.push_back({item.key(), item.value()});
  }
  const auto config = configs::ParseTextOrDie<configs::SolverConfig>(
      solver + " learning_rate: 0.001 iterations: 2 max_gradient_norm: 1");
  SolverOptions options;
  options.scales_loss = scales_loss;
  absl::StatusOr<Solver> updates = Solver::Create(config, parameters, options);
  ASSERT_THAT(updates, IsOk());
  WeightAverage average(parameters, 0.9);
  const LossFunction losses = MakeJointLoss(model, Sampling::kFixedSize);
  NonFiniteFlag flag;
  RunningMeans means;
  TakeWaits();
  for (int64_t i = 0; i < 2; ++i) {
    Learn(losses(ThreeImages(), Generator("samples")), *updates, flag, means, i);
    average.Update();
  }
  EXPECT_THAT(TakeWaits(), IsEmpty());
  EXPECT_FALSE(flag.Read().has_value());
  EXPECT_THAT(TakeWaits(), Not(IsEmpty())) << "the log reads";
}

TEST(NoWaitsTest, NeitherDoesTheUpdate) {
  for (const char* solver : {"sgd { momentum: 0.9 }", "adamw {}"}) {
    for (const bool scales_loss : {false, true}) {
      SCOPED_TRACE(std::string(solver) + (scales_loss ? ", with a loss scale" : ""));
      ExpectNoWaitsOfUpdates(solver, scales_loss);
    }
  }
}

void CompareGradients(const FasterRcnn& near, const FasterRcnn& far) {
  const auto wanted = near.named_parameters();
  for (const auto& item : far.named_parameters()) {
    const at::Tensor& gradient = wanted[item.key()].grad();
    ASSERT_EQ(item.value().grad().defined(), gradient.defined()) << item.key();
    if (gradient.defined()) {
      EXPECT_TRUE(item.value().grad().cpu().allclose(gradient, 1e-4, 1e-5)) << item.key();
    }
  }
}

// Joint training of the pyramid is left out, as rounding can order its proposals otherwise.
void CompareWithTheCpu(Sampling sampling) {
  for (const Case& one : Cases()) {
    if (one.kind == "joint" && one.model == kPyramid) continue;
    SCOPED_TRACE(one.kind + " of " + one.model);
    const auto near = Model(one.model, at::kCPU), far = Model(one.model, QueueDevice());
    const StepLosses expected = Losses(one.kind, near, sampling)(one.batch, Generator("samples"));
    const StepLosses found = Losses(one.kind, far, sampling)(
        BatchUpload(QueueDevice()).Upload(one.batch), Generator("samples"));
    EXPECT_EQ(found.total.dim(), 0);
    expected.total.backward();
    found.total.backward();
    EXPECT_TRUE(found.total.cpu().allclose(expected.total, 1e-5, 1e-5));
    CompareGradients(*near, *far);
  }
}

TEST(NoWaitsTest, TheDeviceHasTheLossesAndGradientsOfTheCpu) {
  CompareWithTheCpu(Sampling::kFixedSize);
}

// Models with branches are trained so on a GPU.
TEST(NoWaitsTest, SoItHasWithSamplesOfTheirOwnSize) { CompareWithTheCpu(Sampling::kOfDevice); }

// What the first test would say of the other form.
TEST(NoWaitsTest, SamplesOfTheirOwnSizeWait) {
  for (const char* kind : {"rpn", "joint"}) {
    const auto model = Model(std::string(kTiny) + kRpn + kHead, QueueDevice());
    TakeWaits();
    Losses(kind, model, Sampling::kOfDevice)(ThreeImages(), Generator("samples"));
    EXPECT_THAT(TakeWaits(), Not(IsEmpty())) << kind;
  }
}

// Unless it is asked for otherwise. The picks are the same.
TEST(NoWaitsTest, SamplesHaveTheirOwnSizeOnTheCpu) {
  const auto model = Model(std::string(kTiny) + kRpn + kHead, at::kCPU);
  const StepLosses step = MakeJointLoss(model)(ThreeImages(), Generator("samples"));
  EXPECT_EQ(step.counts.size(), 4u);
  EXPECT_TRUE(step.unread_counts.empty());
  const StepLosses counted =
      MakeJointLoss(model, Sampling::kFixedSize)(ThreeImages(), Generator("samples"));
  EXPECT_TRUE(counted.counts.empty());
  EXPECT_EQ(counted.unread_counts.size(), 4u);
  EXPECT_TRUE(counted.total.allclose(step.total, 1e-5, 1e-5));
}

TEST(MakeImagesTest, BytesBecomeTheInput) {
  const data::Batch batch = Bytes();
  const detection::BatchMap images = MakeImages(batch);
  ASSERT_EQ(images.parts.size(), 1u);
  for (int64_t b = 0; b < 3; ++b) {
    const data::BatchImage& entry = batch.entries[static_cast<size_t>(b)];
    const at::Tensor slot = at::empty({3, 64, 64});
    ops::PreprocessInto(entry.bytes, entry.preprocess, slot);
    EXPECT_TRUE(images.parts[0][b].equal(slot));
  }
}

TEST(MakeImagesTest, UploadedBytesBecomeTheSameInput) {
  const data::Batch batch = Bytes();
  const detection::BatchMap images =
      MakeImages(BatchUpload(QueueDevice()).Upload(batch), QueueDevice());
  ASSERT_EQ(images.parts.size(), 1u);
  EXPECT_EQ(images.parts[0].device(), QueueDevice());
  EXPECT_TRUE(images.parts[0].cpu().equal(MakeImages(batch).parts[0]));
}

TEST(MakeImagesTest, BytesOfOneSizeAreOneTensorWithTheirPadding) {
  const at::Tensor plain = MakeImages(Bytes()).parts.front();
  data::Batch batch = Bytes();
  for (data::BatchImage& entry : batch.entries) {
    entry.own_padding_y = 3;
    entry.own_padding_x = 5;
  }
  const detection::BatchMap images =
      MakeImages(BatchUpload(QueueDevice()).Upload(batch), QueueDevice());
  ASSERT_EQ(images.parts.size(), 1u);
  EXPECT_TRUE(images.parts[0].is_contiguous(at::MemoryFormat::ChannelsLast));
  EXPECT_TRUE(images.parts[0].cpu().equal(at::constant_pad_nd(plain, {0, 5, 0, 3})));
}

TEST(MakeImagesTest, BytesOfOtherSizesHaveTheirOwnPadding) {
  data::Batch batch = Bytes();
  batch.entries[1].width = batch.entries[1].preprocess.width = 40;
  batch.entries[1].own_padding_x = 8;
  const detection::BatchMap images = MakeImages(batch);
  ASSERT_EQ(images.parts.size(), 3u);
  EXPECT_EQ(images.parts[1].sizes(), at::IntArrayRef({1, 3, 64, 48}));
  EXPECT_TRUE(images.parts[1].slice(3, 40).eq(0).all().item<bool>());
}

}  // namespace
}  // namespace rcnn::training
