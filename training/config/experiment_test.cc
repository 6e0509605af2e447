#include "rcnn/training/config/experiment.h"

#include <google/protobuf/util/message_differencer.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/testing/fresh_directory.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/training/config/written_defaults.h"
#include "rcnn/training/testing/sample_experiment.h"

namespace rcnn::training {
namespace {

using ::google::protobuf::util::MessageDifferencer;
using ::testing::HasSubstr;

TEST(ExperimentTest, LoadsAFileWithOverridesInOrder) {
  const std::string path = absl::StrCat(FreshDirectory(), "/sample.textproto");
  ASSERT_THAT(WriteFileAtomically(path, kSampleExperiment), IsOk());
  const auto config = LoadExperiment(path, {.overrides = {"seed=5", "seed=6"}});
  ASSERT_THAT(config, IsOk());
  EXPECT_EQ(config->seed(), 6);
  EXPECT_EQ(config->stages_size(), 7);
}

TEST(ExperimentTest, NamesAMissingOrInvalidFile) {
  const std::string path = absl::StrCat(FreshDirectory(), "/x.textproto");
  EXPECT_THAT(LoadExperiment(path), StatusIs(absl::StatusCode::kNotFound, HasSubstr(path)));
  ASSERT_THAT(WriteFileAtomically(path, "\n\nnme: 3"), IsOk());
  EXPECT_THAT(LoadExperiment(path), StatusIs(absl::StatusCode::kInvalidArgument,
                                             HasSubstr(absl::StrCat(path, ":3:1: "))));
}

TEST(ExperimentTest, TextIsCompleteAndReadsBack) {
  const std::string text = ExperimentText(SampleExperiment());
  const auto again = ParseExperiment(text, "text");
  ASSERT_THAT(again, IsOk());
  configs::ExperimentConfig written = SampleExperiment();
  WriteDefaults(&written);
  EXPECT_TRUE(MessageDifferencer::Equals(*again, written));
  EXPECT_EQ(ExperimentText(*again), text);
  EXPECT_THAT(text, HasSubstr("feature_cache_mib: 2048"));
}

TEST(ExperimentTest, TextKeepsEveryBitOfANumber) {
  const configs::ExperimentConfig config =
      SampleExperiment({"resources.checkpoint_seconds=0.1000000000000000194289"});
  const auto again = ParseExperiment(ExperimentText(config), "text");
  ASSERT_THAT(again, IsOk());
  EXPECT_EQ(again->resources().checkpoint_seconds(), config.resources().checkpoint_seconds());
}

}  // namespace
}  // namespace rcnn::training
