#include "rcnn/training/trainer/best_weights.h"

#include <ATen/ATen.h>

#include <fstream>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/fresh_directory.h"
#include "rcnn/base/testing/status_matchers.h"

namespace rcnn::training {
namespace {

using detection::weights::StateDict;
using ::testing::HasSubstr;

StateDict Filled(double value) {
  StateDict state;
  state.Add("weight", at::full({100}, value, at::kFloat));
  return state;
}

double Value(const absl::StatusOr<StateDict>& state) {
  EXPECT_THAT(state, IsOk());
  return state.ok() ? state->Find("weight")->mean().item<double>() : -1;
}

TEST(BestWeightsTest, LoadsWhatWasSavedLast) {
  BestWeights best(FreshDirectory());
  ASSERT_THAT(best.Save(Filled(1)), IsOk());
  ASSERT_THAT(best.Save(Filled(2)), IsOk());
  EXPECT_EQ(Value(best.Load()), 2);
}

TEST(BestWeightsTest, ACheckpointBringsBackThoseOfItsTime) {
  const std::string directory = FreshDirectory();
  BestWeights best(directory);
  ASSERT_THAT(best.Save(Filled(1)), IsOk());
  Checkpoint checkpoint;
  best.AddTo(checkpoint);
  ASSERT_THAT(LinkOrCopy(checkpoint.best_weights, directory + "/kept.safetensors"), IsOk());
  ASSERT_THAT(best.Save(Filled(2)), IsOk());
  checkpoint.best_weights = directory + "/kept.safetensors";
  BestWeights resumed(directory);
  ASSERT_THAT(resumed.Restore(checkpoint), IsOk());
  EXPECT_EQ(Value(resumed.Load()), 1);
  // A checkpoint without best weights changes nothing.
  ASSERT_THAT(resumed.Restore(Checkpoint()), IsOk());
  EXPECT_EQ(Value(resumed.Load()), 1);
}

TEST(BestWeightsTest, ADamagedFileIsNotLoaded) {
  const std::string directory = FreshDirectory();
  BestWeights best(directory);
  ASSERT_THAT(best.Save(Filled(1)), IsOk());
  std::ofstream(directory + "/" + kBestWeightsFile, std::ios::app) << "x";
  EXPECT_THAT(best.Load().status(),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("the same command resumes")));
}

}  // namespace
}  // namespace rcnn::training
