#include "rcnn/training/trainer/trainer.h"

#include <ATen/ATen.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <tuple>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "google/protobuf/text_format.h"
#include "gtest/gtest.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/not_finite_error.h"
#include "rcnn/base/random_stream.h"
#include "rcnn/base/shutdown.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/data/core/dataset.h"
#include "rcnn/data/shapes/shapes_dataset.h"
#include "rcnn/detection/layers.h"
#include "rcnn/detection/module_parts.h"
#include "rcnn/training/testing/parse_text.h"
#include "rcnn/training/testing/tiny_run.h"
#include "rcnn/training/testing/torn_dataset.h"

namespace rcnn::training {
namespace {

using detection::FasterRcnn;
using detection::weights::StateDict;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using Json = nlohmann::ordered_json;

std::shared_ptr<const data::Dataset> Shapes() {
  return data::ShapesDataset::Create(
             Parse<configs::ShapesConfig>(
                 "seed: 1 num_images: 8 num_classes: 2 width_px: 64 height_px: 48 "
                 "min_diameter_px: 16 max_diameter_px: 32 max_objects: 2"))
      .value();
}

std::shared_ptr<FasterRcnn> Model() {
  auto model =
      FasterRcnn::Create(Parse<configs::ModelConfig>(
                             "backbone { tiny { channels: 8 } }"
                             "rpn { anchors { size_px: [16, 32] aspect_ratio: 1 } channels: 16"
                             "      train_proposals { before_nms: 50 after_nms: 10 } }"
                             "head { fc { fc_channels: [16] } targets { rois_per_image: 16 } }"),
                         2)
          .value();
  detection::ResetParameters(*model, MakeGenerator({7, "trainer_test", 0, "weights"}));
  model->train();
  return model;
}

// Enables everything that has state.
constexpr char kTraining[] =
    "solver { adamw {} learning_rate: 0.01 iterations: 10 batches_per_update: 2 }"
    "batching { images_per_batch: 2 } average_decay: 0.9 "
    "validation { every: 4 keep_best: true }";

// A number that goes up and down as the weights change. Like a real validation it
// stops on a shutdown request.
absl::StatusOr<NamedNumbers> Measure(const StateDict& state) {
  if (ShutdownRequested()) return absl::CancelledError("stopped");
  const double weight = state.Find("head.fc6.weight")->flatten()[0].item<double>();
  return NamedNumbers{{"ap", std::cos(1e4 * weight)}, {"weight", weight}};
}

struct RunSetup {
  std::string directory = {};
  std::string training = kTraining;
  int64_t checkpoint_iterations = 3;
  int64_t log_every = 3;
  int64_t stop_at = -1;  // an iteration at which a shutdown is asked for
  ValidationFunction validate = Measure;
  // Replaces joint training.
  std::function<LossFunction(std::shared_ptr<FasterRcnn>)> losses =
      [](const std::shared_ptr<FasterRcnn>& model) { return MakeJointLoss(model); };
  std::shared_ptr<FasterRcnn> model = Model();
  std::vector<std::string>* notices = nullptr;
  std::shared_ptr<const data::Dataset> dataset = Shapes();
};

absl::StatusOr<StateDict> Train(const RunSetup& setup) {
  TrainerOptions options;
  options.stage = "joint";
  options.seed = 4;
  options.training = Parse<configs::TrainingConfig>(setup.training);
  options.resources.set_checkpoint_iterations(setup.checkpoint_iterations);
  options.resources.set_log_every(setup.log_every);
  options.directory = options.events_directory = setup.directory;
  options.key = "key";
  if (options.training.has_validation()) options.validate = setup.validate;
  options.progress = [&](int64_t done, const std::string&) {
    if (done == setup.stop_at) RequestShutdown(15);
  };
  options.notice = [&](const std::string& text) {
    if (setup.notices != nullptr) setup.notices->push_back(text);
  };
  data::LoaderOptions loader;
  loader.batches.transform.set_flip(configs::TransformConfig::AT_RANDOM);
  loader.batches.batching = options.training.batching();
  loader.batches.seed = options.seed;
  loader.batches.stage = options.stage;
  // Images are read one after the other, every time.
  loader.resources.set_workers(0);
  Trainer trainer(options, setup.model, setup.losses(setup.model));
  auto weights = trainer.Run(setup.dataset, loader);
  ResetShutdownForTesting();
  return weights;
}

// Lines of the metrics without what depends on the clock.
std::vector<std::string> Metrics(const std::string& directory) {
  std::vector<std::string> lines;
  std::ifstream file(directory + "/metrics.jsonl");
  for (std::string line; std::getline(file, line);) {
    Json json = Json::parse(line);
    for (const char* name : {"time", "images_per_second", "data_wait"}) json.erase(name);
    lines.push_back(json.dump());
  }
  return lines;
}

TEST(TrainerTest, ResumedRunEqualsAnUninterruptedRun) {
  const std::string undisturbed = EmptyDirectory("undisturbed");
  const auto expected = Train({.directory = undisturbed});
  ASSERT_THAT(expected, IsOk());
  const std::vector<std::string> lines = Metrics(undisturbed);
  // Iterations 3, 6, 9 and 10; validation at 4, 8 and 10.
  ASSERT_EQ(lines.size(), 7u);
  // 1: before any line; 3: with a line; 4, 8: validation is due; 10: the end.
  for (const int64_t stop : {1, 3, 4, 5, 8, 10}) {
    SCOPED_TRACE(stop);
    const std::string directory = EmptyDirectory("resumed");
    const auto stopped = Train({.directory = directory, .stop_at = stop});
    ASSERT_THAT(stopped, StatusIs(absl::StatusCode::kCancelled));
    EXPECT_TRUE(std::filesystem::exists(absl::StrCat(directory, "/checkpoint-", stop)));
    const auto resumed = Train({.directory = directory});
    ASSERT_THAT(resumed, IsOk());
    EXPECT_THAT(Differences(*expected, *resumed), ElementsAre());
    EXPECT_EQ(Metrics(directory), lines);
  }
}

TEST(TrainerTest, AFlippedBitOfTheMetricsIsRestored) {
  const std::string directory = EmptyDirectory("flipped"), path = directory + "/metrics.jsonl";
  ASSERT_THAT(Train({.directory = directory, .stop_at = 9}), ::testing::Not(IsOk()));
  const std::string intact = *ReadFile(path);
  std::string flipped = intact;
  flipped[flipped.find("loss") + 8] ^= 1;
  ASSERT_THAT(WriteFileAtomically(path, flipped), IsOk());
  ASSERT_THAT(Train({.directory = directory}), IsOk());
  EXPECT_EQ(ReadFile(path)->substr(0, intact.size()), intact);
}

// A killed program leaves lines after its last checkpoint, and half a line.
TEST(TrainerTest, LinesAfterTheCheckpointAreWrittenOnce) {
  const std::string undisturbed = EmptyDirectory("undisturbed");
  ASSERT_THAT(Train({.directory = undisturbed}), IsOk());
  const std::string directory = EmptyDirectory("killed");
  ASSERT_THAT(Train({.directory = directory, .stop_at = 9}), ::testing::Not(IsOk()));
  ASSERT_EQ(std::filesystem::remove_all(directory + "/checkpoint-9") > 0, true);
  std::ofstream(directory + "/metrics.jsonl", std::ios::app) << "{\"iteration\":9,\"lo";
  ASSERT_THAT(Train({.directory = directory}), IsOk());
  EXPECT_EQ(Metrics(directory), Metrics(undisturbed));
}

TEST(TrainerTest, ReportsADamagedCheckpointAndUsesThePreviousOne) {
  const auto expected = Train({.directory = EmptyDirectory("undisturbed")});
  const std::string directory = EmptyDirectory("damaged");
  ASSERT_THAT(Train({.directory = directory, .stop_at = 7}), ::testing::Not(IsOk()));
  const std::string file = directory + "/checkpoint-7/model.safetensors";
  std::string bytes = ReadFile(file).value();
  bytes[bytes.size() / 2] ^= 1;
  ASSERT_THAT(WriteFileAtomically(file, bytes), IsOk());
  std::vector<std::string> notices;
  const auto resumed = Train({.directory = directory, .notices = &notices});
  ASSERT_THAT(resumed, IsOk());
  EXPECT_THAT(notices, Contains(AllOf(HasSubstr("checkpoint 7"), HasSubstr("is damaged"))));
  EXPECT_THAT(notices, Contains(HasSubstr("resumes at iteration 6 of 10")));
  EXPECT_THAT(Differences(*expected, *resumed), ElementsAre());
}

// Four images are an update: of 12, three updates are made, and of 14 too, when the fourth one
// has been begun.
TEST(TrainerTest, NamesAnUnreadableImageAndResumesWithAnIntactOne) {
  const auto expected = Train({.directory = EmptyDirectory("undisturbed")});
  for (const int readable : {0, 12, 14}) {
    SCOPED_TRACE(readable);
    const std::string directory = EmptyDirectory("torn");
    const auto stopped = Train({.directory = directory,
                                .checkpoint_iterations = 1000,
                                .dataset = std::make_shared<TornDataset>(Shapes(), readable)});
    EXPECT_THAT(stopped, StatusIs(absl::StatusCode::kInvalidArgument,
                                  AllOf(HasSubstr("shapes-1-0000"), HasSubstr(".jpg: torn"),
                                        HasSubstr("of the same name and size"),
                                        HasSubstr("the same command"))));
    EXPECT_EQ(std::filesystem::exists(directory + "/checkpoint-3"), readable == 12);
    const auto resumed = Train({.directory = directory});
    ASSERT_THAT(resumed, IsOk());
    EXPECT_THAT(Differences(*expected, *resumed), ElementsAre());
  }
}

// Each way to lose them after a validation at iteration 4, and the checkpoint that
// is still valid.
TEST(TrainerTest, TornBestWeightsAreRecomputed) {
  const auto expected = Train({.directory = EmptyDirectory("undisturbed")});
  const std::vector<std::pair<std::function<void(const std::string&)>, int>> harms = {
      {[](const std::string& best) { std::filesystem::resize_file(best, 100); }, 3},
      {[](const std::string& best) { ASSERT_THAT(WriteFileAtomically(best, "torn"), IsOk()); }, 5},
      {[](const std::string& best) { std::filesystem::remove(best); }, 5}};
  for (const auto& [harm, good] : harms) {
    const std::string directory = EmptyDirectory("torn");
    ASSERT_THAT(Train({.directory = directory, .stop_at = 5}), ::testing::Not(IsOk()));
    const std::string best = directory + "/best.safetensors";
    ASSERT_TRUE(std::filesystem::exists(best));
    harm(best);
    std::vector<std::string> notices;
    const auto resumed = Train({.directory = directory, .notices = &notices});
    ASSERT_THAT(resumed, IsOk());
    EXPECT_THAT(notices, Contains(absl::StrCat("resumes at iteration ", good, " of 10")));
    if (good == 3) {
      EXPECT_THAT(notices, Contains(AllOf(HasSubstr("checkpoint 5 cannot be used"),
                                          HasSubstr("best.safetensors is damaged"))));
    }
    EXPECT_THAT(Differences(*expected, *resumed), ElementsAre());
  }
}

// A later checkpoint does not accept them.
TEST(TrainerTest, BestWeightsTornDuringTheRunStopIt) {
  const std::string directory = EmptyDirectory();
  const auto expected = Train({.directory = EmptyDirectory("undisturbed")});
  RunSetup setup = {.directory = directory, .checkpoint_iterations = 1};
  int validations = 0;
  setup.validate = [&](const StateDict&) -> absl::StatusOr<NamedNumbers> {
    if (++validations == 2) std::filesystem::resize_file(directory + "/best.safetensors", 100);
    return NamedNumbers{{"ap", -validations}};
  };
  const absl::Status status = Train(setup).status();
  EXPECT_THAT(status,
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("best.safetensors is damaged")));
  const auto again = Train({.directory = directory});
  ASSERT_THAT(again, IsOk());
  EXPECT_THAT(Differences(*expected, *again), ElementsAre());
}

TEST(TrainerTest, BestWeightsTornAtTheEndAreAnError) {
  const std::string directory = EmptyDirectory();
  int validations = 0;
  RunSetup setup = {.directory = directory};
  setup.validate = [&](const StateDict&) -> absl::StatusOr<NamedNumbers> {
    // Before the last validation, which is not the best.
    if (++validations == 3) std::filesystem::resize_file(directory + "/best.safetensors", 100);
    return NamedNumbers{{"ap", -validations}};
  };
  const auto result = Train(setup);
  EXPECT_THAT(result,
              StatusIs(absl::StatusCode::kDataLoss, AllOf(HasSubstr("best.safetensors is damaged"),
                                                          HasSubstr("the same command"))));
}

// Losses of the model, with `spoil` applied to those of batch `number`.
std::function<LossFunction(std::shared_ptr<FasterRcnn>)> Spoiled(
    int number, const std::function<void(const FasterRcnn&, StepLosses&)>& spoil) {
  return [number, spoil](const std::shared_ptr<FasterRcnn>& model) -> LossFunction {
    const auto count = std::make_shared<int>(0);
    return [=, losses = MakeJointLoss(model)](const data::Batch& batch,
                                              const at::Generator& generator) {
      StepLosses step = losses(batch, generator);
      if (++*count == number) spoil(*model, step);
      return step;
    };
  };
}

TEST(TrainerTest, NonFiniteLossStopsWithDetails) {
  const std::string directory = EmptyDirectory();
  const auto result =
      Train({.directory = directory, .losses = Spoiled(10, [](const FasterRcnn&, StepLosses& step) {
                                       step.parts[1].second = step.parts[1].second * NAN;
                                       step.total = step.total + step.parts[1].second;
                                     })});
  ASSERT_THAT(result, StatusIs(absl::StatusCode::kDataLoss,
                               AllOf(HasSubstr("iteration 5 "), HasSubstr("shapes-1-0000"),
                                     HasSubstr("(id "), HasSubstr("rpn_box nan"),
                                     HasSubstr("rpn_objectness 0."),
                                     HasSubstr(directory + "/checkpoint-3"))));
  EXPECT_FALSE(std::filesystem::exists(directory + "/checkpoint-5"));
}

// Whether values of another device are finite is read with the log, here at iteration 6.
TEST(TrainerTest, AFlagOfADeviceStopsAtTheNextLine) {
  const std::string directory = EmptyDirectory();
  const auto result =
      Train({.directory = directory, .losses = Spoiled(10, [](const FasterRcnn&, StepLosses& step) {
                                       step.finite.emplace_back(
                                           "rpn_output", at::scalar_tensor(false, at::kBool));
                                     })});
  ASSERT_EQ(result.status().code(), absl::StatusCode::kDataLoss) << result.status();
  EXPECT_THAT(std::string(result.status().message()),
              AllOf(HasSubstr("diverged at iteration 5: not finite on the device: rpn_output. "),
                    HasSubstr(directory + "/checkpoint-3")));
  EXPECT_EQ(Metrics(directory).size(), 2u) << "iteration 3, and validation at 4";
  EXPECT_FALSE(std::filesystem::exists(directory + "/checkpoint-6"));
}

TEST(TrainerTest, AFlagOfADeviceIsReadBeforeACheckpointAndBeforeValidation) {
  for (const auto& [checkpoint_iterations, bad_batch, file] :
       {std::tuple(6, 10, "/checkpoint-6"), std::tuple(100, 1, "/best.safetensors")}) {
    SCOPED_TRACE(file);
    const std::string directory = EmptyDirectory();
    const auto spoil = [](const FasterRcnn&, StepLosses& step) {
      step.finite.emplace_back("head_output", at::scalar_tensor(false, at::kBool));
    };
    const auto result = Train({.directory = directory,
                               .checkpoint_iterations = checkpoint_iterations,
                               .log_every = 100,
                               .losses = Spoiled(bad_batch, spoil)});
    ASSERT_EQ(result.status().code(), absl::StatusCode::kDataLoss) << result.status();
    EXPECT_THAT(std::string(result.status().message()), HasSubstr("device: head_output"));
    EXPECT_FALSE(std::filesystem::exists(directory + file));
  }
}

// Joint training in which losses are read as those of another device.
LossFunction ReadWithLog(const std::shared_ptr<FasterRcnn>& model) {
  return [losses = MakeJointLoss(model)](const data::Batch& batch, const at::Generator& generator) {
    StepLosses step = losses(batch, generator);
    step.read_with_log = true;
    return step;
  };
}

TEST(TrainerTest, LossesReadWithTheLogGiveTheSameRun) {
  const std::string expected = EmptyDirectory("expected");
  const auto weights = Train({.directory = expected});
  ASSERT_THAT(weights, IsOk());
  const std::string directory = EmptyDirectory("read_with_log");
  ASSERT_TRUE(absl::IsCancelled(
      Train({.directory = directory, .stop_at = 5, .losses = ReadWithLog}).status()));
  const auto found = Train({.directory = directory, .losses = ReadWithLog});
  ASSERT_THAT(found, IsOk());
  EXPECT_THAT(Differences(*weights, *found), ElementsAre());
  EXPECT_EQ(Metrics(directory), Metrics(expected));
}

// A part of the loss that is not part of the total here, so that the gradient stays finite.
TEST(TrainerTest, ALossReadWithTheLogStopsAtTheNextLine) {
  const auto result = Train({.directory = EmptyDirectory(),
                             .losses = Spoiled(10, [](const FasterRcnn&, StepLosses& step) {
                               step.read_with_log = true;
                               step.parts[1].second = step.parts[1].second * NAN;
                             })});
  ASSERT_EQ(result.status().code(), absl::StatusCode::kDataLoss) << result.status();
  EXPECT_THAT(std::string(result.status().message()),
              HasSubstr("iteration 5: not finite on the device: loss_rpn_box. "));
}

// sqrt(0 x): 0, with a derivative that is infinite times 0.
void SpoilGradient(const FasterRcnn& model, StepLosses& step) {
  const at::Tensor weight = detection::TrainableParameters(model).front().second;
  step.total = step.total + (weight.sum() * 0).sqrt();
}

// The trainer's part of float16, which runs on every device: loss scale, and updates with
// kernels. The network itself computes in float32 here.
std::string WithLossScale() { return std::string(kTraining) + " precision: FLOAT16"; }

TEST(TrainerTest, ResumedRunWithALossScaleEqualsAnUninterruptedRun) {
  const std::string undisturbed = EmptyDirectory("undisturbed");
  const RunSetup setup = {.training = WithLossScale(), .losses = ReadWithLog};
  RunSetup whole = setup, stopped = setup, resumed = setup;
  whole.directory = undisturbed;
  stopped.directory = resumed.directory = EmptyDirectory("resumed");
  stopped.stop_at = 5;
  whole.model = Model();
  stopped.model = Model();
  resumed.model = Model();
  const auto expected = Train(whole);
  ASSERT_THAT(expected, IsOk());
  ASSERT_TRUE(absl::IsCancelled(Train(stopped).status()));
  const auto found = Train(resumed);
  ASSERT_THAT(found, IsOk());
  EXPECT_THAT(Differences(*expected, *found), ElementsAre());
  EXPECT_EQ(Metrics(resumed.directory), Metrics(undisturbed));
  EXPECT_EQ(Json::parse(Metrics(undisturbed).front())["loss_scale"], 65536);
}

TEST(TrainerTest, WithALossScaleTrainingGoesOnAfterAnOverflow) {
  const std::string directory = EmptyDirectory();
  ASSERT_THAT(Train({.directory = directory,
                     .training = WithLossScale(),
                     .losses = Spoiled(1, SpoilGradient)}),
              IsOk());
  ASSERT_EQ(Metrics(directory).size(), 7u);
  EXPECT_EQ(Json::parse(Metrics(directory)[5])["loss_scale"], 32768) << "iteration 10";
}

// At a scale of 1, in iteration 17.
TEST(TrainerTest, AGradientThatIsFiniteAtNoLossScaleIsAnError) {
  const auto spoil_all = [](const std::shared_ptr<FasterRcnn>& model) -> LossFunction {
    return [model, losses = MakeJointLoss(model)](const data::Batch& batch,
                                                  const at::Generator& generator) {
      StepLosses step = losses(batch, generator);
      SpoilGradient(*model, step);
      return step;
    };
  };
  const auto result = Train({.directory = EmptyDirectory(),
                             .training = "solver { adamw {} iterations: 30 } precision: FLOAT16",
                             .log_every = 5,
                             .losses = spoil_all});
  ASSERT_EQ(result.status().code(), absl::StatusCode::kDataLoss) << result.status();
  EXPECT_THAT(std::string(result.status().message()),
              HasSubstr("iteration 17: not finite on the device: gradient. "));
}

TEST(TrainerTest, NonFiniteGradientStopsWithDetails) {
  const std::string directory = EmptyDirectory();
  const auto result = Train({.directory = directory, .losses = Spoiled(1, SpoilGradient)});
  ASSERT_THAT(result, StatusIs(absl::StatusCode::kDataLoss,
                               AllOf(HasSubstr("iteration 1 "), HasSubstr("shapes-1-0000"),
                                     HasSubstr("rpn_box 0."), HasSubstr("backbone.conv1.weight"),
                                     HasSubstr("There is no checkpoint yet"))));
}

TEST(TrainerTest, NetworkErrorNamesTheIteration) {
  const auto result =
      Train({.directory = EmptyDirectory(), .losses = [](const auto&) -> LossFunction {
               return [](const data::Batch&, const at::Generator&) -> StepLosses {
                 ThrowNotFinite("deltas of anchor 7 are not finite");
               };
             }});
  ASSERT_THAT(result, StatusIs(absl::StatusCode::kDataLoss,
                               AllOf(HasSubstr("iteration 1 "), HasSubstr("shapes-1-0000"),
                                     HasSubstr("deltas of anchor 7 are not finite"))));
}

TEST(TrainerTest, OtherErrorsAreNotCalledDivergence) {
  for (const auto& [what, code, advice] :
       {std::tuple("expected 3 channels, got 4", absl::StatusCode::kInternal, "the network failed"),
        std::tuple("DefaultCPUAllocator: can't allocate memory: you tried to allocate 7 bytes",
                   absl::StatusCode::kResourceExhausted, "images_per_batch"),
        std::tuple("CUDA out of memory. Tried to allocate 2.00 GiB",
                   absl::StatusCode::kResourceExhausted, "2 images of ")}) {
    const std::string message = what;
    const auto result =
        Train({.directory = EmptyDirectory(), .losses = [message](const auto&) -> LossFunction {
                 return [message](const data::Batch&, const at::Generator&) -> StepLosses {
                   TORCH_CHECK(false, message);
                 };
               }});
    EXPECT_THAT(result,
                StatusIs(code, AllOf(HasSubstr("iteration 1 "), HasSubstr("shapes-1-0000"),
                                     HasSubstr(what), HasSubstr(advice), Not(HasSubstr("diverged")),
                                     Not(HasSubstr("learning_rate")))));
  }
}

// The operator does not report it, but the weights show it.
TEST(TrainerTest, ErrorsOfNonFiniteWeightsAreDivergence) {
  const auto result =
      Train({.directory = EmptyDirectory(),
             .losses = Spoiled(3, [](const FasterRcnn& model, StepLosses&) {
               detection::TrainableParameters(model).front().second.detach().fill_(INFINITY);
               TORCH_CHECK(false, "a box is wrong");
             })});
  EXPECT_THAT(result, StatusIs(absl::StatusCode::kDataLoss,
                               AllOf(HasSubstr("diverged"), HasSubstr("a box is wrong"))));
}

// The mean over a batch of a value that differs per image.
LossFunction MeanOfImages(const std::shared_ptr<FasterRcnn>& model, std::vector<int64_t>* images) {
  return [=](const data::Batch& batch, const at::Generator&) {
    for (const data::BatchImage& entry : batch.entries) images->push_back(entry.index);
    return StepLosses{model->Features(batch.images).levels[0].square().mean(), {}, {}};
  };
}

TEST(TrainerTest, SeveralBatchesPerUpdateAreOneLargerBatch) {
  std::vector<int64_t> images[2];
  StateDict weights[2];
  for (int i = 0; i < 2; ++i) {
    const std::string training =
        absl::StrCat(i == 0 ? "solver { batches_per_update: 4 " : "solver { ",
                     "sgd { momentum: 0.9 } learning_rate: 0.01 iterations: 2 } ",
                     "batching { group_by_aspect: false images_per_batch: ", i == 0 ? 1 : 4, " }");
    auto result =
        Train({.directory = EmptyDirectory(), .training = training, .losses = [&](const auto& m) {
                 return MeanOfImages(m, &images[i]);
               }});
    ASSERT_THAT(result, IsOk());
    weights[i] = *std::move(result);
  }
  EXPECT_EQ(images[0], images[1]);
  const auto before = Model()->StateToSave();
  for (const auto& [name, start] : before) {
    const at::Tensor moved = *weights[0].Find(name) - start, same = *weights[1].Find(name) - start;
    EXPECT_TRUE(moved.allclose(same, 1e-3, 1e-7)) << name;
    if (name == "backbone.conv1.weight") {
      EXPECT_GT(moved.abs().max().item<double>(), 1e-6);
    }
  }
}

TEST(TrainerTest, FrozenPartsStayAndTheOthersMove) {
  RunSetup setup = {.directory = EmptyDirectory()};
  detection::Freeze(*detection::FindPart(*setup.model, "backbone"));
  const auto trained = Train(setup);
  ASSERT_THAT(trained, IsOk());
  for (const auto& [name, before] : Model()->StateToSave()) {
    EXPECT_EQ(at::equal(before, *trained->Find(name)), absl::StartsWith(name, "backbone.")) << name;
  }
}

TEST(TrainerTest, KeepsTheWeightsOfTheBestValidation) {
  std::vector<StateDict> seen;
  // Best in the middle; NaN is never the best.
  const std::vector<double> values = {NAN, 0.5, 0.4};
  RunSetup setup = {.directory = EmptyDirectory()};
  setup.validate = [&](const StateDict& state) -> absl::StatusOr<NamedNumbers> {
    seen.push_back(state);
    return NamedNumbers{{"ap", values[seen.size() - 1]}};
  };
  const auto kept = Train(setup);
  ASSERT_THAT(kept, IsOk());
  ASSERT_EQ(seen.size(), 3u);
  EXPECT_THAT(Differences(*kept, seen[1]), ElementsAre());
  EXPECT_FALSE(Differences(*kept, seen[2]).empty());
}

TEST(TrainerTest, WithoutAnyFiniteValidationTheLastWeightsAreKept) {
  RunSetup setup = {.directory = EmptyDirectory()};
  StateDict last;
  setup.validate = [&](const StateDict& state) -> absl::StatusOr<NamedNumbers> {
    last = state;
    return NamedNumbers{{"ap", NAN}};
  };
  const auto kept = Train(setup);
  ASSERT_THAT(kept, IsOk());
  EXPECT_THAT(Differences(*kept, last), ElementsAre());
}

TEST(TrainerTest, ReturnsAnErrorOfValidation) {
  RunSetup setup = {.directory = EmptyDirectory()};
  setup.validate = [](const StateDict&) { return absl::NotFoundError("no image"); };
  EXPECT_THAT(Train(setup), StatusIs(absl::StatusCode::kNotFound,
                                     AllOf(HasSubstr("validation"), HasSubstr("no image"))));
}

TEST(TrainerTest, ReportsProgressOncePerIteration) {
  std::vector<int64_t> done;
  TrainerOptions options;
  options.stage = "joint";
  options.training = Parse<configs::TrainingConfig>(
      "solver { sgd {} learning_rate: 0.01 iterations: 3 batches_per_update: 2 }");
  options.directory = options.events_directory = EmptyDirectory();
  options.progress = [&](int64_t iteration, const std::string& note) {
    done.push_back(iteration);
    EXPECT_THAT(note, HasSubstr("loss "));
  };
  const auto model = Model();
  Trainer trainer(options, model, MakeJointLoss(model));
  data::LoaderOptions loader;
  loader.batches.batching = options.training.batching();
  ASSERT_THAT(trainer.Run(Shapes(), loader), IsOk());
  EXPECT_THAT(done, ElementsAre(1, 2, 3));
}

// Validation after 4, 8, 12, ... of 40 iterations; the best is that after 8.
RunSetup WithPatience(const std::string& directory, std::vector<int64_t>* validated) {
  RunSetup setup = {.directory = directory};
  setup.training =
      "solver { adamw {} learning_rate: 0.01 iterations: 40 }"
      "batching { images_per_batch: 2 } average_decay: 0.9 "
      "validation { every: 4 keep_best: true patience: 2 }";
  setup.validate = [=](const StateDict& state) -> absl::StatusOr<NamedNumbers> {
    if (ShutdownRequested()) return absl::CancelledError("stopped");
    validated->push_back(static_cast<int64_t>(validated->size()));
    const double weight = state.Find("head.fc6.weight")->flatten()[0].item<double>();
    // Falls with the number of validations of this directory.
    std::ifstream lines(directory + "/metrics.jsonl");
    int64_t before = 0;
    for (std::string line; std::getline(lines, line);) before += line.find("ap") != line.npos;
    return NamedNumbers{{"ap", before == 0 ? 0.1 : 1.0 / static_cast<double>(before)},
                        {"weight", weight}};
  };
  return setup;
}

TEST(TrainerTest, EndsEarlyWithoutBetterValidations) {
  std::vector<int64_t> validated;
  std::vector<std::string> notices;
  RunSetup setup = WithPatience(EmptyDirectory(), &validated);
  setup.notices = &notices;
  const auto expected = Train(setup);
  ASSERT_THAT(expected, IsOk());
  EXPECT_EQ(validated.size(), 4u);
  EXPECT_THAT(notices, ::testing::Contains(HasSubstr("stops early at iteration 16 of 40")));
  // A run that was interrupted ends there too, with the same weights.
  for (const int64_t stop : {7, 14, 16}) {
    const std::string directory = EmptyDirectory("resumed");
    RunSetup again = WithPatience(directory, &validated);
    again.stop_at = stop;
    ASSERT_THAT(Train(again), StatusIs(absl::StatusCode::kCancelled)) << stop;
    const auto resumed = Train(WithPatience(directory, &validated));
    ASSERT_THAT(resumed, IsOk());
    EXPECT_THAT(Differences(*expected, *resumed), ElementsAre()) << stop;
  }
}

}  // namespace
}  // namespace rcnn::training
