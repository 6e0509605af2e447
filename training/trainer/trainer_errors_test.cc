// What stops a training: values that are not finite, and other errors of the network.

#include <ATen/ATen.h>

#include <cmath>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/not_finite_error.h"
#include "rcnn/base/testing/fresh_directory.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/detection/module_parts.h"
#include "rcnn/training/testing/trainer_run.h"
#include "rcnn/training/trainer/batch_summary.h"
#include "rcnn/training/trainer/trainer.h"

namespace rcnn::training {
namespace {

using detection::FasterRcnn;
using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::MetricNumbers;
using testing::Metrics;
using ::testing::Not;
using testing::ReadWithLog;
using testing::Train;
using testing::WithLossScale;

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

// sqrt(0 x): 0, with a derivative that is infinite times 0.
void SpoilGradient(const FasterRcnn& model, StepLosses& step) {
  const at::Tensor weight = detection::TrainableParameters(model).front().second;
  step.total = step.total + (weight.sum() * 0).sqrt();
}

TEST(TrainerTest, NonFiniteLossStopsWithDetails) {
  const std::string directory = FreshDirectory();
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
  const std::string directory = FreshDirectory();
  const auto result =
      Train({.directory = directory, .losses = Spoiled(10, [](const FasterRcnn&, StepLosses& step) {
                                       step.finite.emplace_back(
                                           "rpn_output", at::scalar_tensor(false, at::kBool));
                                     })});
  ASSERT_EQ(result.status().code(), absl::StatusCode::kDataLoss) << result.status();
  EXPECT_THAT(std::string(result.status().message()),
              AllOf(HasSubstr("diverged at iteration 5 on the images shapes-1-0000"),
                    HasSubstr("): not finite on the device: rpn_output. "),
                    HasSubstr(directory + "/checkpoint-3")));
  EXPECT_EQ(Metrics(directory).size(), 2u) << "iteration 3, and validation at 4";
  EXPECT_FALSE(std::filesystem::exists(directory + "/checkpoint-6"));
}

TEST(TrainerTest, AFlagOfADeviceIsReadBeforeACheckpointAndBeforeValidation) {
  for (const auto& [checkpoint_iterations, bad_batch, file] :
       {std::tuple(6, 10, "/checkpoint-6"), std::tuple(100, 1, "/best.safetensors")}) {
    SCOPED_TRACE(file);
    const std::string directory = FreshDirectory();
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

// A part of the loss that is not part of the total here, so that the gradient stays finite.
TEST(TrainerTest, ALossReadWithTheLogStopsAtTheNextLine) {
  const auto result = Train({.directory = FreshDirectory(),
                             .losses = Spoiled(10, [](const FasterRcnn&, StepLosses& step) {
                               step.read_with_log = true;
                               step.parts[1].second = step.parts[1].second * NAN;
                             })});
  ASSERT_EQ(result.status().code(), absl::StatusCode::kDataLoss) << result.status();
  EXPECT_THAT(std::string(result.status().message()),
              AllOf(HasSubstr("at iteration 5 on the images shapes-1-0000"),
                    HasSubstr("): not finite on the device: loss_rpn_box. ")));
}

// Losses that are read with the log, of which those of batch `number` are not finite. Adds the
// images of each batch to `images`.
std::function<LossFunction(std::shared_ptr<FasterRcnn>)> Listed(size_t number,
                                                                std::vector<std::string>& images) {
  return [number, &images](const std::shared_ptr<FasterRcnn>& model) -> LossFunction {
    return [number, &images, losses = ReadWithLog(model)](const data::Batch& batch,
                                                          const at::Generator& generator) {
      StepLosses step = losses(batch, generator);
      images.push_back(ListImages(batch));
      if (images.size() == number) step.parts[1].second = step.parts[1].second * NAN;
      return step;
    };
  };
}

// In iteration 5 of batches 9 and 10. A rerun begins with batch 7, after the checkpoint.
TEST(TrainerTest, AFlagNamesTheImagesOfItsIterationInARerunToo) {
  const std::string directory = FreshDirectory();
  std::vector<std::string> first, second;
  const auto found = Train({.directory = directory, .losses = Listed(10, first)});
  const auto again = Train({.directory = directory, .losses = Listed(4, second)});
  ASSERT_EQ(first.size(), 12u) << "the log of iteration 6 reads";
  ASSERT_EQ(second.size(), 6u);
  const std::string message = absl::StrCat("diverged at iteration 5 on the images ", first[8], ", ",
                                           first[9], ": not finite on the device: loss_rpn_box. ");
  EXPECT_THAT(found, StatusIs(absl::StatusCode::kDataLoss, HasSubstr(message)));
  EXPECT_THAT(again, StatusIs(absl::StatusCode::kDataLoss, HasSubstr(message)));
  EXPECT_NE(first[8], first[10]);
}

TEST(TrainerTest, WithALossScaleTrainingGoesOnAfterAnOverflow) {
  const std::string directory = FreshDirectory();
  ASSERT_THAT(Train({.directory = directory,
                     .training = WithLossScale(),
                     .losses = Spoiled(1, SpoilGradient)}),
              IsOk());
  ASSERT_EQ(Metrics(directory).size(), 7u);
  EXPECT_EQ(MetricNumbers(directory)[5].at("loss_scale"), 32768) << "iteration 10";
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
  const auto result = Train({.directory = FreshDirectory(),
                             .training = "solver { adamw {} iterations: 30 } precision: FLOAT16",
                             .log_every = 5,
                             .losses = spoil_all});
  ASSERT_EQ(result.status().code(), absl::StatusCode::kDataLoss) << result.status();
  EXPECT_THAT(std::string(result.status().message()),
              AllOf(HasSubstr("at iteration 17 on the images shapes-1-0000"),
                    HasSubstr("): not finite on the device: gradient. ")));
}

TEST(TrainerTest, NonFiniteGradientStopsWithDetails) {
  const std::string directory = FreshDirectory();
  const auto result = Train({.directory = directory, .losses = Spoiled(1, SpoilGradient)});
  ASSERT_THAT(result, StatusIs(absl::StatusCode::kDataLoss,
                               AllOf(HasSubstr("iteration 1 "), HasSubstr("shapes-1-0000"),
                                     HasSubstr("rpn_box 0."), HasSubstr("backbone.conv1.weight"),
                                     HasSubstr("There is no checkpoint yet"))));
}

TEST(TrainerTest, NetworkErrorNamesTheIteration) {
  const auto result =
      Train({.directory = FreshDirectory(), .losses = [](const auto&) -> LossFunction {
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
        Train({.directory = FreshDirectory(), .losses = [message](const auto&) -> LossFunction {
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
      Train({.directory = FreshDirectory(),
             .losses = Spoiled(3, [](const FasterRcnn& model, StepLosses&) {
               detection::TrainableParameters(model).front().second.detach().fill_(INFINITY);
               TORCH_CHECK(false, "a box is wrong");
             })});
  EXPECT_THAT(result, StatusIs(absl::StatusCode::kDataLoss,
                               AllOf(HasSubstr("diverged"), HasSubstr("a box is wrong"))));
}

}  // namespace
}  // namespace rcnn::training
