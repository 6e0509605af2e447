// Tests through RunDirectory::Open, which asks whose run a directory is.

#include "rcnn/training/scheduler/run_owner.h"

#include <filesystem>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/training/scheduler/run_directory.h"
#include "rcnn/training/scheduler/run_directory_fixture.h"
#include "rcnn/training/testing/sample_experiment.h"

namespace rcnn::training {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class RunOwnerTest : public RunDirectoryFixture {};

TEST_F(RunOwnerTest, RejectsAnotherExperiment) {
  Open();
  const std::string before = *ReadFile(path_ + "/experiment.textproto");
  const absl::Status status = OpenError({"name=other"});
  EXPECT_THAT(status,
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("of the experiment \"sample\", but this one is \"other\"")));
  EXPECT_EQ(*ReadFile(path_ + "/experiment.textproto"), before);
  Open({"seed=9"});
}

TEST_F(RunOwnerTest, RejectsADirectoryOfOtherFiles) {
  Put(path_ + "/thesis.tex", "years of work");
  EXPECT_THAT(OpenError(),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       AllOf(HasSubstr("thesis.tex"), HasSubstr("is not a run directory"))));
  EXPECT_FALSE(fs::exists(path_ + "/LOCK"));
}

TEST_F(RunOwnerTest, RejectsAFileAndADamagedExperiment) {
  Put(path_, "x");
  EXPECT_THAT(OpenError(),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("is not a directory")));
  fs::remove(path_);
  Put(path_ + "/experiment.textproto", "name: \"sample\" nonsense");
  EXPECT_THAT(OpenError(),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("experiment.textproto is damaged")));
  Put(path_ + "/experiment.textproto", "name: \"sample\" of_another_version: { x: 1 }");
  Open();
}

TEST_F(RunOwnerTest, ADamagedExperimentIsRestoredFromItsSecondCopy) {
  const std::string record = path_ + "/experiment.textproto", copy = path_ + "/copies/";
  {
    RunDirectory run = Open();
    EXPECT_THAT(run.notices(), IsEmpty());
    RunStage(run, Plan()[0], "12345");
  }
  const std::string text = *ReadFile(record), second = *ReadFile(copy + "experiment.textproto");
  for (const std::string& damaged : {std::string("name: \"samplE\""), std::string("nonsense")}) {
    Put(record, damaged);
    EXPECT_THAT(CheckUsableRunDirectory(path_), IsOk());
    EXPECT_THAT(OpenError({"name=samplE"}),
                StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("\"sample\"")));
    EXPECT_THAT(Open().notices(),
                ElementsAre(AllOf(HasSubstr(record), HasSubstr("an intact copy is " + copy))));
    EXPECT_THAT(ReadFile(record), IsOkAndHolds(text));
  }
  fs::remove(record);
  EXPECT_THAT(CheckUsableRunDirectory(path_), IsOk());
  EXPECT_THAT(Open().notices(), ElementsAre(HasSubstr("experiment.textproto is missing")));
  EXPECT_THAT(ReadFile(record), IsOkAndHolds(text));
  Put(copy + "experiment.textproto", "nonsense");
  EXPECT_THAT(Open().notices(), ElementsAre(HasSubstr("copies/experiment.textproto is damaged")));
  EXPECT_THAT(ReadFile(copy + "experiment.textproto"), IsOkAndHolds(second));
  // As an earlier version left it.
  fs::remove_all(copy);
  EXPECT_THAT(Open().notices(), IsEmpty());
  EXPECT_THAT(ReadFile(copy + "experiment.textproto"), IsOkAndHolds(second));
  EXPECT_TRUE(Status(Open(), Plan()[0]).done);
}

