#include "rcnn/training/trainer/training_state.h"

#include <ATen/ATen.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/random_stream.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/configs/testing/parse_text.h"
#include "rcnn/detection/layers.h"
#include "rcnn/training/testing/run_ranks.h"
#include "rcnn/training/testing/tiny_run.h"

namespace rcnn::training {
namespace {

using detection::weights::StateDict;
using ::testing::Each;
using ::testing::ElementsAre;

std::unique_ptr<TrainingState> MakeState(uint64_t seed) {
  auto model = detection::FasterRcnn::Create(
                   configs::ParseTextOrDie<configs::ModelConfig>(
                       "backbone { tiny { channels: 8 } } "
                       "rpn { anchors { size_px: 16 aspect_ratio: 1 } channels: 16 }"),
                   2)
                   .value();
  detection::ResetParameters(*model, MakeGenerator({seed, "training_state_test", 0, "weights"}));
  auto state = std::make_unique<TrainingState>(
      std::move(model), configs::ParseTextOrDie<configs::TrainingConfig>(
                            "solver { adamw {} learning_rate: 0.01 iterations: 9 } "
                            "average_decay: 0.9"));
  EXPECT_THAT(state->MakeSolver(), IsOk());
  return state;
}

// Makes updates, so that no part of the state is at its start.
std::unique_ptr<TrainingState> TrainedState(uint64_t seed) {
  auto state = MakeState(seed);
  for (; state->done < 3; ++state->done) {
    for (const TrainedParameter& parameter : state->parameters()) {
      at::Tensor value = parameter.value;
      value.mutable_grad() = value.detach().sin();
    }
    EXPECT_THAT(state->solver().Update(state->done), IsOk());
    state->average().Update();
    state->means().Add("loss", 0.1 * static_cast<double>(state->done));
  }
  state->best_value = 1.0 / 3;
  state->best_iteration = 2;
  state->validation_due = true;
  return state;
}

void ExpectEqual(TrainingState& a, TrainingState& b) {
  EXPECT_EQ(a.done, b.done);
  EXPECT_EQ(a.best_value, b.best_value);
  EXPECT_EQ(a.best_iteration, b.best_iteration);
  EXPECT_EQ(a.validation_due, b.validation_due);
  const Checkpoint saved_a = a.Save(), saved_b = b.Save();
  EXPECT_THAT(Differences(saved_a.model, saved_b.model), ElementsAre());
  EXPECT_THAT(Differences(saved_a.solver, saved_b.solver), ElementsAre());
  EXPECT_EQ(saved_a.facts, saved_b.facts);
  EXPECT_THAT(Differences(a.Weights(), b.Weights()), ElementsAre());
}

TEST(TrainingStateTest, RestoresWhatWasSaved) {
  const auto trained = TrainedState(1), restored = MakeState(2);
  EXPECT_NE(Differences(trained->Weights(), restored->Weights()), std::vector<std::string>());
  ASSERT_THAT(restored->Restore(trained->Save()), IsOk());
  ExpectEqual(*trained, *restored);
}

TEST(TrainingStateTest, OtherRanksGetThatOfRankZero) {
  const auto trained = TrainedState(1);
  const auto work = [&](std::shared_ptr<RankGroup> group) {
    const auto own = group->rank() == 0 ? TrainedState(1) : MakeState(2);
    const absl::Status status = own->Share(*group);
    ExpectEqual(*trained, *own);
    return status;
  };
  EXPECT_THAT(RunRanks(2, work), Each(IsOk()));
}

}  // namespace
}  // namespace rcnn::training
