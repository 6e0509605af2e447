#include "rcnn/training/stages/proposal_stage.h"

#include <ATen/Parallel.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/shutdown.h"
#include "rcnn/base/testing/fresh_directory.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/training/stages/stage_inputs.h"
#include "rcnn/training/stages/stage_runner.h"
#include "rcnn/training/testing/tiny_run.h"

namespace rcnn::training {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr int kProposals = 1;  // the stage

// A run whose proposals take a second pass, over the mirrored images.
class ProposalStageTest : public testing::Test {
 protected:
  ProposalStageTest()
      : run_(OpenTinyRun(
            TinyExperiment({"stages.proposals1.generate_proposals.on_mirrored_images=true"}),
            FreshDirectory())) {
    // A thread computes an image between two looks at whether to stop.
    at::set_num_threads(1);
    EXPECT_THAT(RunStages(run_, "rpn1"), IsOk());
  }

  absl::Status RunProposals() { return RunStage(run_, run_.config.stages(kProposals)).status(); }

  // Stops after the second of the 8 mirrored images.
  void StopInTheSecondPass() {
    run_.progress = [](int64_t done, const std::string&) {
      if (done == 10) RequestShutdown(15);
    };
    const absl::Status stopped = RunProposals();
    ResetShutdownForTesting();
    run_.progress = nullptr;
    run_.features->Clear();
    ASSERT_THAT(stopped, StatusIs(absl::StatusCode::kCancelled));
    ASSERT_TRUE(fs::exists(First()) && fs::exists(Mirrored() + ".partial"));
  }

  std::string First() const { return StageFilePath(run_, "proposals1", kProposalsFile); }
  std::string Mirrored() const { return StageFilePath(run_, "proposals1", kMirroredProposalsFile); }

  // Both files.
  std::pair<std::string, std::string> Results() const {
    return {ReadFile(First()).value_or("none"), ReadFile(Mirrored()).value_or("none")};
  }

  ExperimentRun run_;
};

// As when the run directory was replaced, and another scheduler works in the new one.
TEST_F(ProposalStageTest, WritesNoFileWhereItMayNot) {
  for (const int refused : {1, 2}) {
    int call = 0;
    run_.may_write = [&] {
      return ++call < refused ? absl::OkStatus() : absl::FailedPreconditionError("replaced");
    };
    EXPECT_THAT(RunProposals(),
                StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("replaced")));
    EXPECT_EQ(call, refused);
    EXPECT_FALSE(fs::exists(First()));
    // The images that were done before the second call.
    EXPECT_EQ(fs::exists(First() + ".partial"), refused == 2);
  }
  int calls = 0;
  run_.may_write = [&] {
    ++calls;
    return absl::OkStatus();
  };
  EXPECT_THAT(RunProposals(), IsOk());
  // Each pass begins and ends a file; the log.
  EXPECT_EQ(calls, 5);
}

TEST_F(ProposalStageTest, AFirstPassThatIsIntactStays) {
  ASSERT_THAT(RunProposals(), IsOk());
  const auto expected = Results();
  fs::remove(First());
  fs::remove(Mirrored());
  StopInTheSecondPass();
  const auto time = fs::last_write_time(First());
  std::vector<int64_t> started;
  run_.started = [&](int64_t done) { started.push_back(done); };
  ASSERT_THAT(RunProposals(), IsOk());
  EXPECT_THAT(started, ElementsAre(10)) << "8 images, and 2 mirrored ones";
  EXPECT_EQ(fs::last_write_time(First()), time);
  EXPECT_EQ(Results(), expected);
}

// Its file has no checksum until the stage is finished, but the journal of the other pass has.
TEST_F(ProposalStageTest, AFirstPassThatIsDamagedIsMadeAgain) {
  StopInTheSecondPass();
  const std::string whole = ReadFile(First()).value();
  std::string flipped = whole;
  flipped[flipped.size() - 4] ^= 1;  // the last score
  for (const std::string& damaged : {flipped, whole.substr(0, whole.size() / 2)}) {
    ASSERT_THAT(WriteFileAtomically(First(), damaged), IsOk());
    ASSERT_THAT(RunProposals(), IsOk());
    EXPECT_THAT(ReadFile(First()), IsOkAndHolds(whole));
    fs::remove(Mirrored());
    fs::remove(First());
    StopInTheSecondPass();
  }
  fs::remove(First());
  ASSERT_THAT(RunProposals(), IsOk());
  EXPECT_THAT(ReadFile(First()), IsOkAndHolds(whole));
}

// No user can read a link to itself.
TEST_F(ProposalStageTest, AFirstPassThatCannotBeReadNowStays) {
  StopInTheSecondPass();
  const std::string journal = ReadFile(Mirrored() + ".partial").value();
  fs::rename(First(), First() + ".aside");
  fs::create_symlink(First(), First());
  EXPECT_THAT(RunProposals(), StatusIs(absl::StatusCode::kUnavailable, HasSubstr(First())));
  EXPECT_TRUE(fs::is_symlink(First()));
  EXPECT_THAT(ReadFile(Mirrored() + ".partial"), IsOkAndHolds(journal));
}

}  // namespace
}  // namespace rcnn::training
