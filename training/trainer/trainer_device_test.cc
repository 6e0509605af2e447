// A checkpoint moves between devices: a training that stops on the CPU resumes on a fake device,
// and the reverse.

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <c10/core/Device.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/fresh_directory.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/detection/module_device.h"
#include "rcnn/detection/weights/module_state.h"
#include "rcnn/ops/testing/queue_device.h"
#include "rcnn/training/testing/tiny_run.h"
#include "rcnn/training/testing/trainer_run.h"
#include "rcnn/training/trainer/checkpoint.h"
#include "rcnn/training/trainer/trainer.h"

namespace rcnn::training {
namespace {

using detection::FasterRcnn;
using detection::weights::ModuleState;
using detection::weights::StateDict;
using ops::testing::QueueDevice;
using ::testing::IsEmpty;
using testing::kTraining;
using testing::Metrics;
using testing::Model;
using testing::RunSetup;
using ::testing::SizeIs;
using testing::Train;
using testing::WithLossScale;
using Json = nlohmann::ordered_json;

// Of ten iterations.
constexpr int64_t kStop = 8;

std::shared_ptr<FasterRcnn> ModelOn(const c10::Device& device) {
  std::shared_ptr<FasterRcnn> model = Model();
  detection::MoveToDevice(*model, device);
  return model;
}

// The next number of a CPU generator, which is unchanged. LibTorch 1.13 leaks what clone()
// returns.
double NextNumber(const at::Generator& generator) {
  at::Generator copy = at::detail::createCPUGenerator();
  copy.set_state(generator.get_state());
  return at::rand({1}, copy).item<double>();
}

// Joint training as on a GPU. Adds to `draws` what is drawn for each batch: its images, mirrored or
// not, and a number of its generator.
LossFunction NotedLosses(const std::shared_ptr<FasterRcnn>& model,
                         std::vector<std::string>* draws) {
  return [draws, losses = MakeJointLoss(model, Sampling::kFixedSize)](
             const data::Batch& batch, const at::Generator& generator) {
    for (const data::BatchImage& image : batch.entries) {
      draws->push_back(absl::StrCat(image.info.name, image.info.flipped ? " mirrored" : ""));
    }
    draws->push_back(absl::StrCat(NextNumber(generator)));
    StepLosses step = losses(batch, generator);
    step.read_with_log = true;
    return step;
  };
}

RunSetup MakeSetup(const std::string& training, const c10::Device& device,
                   std::vector<std::string>* draws) {
  RunSetup setup;
  setup.training = training;
  setup.model = ModelOn(device);
  setup.losses = [draws](const std::shared_ptr<FasterRcnn>& model) {
    return NotedLosses(model, draws);
  };
  return setup;
}

Checkpoint Latest(const std::string& directory) {
  const auto latest = CheckpointStore(directory, "key").ReadLatest(nullptr);
  EXPECT_THAT(latest, IsOk());
  return latest.ok() && latest->has_value() ? **latest : Checkpoint();
}

// All parameters in one row, on the CPU.
at::Tensor Flat(const FasterRcnn& model) {
  std::vector<at::Tensor> rows;
  for (const at::Tensor& weight : model.parameters()) {
    rows.push_back(weight.detach().cpu().flatten());
  }
  return at::cat(rows);
}

// Lines of metrics with the same names and iterations, and numbers that differ by rounding.
void ExpectNear(const std::vector<std::string>& found, const std::vector<std::string>& expected) {
  ASSERT_EQ(found.size(), expected.size());
  for (size_t i = 0; i < found.size(); ++i) {
    const Json line = Json::parse(found[i]), wanted = Json::parse(expected[i]);
    ASSERT_EQ(line.size(), wanted.size()) << found[i];
    for (const auto& item : wanted.items()) {
      ASSERT_TRUE(line.contains(item.key())) << found[i];
      const double number = item.value().get<double>();
      EXPECT_NEAR(line.at(item.key()).get<double>(), number, 1e-3 * std::abs(number))
          << item.key() << " of " << found[i];
    }
  }
}

// Devices before and after the move.
class MovedTrainingTest : public ::testing::TestWithParam<std::pair<c10::Device, c10::Device>> {
 protected:
  const c10::Device from_ = GetParam().first, to_ = GetParam().second;
};

INSTANTIATE_TEST_SUITE_P(
    Devices, MovedTrainingTest,
    ::testing::Values(std::pair(c10::Device(c10::DeviceType::CPU), QueueDevice()),
                      std::pair(QueueDevice(), c10::Device(c10::DeviceType::CPU))),
    [](const auto& info) { return info.param.first.is_cpu() ? "FromTheCpu" : "ToTheCpu"; });

// The second process does nothing but write the checkpoint again: the first one stops when a
// validation is due, which the second one begins with, and stops in.
TEST_P(MovedTrainingTest, TheOtherDeviceHasTheSameState) {
  for (const std::string& training : {std::string(kTraining), WithLossScale()}) {
    SCOPED_TRACE(training);
    std::vector<std::string> draws;
    RunSetup setup = MakeSetup(training, from_, &draws);
    setup.directory = FreshDirectory();
    setup.stop_at = kStop;
    ASSERT_THAT(Train(setup), StatusIs(absl::StatusCode::kCancelled));
    const Checkpoint saved = Latest(setup.directory);
    ASSERT_EQ(saved.iteration, kStop);
    EXPECT_THAT(Differences(saved.model, ModuleState(*setup.model)), IsEmpty());
    for (const char* name : {"first_moment.backbone.conv1.weight", "second_moment.head.fc6.weight",
                             "average.rpn.conv.weight"}) {
      const at::Tensor* const state = saved.solver.Find(name);
      ASSERT_NE(state, nullptr) << name;
      EXPECT_GT(state->abs().max().item<double>(), 0) << name;
    }
    EXPECT_EQ(saved.solver.Find("updates.head.fc6.weight")->item<int64_t>(), kStop);
    EXPECT_EQ(saved.solver.Find("loss_scale.value") != nullptr, training != kTraining);
    EXPECT_EQ(saved.facts.count("best_value"), 1u);
    EXPECT_FALSE(saved.facts.at("means").empty());

    const size_t drawn = draws.size();
    RunSetup moved = MakeSetup(training, to_, &draws);
    moved.directory = setup.directory;
    moved.validate = [&](const StateDict&) -> absl::StatusOr<NamedNumbers> {
      std::filesystem::remove_all(absl::StrCat(setup.directory, "/checkpoint-", kStop));
      return absl::CancelledError("stopped");
    };
    ASSERT_THAT(Train(moved), StatusIs(absl::StatusCode::kCancelled));
    EXPECT_THAT(draws, SizeIs(drawn)) << "the second process has trained";
    EXPECT_EQ(detection::ModuleDevice(*moved.model), to_);
    EXPECT_THAT(Differences(saved.model, ModuleState(*moved.model)), IsEmpty());
    const Checkpoint again = Latest(setup.directory);
    EXPECT_EQ(again.iteration, saved.iteration);
    EXPECT_THAT(Differences(saved.model, again.model), IsEmpty());
    EXPECT_THAT(Differences(saved.solver, again.solver), IsEmpty());
    EXPECT_EQ(again.facts, saved.facts);
  }
}

// From one checkpoint, with and without a move. Momentum makes most of the two updates.
TEST_P(MovedTrainingTest, TheNextUpdatesAreThoseWithoutTheMove) {
  const std::string training =
      "solver { sgd { momentum: 0.9 } learning_rate: 0.01 iterations: 10 batches_per_update: 2 }"
      "batching { images_per_batch: 2 } average_decay: 0.9";
  const std::string stays = FreshDirectory("stays"), moves = FreshDirectory("moves");
  std::vector<std::string> first, draws[2];
  RunSetup setup = MakeSetup(training, from_, &first);
  setup.directory = stays;
  setup.stop_at = kStop;
  ASSERT_THAT(Train(setup), StatusIs(absl::StatusCode::kCancelled));
  const at::Tensor before = Flat(*setup.model);
  std::filesystem::copy(stays, moves, std::filesystem::copy_options::recursive);
  at::Tensor after[2];
  for (const bool moved : {false, true}) {
    RunSetup rest = MakeSetup(training, moved ? to_ : from_, &draws[moved]);
    rest.directory = moved ? moves : stays;
    ASSERT_THAT(Train(rest), IsOk());
    after[moved] = Flat(*rest.model);
  }
  // Two images and a number for each of four batches.
  EXPECT_THAT(draws[0], SizeIs(12));
  EXPECT_EQ(draws[1], draws[0]);
  const double update = (after[0] - before).norm().item<double>();
  EXPECT_GT(update, 1e-4);
  EXPECT_LE((after[1] - after[0]).norm().item<double>(), 1e-3 * update);
  EXPECT_THAT(Metrics(moves), SizeIs(4));  // iterations 3, 6, 9 and 10
  ExpectNear(Metrics(moves), Metrics(stays));
}

}  // namespace
}  // namespace rcnn::training