TEST_F(RunOwnerTest, WithoutARecordedExperimentTheStagesTellWhoseRunItIs) {
  const std::string record = path_ + "/experiment.textproto", copies = path_ + "/copies";
  {
    RunDirectory run = Open();
    RunStage(run, Plan()[0], "12345");
  }
  const std::string text = *ReadFile(record);
  for (const std::string& damaged :
       {std::string("name: \"samplE\""), std::string("nonsense"), std::string()}) {
    SCOPED_TRACE(damaged);
    fs::remove_all(copies);
    fs::remove(record);
    if (!damaged.empty()) Put(record, damaged);
    EXPECT_THAT(CheckUsableRunDirectory(path_), IsOk());
    // With other stages nobody can tell.
    const std::vector<std::string> edit = {"model.rpn.channels=64"};
    const absl::Status refused =
        RunDirectory::Open(path_, SampleExperiment(edit), Plan(edit)).status();
    EXPECT_THAT(refused, AnyOf(StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr(path_)),
                               StatusIs(absl::StatusCode::kDataLoss, HasSubstr(record))));
    EXPECT_THAT(std::string(refused.message()), Not(HasSubstr("delete")));
    EXPECT_FALSE(fs::exists(copies));
    EXPECT_THAT(RunDirectory::OpenReadOnly(path_, SampleExperiment(), Plan()), IsOk());
    EXPECT_FALSE(fs::exists(copies));
    const auto run = RunDirectory::Open(path_, SampleExperiment(), Plan());
    ASSERT_THAT(run, IsOk());
    EXPECT_THAT(run->notices(), ElementsAre(AllOf(HasSubstr("experiment.textproto"),
                                                  HasSubstr("those of this experiment"))));
    EXPECT_TRUE(Status(*run, Plan()[0]).done);
    EXPECT_THAT(ReadFile(record), IsOkAndHolds(text));
    EXPECT_TRUE(fs::exists(copies + "/experiment.textproto"));
  }
}

TEST_F(RunOwnerTest, AnExperimentThatIsNestedDeeplyIsDamaged) {
  for (const char* const part : {"x {", "x <", "x: [", "s: \"\n\" x {"}) {
    std::string text = "name: \"sample\" ";
    for (int i = 0; i < 200'000; ++i) text += part;
    Put(path_ + "/experiment.textproto", text);
    EXPECT_THAT(OpenError(), StatusIs(absl::StatusCode::kDataLoss,
                                      HasSubstr("experiment.textproto is damaged")));
  }
  // As many messages one after the other are not nested.
  std::string text = "name: \"sample\" ";
  for (int i = 0; i < 1000; ++i) text += "x { y { text: \"{{{\" } }  # {\n";
  Put(path_ + "/experiment.textproto", text);
  Open();
}

TEST_F(RunOwnerTest, AcceptsAnEmptyOrJustStartedDirectory) {
  fs::create_directories(path_);
  Put(path_ + "/LOCK", "");
  Put(path_ + "/experiment.textproto.tmp-1-0", "");
  Put(path_ + "/plan.textproto", "");
  Put(path_ + "/split.unfinished/train.txt", "");
  EXPECT_THAT(CheckUsableRunDirectory(path_), IsOk());
  Open();
}

TEST_F(RunOwnerTest, AStageThatIsALinkIsRefused) {
  const std::string stage = path_ + "/stages/1_rpn1", foreign = path_ + "_foreign";
  const auto refused =
      StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr(stage + " is a link"));
  {
    RunDirectory run = Open();
    RunStage(run, Plan()[0], "12345");
    Put(stage + "/mine.tmp-1-2", "mine");
    fs::rename(stage, foreign);
    fs::create_directory_symlink(foreign, stage);
    EXPECT_THAT(run.Begin(Plan()[0]), refused);
  }
  EXPECT_THAT(OpenError(), refused);
  EXPECT_THAT(RunDirectory::OpenReadOnly(path_, SampleExperiment()).status(), refused);
  EXPECT_THAT(ReadFile(foreign + "/mine.tmp-1-2"), IsOkAndHolds("mine"));
  EXPECT_TRUE(fs::exists(foreign + "/DONE"));
  // All stages may lie on another disk.
  fs::remove(stage);
  fs::rename(foreign, stage);
  fs::rename(path_ + "/stages", foreign);
  fs::create_directory_symlink(foreign, path_ + "/stages");
  const RunDirectory run = Open();
  EXPECT_TRUE(Status(run, Plan()[0]).done);
}

}  // namespace
}  // namespace rcnn::training
