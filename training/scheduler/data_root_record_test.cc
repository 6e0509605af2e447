#include "rcnn/training/scheduler/data_root_record.h"

#include <filesystem>
#include <string>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/testing/fresh_directory.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/training/stages/experiment_run.h"

namespace rcnn::training {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;

class DataRootRecordTest : public testing::Test {
 protected:
  DataRootRecordTest() : directory_(FreshDirectory()) {
    for (const char* folder : {"/run", "/cells", "/leaves"}) {
      fs::create_directories(directory_ + folder);
    }
  }

  ExperimentRun RunOn(const std::string& folder) const {
    ExperimentRun run;
    run.data_root = directory_ + folder;
    return run;
  }

  const std::string directory_;
};

TEST_F(DataRootRecordTest, IsThePathWithoutDots) {
  ASSERT_THAT(RecordDataRoot(RunOn("/leaves/../cells"), directory_ + "/run"), IsOk());
  EXPECT_THAT(ReadFile(directory_ + "/run/data_root.txt"),
              IsOkAndHolds(fs::canonical(directory_ + "/cells").string() + "\n"));
}

TEST_F(DataRootRecordTest, IsWrittenOnlyIfItChanges) {
  ExperimentRun run = RunOn("/cells");
  run.may_write = [] { return absl::FailedPreconditionError("moved"); };
  const auto refused = StatusIs(absl::StatusCode::kFailedPrecondition, "moved");
  EXPECT_THAT(RecordDataRoot(run, directory_ + "/run"), refused);
  EXPECT_FALSE(fs::exists(directory_ + "/run/data_root.txt"));
  ASSERT_THAT(RecordDataRoot(RunOn("/cells"), directory_ + "/run"), IsOk());
  EXPECT_THAT(RecordDataRoot(run, directory_ + "/run"), IsOk());
  run.data_root = directory_ + "/leaves";
  EXPECT_THAT(RecordDataRoot(run, directory_ + "/run"), refused);
}

// No user can follow a link to itself. It may lead to the folder of the record.
TEST_F(DataRootRecordTest, AFolderThatCannotBeExaminedNowIsNotAnother) {
  const std::string path = directory_ + "/run";
  ASSERT_THAT(RecordDataRoot(RunOn("/cells"), path), IsOk());
  const std::string before = ReadFile(path + "/data_root.txt").value();
  fs::create_symlink("loop", directory_ + "/loop");
  const auto is_named =
      StatusIs(absl::StatusCode::kUnavailable,
               HasSubstr("--data_root: cannot access " + directory_ + "/loop: Too many levels"));
  EXPECT_THAT(CheckDataRoot(RunOn("/loop"), path, "rpn1"), is_named);
  EXPECT_THAT(RecordDataRoot(RunOn("/loop"), path), is_named);
  EXPECT_THAT(ReadFile(path + "/data_root.txt"), IsOkAndHolds(before));
}

TEST_F(DataRootRecordTest, RefusesToReplaceResultsOfAnotherFolder) {
  const std::string path = directory_ + "/run";
  EXPECT_THAT(CheckDataRoot(RunOn("/leaves"), path, "rpn1"), IsOk()) << "nothing is recorded";
  ASSERT_THAT(RecordDataRoot(RunOn("/cells"), path), IsOk());
  EXPECT_THAT(CheckDataRoot(RunOn("/leaves"), path, "rpn1"),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       AllOf(HasSubstr(path + " holds results for other data"),
                             HasSubstr("/cells, and stage rpn1 would replace them"),
                             HasSubstr("--run_dir"))));
  EXPECT_THAT(CheckDataRoot(RunOn("/leaves"), path, ""), IsOk()) << "nothing is replaced";
  EXPECT_THAT(CheckDataRoot(RunOn("/cells"), path, "rpn1"), IsOk()) << "data may change there";
}

}  // namespace
}  // namespace rcnn::training
