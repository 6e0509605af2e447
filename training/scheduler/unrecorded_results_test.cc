#include "rcnn/training/scheduler/unrecorded_results.h"

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/testing/fresh_directory.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/training/scheduler/published_results.h"
#include "rcnn/training/scheduler/stage_files.h"
#include "rcnn/training/scheduler/stage_plan.h"
#include "rcnn/training/testing/sample_experiment.h"

namespace rcnn::training {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kStagesJson[] = "{\"ap\": 0.5}";
constexpr char kTopsJson[] = "{\"ap\": 0.6}";

class UnrecordedResultsTest : public testing::Test {
 protected:
  UnrecordedResultsTest()
      : run_(FreshDirectory()),
        stage_(run_ + "/stages/7_final"),
        planned_(PlanStages(SampleExperiment(), {})[6]) {
    fs::create_directories(stage_);
    EXPECT_THAT(WriteKeyFile(stage_, KeyText(planned_)), IsOk());
    fs::remove_all(stage_ + "/copies");
    Put("stages/7_final/DONE", absl::StrCat("{\"format\": 1, \"key\": \"", planned_.key,
                                            "\", \"files\": [\"metrics.json\"]}"));
  }

  void Put(const std::string& name, const std::string& bytes) {
    ASSERT_THAT(WriteFileAtomically(run_ + "/" + name, bytes), IsOk());
  }

  std::string Get(const std::string& name) const {
    return ReadFile(run_ + "/" + name).value_or("cannot be read");
  }

  // What the scheduler does with such a stage.
  std::vector<std::string> Adopt() {
    const auto notices = SettleUnrecordedResults(stage_, run_);
    EXPECT_THAT(notices, IsOk());
    const auto files = CheckStageFiles(stage_, {run_});
    EXPECT_THAT(files, IsOk());
    EXPECT_THAT(RepairStageFiles(stage_, *files), IsOk());
    EXPECT_THAT(PublishResults(stage_, run_), IsOkAndHolds(IsEmpty())) << "nothing is replaced";
    EXPECT_EQ(Get("metrics.json"), Get("stages/7_final/metrics.json"));
    return notices.value_or(std::vector<std::string>());
  }

  const std::string run_, stage_;
  const PlannedStage planned_;
};

TEST_F(UnrecordedResultsTest, EqualAndMissingCopiesNeedNoNotice) {
  Put("stages/7_final/metrics.json", kStagesJson);
  EXPECT_THAT(Adopt(), IsEmpty());
  EXPECT_THAT(Adopt(), IsEmpty());
}

// One flipped bit in either of them.
TEST_F(UnrecordedResultsTest, TwoThatDifferAreBothKept) {
  Put("stages/7_final/metrics.json", kStagesJson);
  Put("metrics.json", kTopsJson);
  EXPECT_THAT(Adopt(), ElementsAre(AllOf(HasSubstr("7_final/metrics.json and "),
                                         HasSubstr("now " + run_ + "/metrics.json.before"),
                                         ::testing::Not(HasSubstr("restored")))));
  EXPECT_EQ(Get("metrics.json"), kStagesJson);
  EXPECT_EQ(Get("metrics.json.before"), kTopsJson);
  EXPECT_THAT(Adopt(), IsEmpty()) << "the checksum is recorded now";
}

TEST_F(UnrecordedResultsTest, TheOneThatCanBeReadIsUsed) {
  Put("stages/7_final/metrics.json", "{\"ap\": 0.");
  Put("metrics.json", kTopsJson);
  EXPECT_THAT(Adopt(), ElementsAre(HasSubstr("the second one is used")));
  EXPECT_EQ(Get("stages/7_final/metrics.json"), kTopsJson);
  EXPECT_FALSE(fs::exists(run_ + "/metrics.json.before"));
}

TEST_F(UnrecordedResultsTest, ACopyThatCannotBeReadIsNotUsed) {
  Put("stages/7_final/metrics.json", kStagesJson);
  Put("metrics.json", "");
  EXPECT_THAT(Adopt(), ElementsAre(HasSubstr("the first one is used")));
  EXPECT_EQ(Get("metrics.json"), kStagesJson);
  EXPECT_EQ(Get("metrics.json.before"), "");
}

TEST_F(UnrecordedResultsTest, NothingIsDestroyedIfNeitherCanBeRead) {
  Put("stages/7_final/metrics.json", "{");
  Put("metrics.json", "[");
  EXPECT_THAT(Adopt(), ElementsAre(HasSubstr("neither can be read")));
  EXPECT_EQ(Get("metrics.json"), "{");
  EXPECT_EQ(Get("metrics.json.before"), "[");
}

// Each kind of file: a whole one at the top, one that was cut off in the stage.
TEST_F(UnrecordedResultsTest, KnowsWhatWasCutOff) {
  Put("stages/7_final/metrics.json", kStagesJson);
  const std::string header = "{\"x\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[0,3]}}   ";
  ASSERT_EQ(header.size() % 8, 0u);
  const std::string length =
      std::string(1, static_cast<char>(header.size())) + std::string(7, '\0');
  const std::string jpeg = "\xff\xd8 pixels \xff\xd9", html = "<html>results</html>\n";
  const std::map<std::string, std::string> files = {{"contact_sheet.jpg", jpeg},
                                                    {"report.html", html},
                                                    {"model.safetensors", length + header + "abc"}};
  for (const auto& [name, whole] : files) {
    Put("stages/7_final/" + name, whole.substr(0, whole.size() - 2));
    Put(name, whole);
    EXPECT_THAT(SettleUnrecordedResults(stage_, run_),
                IsOkAndHolds(ElementsAre(HasSubstr("the second one is used"))))
        << name;
    EXPECT_EQ(Get("stages/7_final/" + name), whole);
  }
}

TEST_F(UnrecordedResultsTest, ARecordedChecksumDecidesAlone) {
  Put("stages/7_final/metrics.json", kStagesJson);
  ASSERT_THAT(RecordStageFiles(stage_, planned_.key, {"metrics.json"}), IsOk());
  Put("metrics.json", kTopsJson);
  EXPECT_THAT(SettleUnrecordedResults(stage_, run_), IsOkAndHolds(IsEmpty()));
  EXPECT_EQ(Get("metrics.json"), kTopsJson);
}

}  // namespace
}  // namespace rcnn::training
