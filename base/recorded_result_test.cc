#include "rcnn/base/recorded_result.h"

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/experiment_copy.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/stage_record.h"
#include "rcnn/base/temporary_directory.h"
#include "rcnn/base/testing/status_matchers.h"

namespace rcnn {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kModel[] = "model.safetensors";

// A run with a finished training and a finished evaluation, whose results are at its top.
class RecordedResultTest : public ::testing::Test {
 protected:
  void SetUp() override {
    WriteStage("1_joint", {{kModel, "trained"}});
    WriteStage("2_final", {{"detections.json", "[]"}, {kModel, "published"}});
    Put(kModel, "published");
  }

  std::string Path(const std::string& name) const { return run_.path() + "/" + name; }

  void Put(const std::string& name, absl::string_view text) {
    const std::string path = Path(name);
    ASSERT_THAT(CreateDirectories(path.substr(0, path.rfind('/'))), IsOk());
    ASSERT_THAT(WriteFileAtomically(path, text), IsOk());
  }

  void WriteStage(const std::string& stage,
                  const std::vector<std::pair<std::string, std::string>>& files) {
    StageRecord record;
    record.key = "0123456789abcdef0123456789abcdef";
    for (const auto& [name, text] : files) {
      record.files[name] = Digest(text);
      Put("stages/" + stage + "/" + name, text);
    }
    Put("stages/" + stage + "/DONE", StageRecordText(record));
    Put("stages/" + stage + "/copies/record.json", StageRecordText(record));
  }

  void ExpectDamage(const std::string& name) {
    EXPECT_THAT(CheckRecordedResult(Path(name)),
                StatusIs(absl::StatusCode::kDataLoss,
                         AllOf(HasSubstr(Path(name)), HasSubstr("is damaged or was edited"),
                               HasSubstr("restores it"), HasSubstr("outside the run"))));
  }

  const TemporaryDirectory run_{"recorded_result_test"};
};

TEST_F(RecordedResultTest, WholeFilesPass) {
  for (const char* name : {"model.safetensors", "stages/1_joint/model.safetensors",
                           "stages/2_final/model.safetensors", "stages/2_final/detections.json"}) {
    EXPECT_THAT(CheckRecordedResult(Path(name)), IsOk()) << name;
  }
  EXPECT_THAT(FindRecordedDigests(Path(kModel)), IsOkAndHolds(ElementsAre(Digest("published"))));
}

TEST_F(RecordedResultTest, AFlippedBitIsNoticed) {
  Put(kModel, "publishee");
  ExpectDamage(kModel);
  Put("stages/1_joint/model.safetensors", "trainee");
  ExpectDamage("stages/1_joint/model.safetensors");
}

// Another stage has it, but no evaluation that publishes.
TEST_F(RecordedResultTest, TheResultOfATrainingIsNotAPublishedOne) {
  Put(kModel, "trained");
  ExpectDamage(kModel);
}

TEST_F(RecordedResultTest, AResultThatIsKeptAsideMayBePublished) {
  WriteStage("2_final.previous", {{"detections.json", "[]"}, {kModel, "earlier"}});
  Put(kModel, "earlier");
  EXPECT_THAT(CheckRecordedResult(Path(kModel)), IsOk());
  WriteStage("2_final.removed", {{"detections.json", "[]"}, {kModel, "older"}});
  Put(kModel, "older");
  ExpectDamage(kModel);
}

TEST_F(RecordedResultTest, TheSecondCopyOfADamagedRecordIsUsed) {
  Put("stages/2_final/DONE", "{");
  Put(kModel, "publishee");
  ExpectDamage(kModel);
  Put("stages/2_final/copies/record.json", "{");
  EXPECT_THAT(FindRecordedDigests(Path(kModel)), IsOkAndHolds(IsEmpty()));
}

TEST_F(RecordedResultTest, AnExperimentIsComparedWithItsSecondCopy) {
  const std::string file = "experiment.textproto", copy = "copies/experiment.textproto";
  const std::string text = "name: \"cells\"\nseed: 5\n", edited = "name: \"cells\"\nseed: 4\n";
  Put(file, edited);
  EXPECT_THAT(FindRecordedDigests(Path(file)), IsOkAndHolds(IsEmpty()));
  Put(copy, ExperimentCopyText(text));
  ExpectDamage(file);
  Put(file, text);
  EXPECT_THAT(CheckRecordedResult(Path(file)), IsOk());
  Put(copy, ExperimentCopyText(text) + "#");
  EXPECT_THAT(FindRecordedDigests(Path(file)), IsOkAndHolds(IsEmpty()));
  // The copies of another run.
  Put(copy, ExperimentCopyText(edited));
  std::filesystem::rename(Path("copies"), Path("other"));
  std::filesystem::create_directory_symlink("other", Path("copies"));
  EXPECT_THAT(CheckRecordedResult(Path(file)), IsOk());
}

TEST_F(RecordedResultTest, ALinkToAResultIsAResult) {
  Put("elsewhere/notes.txt", "mine");
  std::filesystem::create_symlink(Path(kModel), Path("elsewhere/best.safetensors"));
  std::filesystem::create_symlink("best.safetensors", Path("elsewhere/latest"));
  std::filesystem::create_symlink("nowhere", Path("elsewhere/broken"));
  EXPECT_THAT(CheckRecordedResult(Path("elsewhere/latest")), IsOk());
  EXPECT_THAT(FindRecordedDigests(Path("elsewhere/broken")), IsOkAndHolds(IsEmpty()));
  Put(kModel, "publishee");
  ExpectDamage("elsewhere/best.safetensors");
  ExpectDamage("elsewhere/latest");
}

TEST_F(RecordedResultTest, WithoutAChecksumNothingIsKnown) {
  Put("other/model.safetensors", "anything");
  EXPECT_THAT(CheckRecordedResult(Path("other/model.safetensors")), IsOk());
  Put("my_notes.txt", "of no stage");
  EXPECT_THAT(CheckRecordedResult(Path("my_notes.txt")), IsOk());
  EXPECT_THAT(CheckRecordedResult(Path("absent/x")), IsOk());
  // Of a version without checksums.
  for (const char* text : {R"({"format": 1, "files": ["detections.json", "model.safetensors"]})",
                           R"({"format": 1})"}) {
    Put("stages/2_final/DONE", text);
    EXPECT_THAT(FindRecordedDigests(Path(kModel)), IsOkAndHolds(IsEmpty())) << text;
  }
}

TEST_F(RecordedResultTest, AMissingFileIsNotFound) {
  EXPECT_THAT(CheckRecordedResult(Path("detections.json")), StatusIs(absl::StatusCode::kNotFound));
}

}  // namespace
}  // namespace rcnn
