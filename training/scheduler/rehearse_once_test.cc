#include "rcnn/training/scheduler/rehearse_once.h"

#include <filesystem>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/testing/fresh_directory.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/configs/experiment.pb.h"
#include "rcnn/training/scheduler/stage_plan.h"
#include "rcnn/training/stages/experiment_run.h"
#include "rcnn/training/testing/tiny_run.h"

namespace rcnn::training {
namespace {

namespace fs = std::filesystem;
using ::testing::IsEmpty;
using ::testing::Key;
using ::testing::UnorderedElementsAre;

class RehearseOnceTest : public testing::Test {
 protected:
  RehearseOnceTest()
      : directory_(FreshDirectory()),
        record_(directory_ + "/rehearsed.txt"),
        run_(OpenTinyRun(TwoStages(), directory_)),
        plan_(PlanStages(run_.config, {})) {}

  // rpn1 and proposals1.
  static configs::ExperimentConfig TwoStages() {
    configs::ExperimentConfig config = TinyExperiment();
    while (config.stages_size() > 2) config.mutable_stages()->RemoveLast();
    return config;
  }

  absl::StatusOr<SecondsPerUnit> Rehearsed(bool wanted) {
    return RehearseOnce(run_, directory_, plan_, {.wanted = wanted, .quiet = true});
  }

  const std::string directory_, record_;
  ExperimentRun run_;
  std::vector<PlannedStage> plan_;
};

TEST_F(RehearseOnceTest, RemembersWhatItMeasured) {
  const auto first = Rehearsed(/*wanted=*/true);
  ASSERT_THAT(first, IsOkAndHolds(UnorderedElementsAre(Key("rpn1"), Key("proposals1"))));
  EXPECT_FALSE(fs::exists(directory_ + "/rehearsal"));
  const std::string text = ReadFile(record_).value();
  for (const bool wanted : {false, true}) {
    const auto again = Rehearsed(wanted);
    ASSERT_THAT(again, IsOkAndHolds(UnorderedElementsAre(Key("rpn1"), Key("proposals1"))));
    for (const auto& [stage, seconds] : *first) {
      // The record has six digits.
      EXPECT_NEAR(again->at(stage), seconds, 1e-5 * seconds) << stage;
    }
    EXPECT_THAT(ReadFile(record_), IsOkAndHolds(text)) << "measured again";
  }
}

TEST_F(RehearseOnceTest, NothingIsKnownOfOtherKeys) {
  ASSERT_THAT(Rehearsed(/*wanted=*/true), IsOk());
  plan_[0].key = "another";
  EXPECT_THAT(Rehearsed(/*wanted=*/false), IsOkAndHolds(IsEmpty()));
}

TEST_F(RehearseOnceTest, DoesNothingUnlessItIsWanted) {
  EXPECT_THAT(Rehearsed(/*wanted=*/false), IsOkAndHolds(IsEmpty()));
  EXPECT_FALSE(fs::exists(record_));
}

TEST_F(RehearseOnceTest, RecordsNothingAfterAnError) {
  run_.may_write = [] { return absl::FailedPreconditionError("moved"); };
  EXPECT_THAT(Rehearsed(/*wanted=*/true), StatusIs(absl::StatusCode::kFailedPrecondition, "moved"));
  EXPECT_FALSE(fs::exists(record_));
}

}  // namespace
}  // namespace rcnn::training
