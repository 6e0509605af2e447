#include "rcnn/training/scheduler/stage_files.h"

#include <filesystem>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/testing/fresh_directory.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/training/testing/sample_experiment.h"

namespace rcnn::training {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr size_t kLarge = 5 << 20;  // has no second copy

class StageFilesTest : public testing::Test {
 protected:
  StageFilesTest()
      : run_(FreshDirectory()),
        stage_(run_ + "/stages/1_rpn1"),
        planned_(PlanStages(SampleExperiment(), {})[0]) {
    fs::create_directories(stage_);
    Put("model.safetensors", std::string(kLarge, 'w'));
    Put("metrics.jsonl", "{\"iteration\": 1}\n");
    EXPECT_THAT(WriteKeyFile(stage_, KeyText(planned_)), IsOk());
  }

  void Put(const std::string& name, const std::string& bytes) {
    ASSERT_THAT(WriteFileAtomically(stage_ + "/" + name, bytes), IsOk());
  }

  std::string Get(const std::string& name) const {
    return ReadFile(stage_ + "/" + name).value_or("cannot be read");
  }

  void Flip(const std::string& name, size_t bit) {
    std::string bytes = Get(name);
    bytes[bit / 8] ^= static_cast<char>(1 << bit % 8);
    Put(name, bytes);
  }

  void Record() {
    ASSERT_THAT(RecordStageFiles(stage_, planned_.key, {"model.safetensors", "metrics.jsonl"}),
                IsOk());
  }

  StageFiles Check() {
    absl::StatusOr<StageFiles> files = CheckStageFiles(stage_, {run_});
    EXPECT_THAT(files, IsOk());
    return files.ok() ? *files : StageFiles();
  }

  std::map<std::string, std::string> AllFiles() const {
    std::map<std::string, std::string> files;
    for (const auto& entry : fs::recursive_directory_iterator(stage_)) {
      const std::string name = fs::relative(entry.path(), stage_);
      if (entry.is_regular_file()) files[name] = Get(name);
    }
    return files;
  }

  const std::string run_, stage_;
  const PlannedStage planned_;
};

TEST_F(StageFilesTest, WhatWasRecordedIsWhole) {
  Record();
  const StageFiles files = Check();
  EXPECT_TRUE(files.IsWhole());
  EXPECT_FALSE(files.NeedsRepair());
  EXPECT_THAT(files.Notices(), IsEmpty());
  EXPECT_EQ(files.record.files.at("metrics.jsonl"), Digest("{\"iteration\": 1}\n"));
  EXPECT_TRUE(fs::exists(stage_ + "/copies/metrics.jsonl"));
  EXPECT_FALSE(fs::exists(stage_ + "/copies/model.safetensors"));
}

// Any bit of any small file, its second copy and the records included.
TEST_F(StageFilesTest, AFlippedBitOfASmallFileIsRepaired) {
  Record();
  const auto before = AllFiles();
  std::mt19937 draw(7);
  for (const auto& [name, bytes] : before) {
    if (bytes.size() == kLarge) continue;
    for (int i = 0; i < 20; ++i) {
      Flip(name, draw() % (8 * bytes.size()));
      const StageFiles files = Check();
      EXPECT_TRUE(files.IsWhole()) << name;
      ASSERT_TRUE(files.NeedsRepair()) << name;
      EXPECT_THAT(files.Notices(), ElementsAre(HasSubstr(name))) << name;
      ASSERT_THAT(RepairStageFiles(stage_, files), IsOk());
      EXPECT_EQ(AllFiles(), before) << name;
    }
  }
}

TEST_F(StageFilesTest, AMissingSmallFileIsRepaired) {
  Record();
  const auto before = AllFiles();
  fs::remove(stage_ + "/metrics.jsonl");
  ASSERT_TRUE(Check().NeedsRepair());
  ASSERT_THAT(RepairStageFiles(stage_, Check()), IsOk());
  fs::remove_all(stage_ + "/copies");
  EXPECT_THAT(Check().Notices(), IsEmpty()) << "copies are made, without a message";
  ASSERT_THAT(RepairStageFiles(stage_, Check()), IsOk());
  EXPECT_EQ(AllFiles(), before);
}

// 20 MB of junk, more than a record may have.
TEST_F(StageFilesTest, ARecordThatIsTooLargeIsRepaired) {
  Record();
  const auto before = AllFiles();
  for (const char* name : {"DONE", "key.txt", "copies/record.json", "copies/key.txt"}) {
    Put(name, std::string(20'000'000, 'j'));
    const StageFiles files = Check();
    ASSERT_TRUE(files.NeedsRepair()) << name;
    EXPECT_THAT(files.Notices(), ElementsAre(HasSubstr(name))) << name;
    ASSERT_THAT(RepairStageFiles(stage_, files), IsOk()) << name;
    EXPECT_TRUE(AllFiles() == before) << name;
  }
}

TEST_F(StageFilesTest, ALostRecordIsRestoredIfAllElseIsIntact) {
  Record();
  const auto before = AllFiles();
  fs::remove(stage_ + "/DONE");
  EXPECT_THAT(IsStageFinished(stage_, {run_}), IsOkAndHolds(true));
  EXPECT_THAT(Check().Notices(),
              ElementsAre(AllOf(HasSubstr("/DONE"), HasSubstr("copies/record.json"))));
  ASSERT_THAT(RepairStageFiles(stage_, Check()), IsOk());
  EXPECT_EQ(AllFiles(), before);
  fs::remove(stage_ + "/DONE");
  Flip("model.safetensors", 12345678);
  EXPECT_THAT(IsStageFinished(stage_, {run_}), IsOkAndHolds(false));
  Flip("model.safetensors", 12345678);
  Flip("copies/record.json", 200);
  EXPECT_THAT(IsStageFinished(stage_, {run_}), IsOkAndHolds(false));
  Flip("copies/record.json", 200);
  EXPECT_THAT(IsStageFinished(stage_, {run_}), IsOkAndHolds(true));
  ASSERT_THAT(RemoveStageRecord(stage_), IsOk());
  EXPECT_THAT(IsStageFinished(stage_, {run_}), IsOkAndHolds(false));
}

// A record of an earlier version, whose files have no checksums.
TEST_F(StageFilesTest, ACopyOfTheRecordHasASeal) {
  Record();
  fs::remove(stage_ + "/DONE");
  for (const char* const text :
       {"{\"format\": 1}", "{\"format\": 1, \"files\": [\"model.safetensors\"]}"}) {
    Put("copies/record.json", text);
    EXPECT_THAT(CheckStageFiles(stage_, {run_}), StatusIs(absl::StatusCode::kDataLoss));
    EXPECT_THAT(IsStageFinished(stage_, {run_}), IsOkAndHolds(false));
  }
}

// A rename does not replace a folder.
TEST_F(StageFilesTest, AFolderInTheFilesPlaceIsReplaced) {
  Record();
  const auto before = AllFiles();
  for (const char* name :
       {"metrics.jsonl", "DONE", "key.txt", "copies/metrics.jsonl", "copies/record.json"}) {
    const std::string path = absl::StrCat(stage_, "/", name);
    fs::remove(path);
    fs::create_directories(path + "/inner");
    const StageFiles files = Check();
    ASSERT_TRUE(files.NeedsRepair()) << name;
    ASSERT_THAT(RepairStageFiles(stage_, files), IsOk()) << name;
    EXPECT_EQ(AllFiles(), before) << name;
  }
  fs::remove_all(stage_ + "/copies");
  Put("copies", "a file");
  ASSERT_THAT(RepairStageFiles(stage_, Check()), IsOk());
  EXPECT_EQ(AllFiles(), before);
}

// Of what a link in the place of the second copies leads to, nothing is read, written or deleted.
TEST_F(StageFilesTest, ALinkInThePlaceOfTheCopiesIsReplacedAndNotFollowed) {
  Record();
  const auto before = AllFiles();
  const std::string foreign = run_ + "/foreign", copies = stage_ + "/copies";
  for (const std::string& target : {foreign, run_ + "/nowhere"}) {
    fs::remove_all(copies);
    fs::remove_all(foreign);
    for (const char* name : {"metrics.jsonl", "record.json", "key.txt"}) {
      fs::create_directories(foreign);
      ASSERT_THAT(WriteFileAtomically(absl::StrCat(foreign, "/", name), "mine"), IsOk());
    }
    fs::create_directory_symlink(target, copies);
    const StageFiles files = Check();
    ASSERT_TRUE(files.NeedsRepair());
    EXPECT_THAT(files.Notices(), ElementsAre(HasSubstr(copies + " is a link, not a folder")));
    ASSERT_THAT(RepairStageFiles(stage_, files), IsOk());
    EXPECT_EQ(AllFiles(), before);
    EXPECT_FALSE(fs::is_symlink(copies));
    for (const char* name : {"metrics.jsonl", "record.json", "key.txt"}) {
      EXPECT_THAT(ReadFile(absl::StrCat(foreign, "/", name)), IsOkAndHolds("mine")) << name;
    }
    EXPECT_FALSE(fs::exists(run_ + "/nowhere"));
  }
}

// The intact copies of a stage, moved elsewhere.
TEST_F(StageFilesTest, ASecondCopyBehindALinkDoesNotCount) {
  Record();
  const std::string copies = stage_ + "/copies", foreign = run_ + "/foreign";
  fs::rename(copies, foreign);
  fs::create_directory_symlink(foreign, copies);
  Flip("metrics.jsonl", 3);
  EXPECT_FALSE(Check().IsWhole());
  fs::remove(stage_ + "/DONE");
  EXPECT_THAT(IsStageFinished(stage_, {}), IsOkAndHolds(false));
  fs::remove(stage_ + "/key.txt");
  EXPECT_FALSE(ReadStageKey(stage_)->recorded.has_value());
  ASSERT_THAT(RemoveStageRecord(stage_), IsOk());
  EXPECT_TRUE(fs::exists(foreign + "/record.json"));
}

TEST_F(StageFilesTest, ALargeFileIsRepairedFromTheTopIfThatIsWhole) {
  Record();
  const auto before = AllFiles();
  fs::copy_file(stage_ + "/model.safetensors", run_ + "/model.safetensors");
  Flip("model.safetensors", 12345678);
  EXPECT_THAT(Check().Notices(),
              ElementsAre(AllOf(HasSubstr("stages/1_rpn1/model.safetensors is damaged"),
                                HasSubstr("an intact copy is " + run_ + "/model.safetensors"))));
  ASSERT_THAT(RepairStageFiles(stage_, Check()), IsOk());
  EXPECT_EQ(AllFiles(), before);
}

TEST_F(StageFilesTest, ALargeFileWithoutAWholeCopyIsDamaged) {
  Record();
  Flip("model.safetensors", 12345678);
  fs::copy_file(stage_ + "/model.safetensors", run_ + "/model.safetensors");
  const StageFiles files = Check();
  EXPECT_FALSE(files.IsWhole());
  EXPECT_FALSE(files.NeedsRepair());
  EXPECT_THAT(files.Problem(), HasSubstr("model.safetensors is damaged"));
  // Neither is a link to itself a copy.
  fs::remove(run_ + "/model.safetensors");
  fs::create_symlink(run_ + "/model.safetensors", run_ + "/model.safetensors");
  EXPECT_FALSE(Check().IsWhole());
}

TEST_F(StageFilesTest, WithoutARecordThatIsWholeNothingIsKnown) {
  Record();
  Flip("DONE", 100);
  Flip("copies/record.json", 200);
  EXPECT_THAT(CheckStageFiles(stage_, {}),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("DONE is damaged")));
}

TEST_F(StageFilesTest, ARecordOfAnotherKeyIsRefused) {
  ASSERT_THAT(RecordStageFiles(stage_, "0123", {"metrics.jsonl"}), IsOk());
  EXPECT_THAT(CheckStageFiles(stage_, {}),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("another key")));
}

// As stages were finished before there were seals, and before there were checksums.
TEST_F(StageFilesTest, StagesFromBeforeAreAdopted) {
  const std::string digests =
      absl::StrCat("{\"model.safetensors\": {\"size\": ", kLarge, ", \"crc32c\": \"",
                   absl::Hex(Digest(Get("model.safetensors")).crc32c, absl::kZeroPad8), "\"}}");
  for (const std::string& fields :
       {absl::StrCat(", \"files\": ", digests),
        absl::StrCat(", \"files\": {\"model.safetensors\": {\"size\": ", kLarge, "}}"),
        std::string(", \"files\": [\"model.safetensors\"]"), std::string()}) {
    fs::remove_all(stage_ + "/copies");
    Put("DONE", absl::StrCat("{\"format\": 1, \"key\": \"", planned_.key, "\"", fields, "}"));
    const StageFiles files = Check();
    EXPECT_TRUE(files.IsWhole()) << fields;
    ASSERT_TRUE(files.NeedsRepair()) << fields;
    ASSERT_THAT(RepairStageFiles(stage_, files), IsOk());
    EXPECT_FALSE(Check().NeedsRepair()) << fields;
    EXPECT_EQ(Check().record.files.size(), 2u) << fields;
    Flip("model.safetensors", 3);
    EXPECT_FALSE(Check().IsWhole()) << fields;
    Flip("model.safetensors", 3);
  }
}

TEST_F(StageFilesTest, AChecksumFromBeforeIsBelieved) {
  Put("DONE", absl::StrCat("{\"format\": 1, \"key\": \"", planned_.key,
                           "\", \"files\": {\"model.safetensors\": {\"size\": ", kLarge,
                           ", \"crc32c\": \"00000001\"}}}"));
  EXPECT_FALSE(Check().IsWhole());
}

TEST_F(StageFilesTest, TheKeyComesFromItsCopyIfNeedBe) {
  Record();
  Flip("key.txt", 99);
  const absl::StatusOr<StageKey> key = ReadStageKey(stage_);
  ASSERT_THAT(key, IsOk());
  EXPECT_EQ(key->source, stage_ + "/copies/key.txt");
  EXPECT_EQ(key->recorded->key, planned_.key);
  EXPECT_THAT(key->problem, HasSubstr("key.txt"));
  fs::remove_all(stage_ + "/copies");
  fs::remove(stage_ + "/DONE");
  EXPECT_FALSE(ReadStageKey(stage_)->recorded.has_value());
  fs::remove(stage_ + "/key.txt");
  EXPECT_FALSE(ReadStageKey(stage_)->recorded.has_value());
  EXPECT_EQ(ReadStageKey(stage_)->problem, "");
}

TEST_F(StageFilesTest, ALostKeyIsRestoredFromASealedRecord) {
  Record();
  const auto before = AllFiles();
  for (const char* record : {"DONE", "copies/record.json"}) {
    SCOPED_TRACE(record);
    fs::remove(stage_ + "/key.txt");
    Put("copies/key.txt", "key: 00\n");
    if (std::string(record) != "DONE") fs::remove(stage_ + "/DONE");
    const absl::StatusOr<StageKey> key = ReadStageKey(stage_);
    ASSERT_THAT(key, IsOk());
    ASSERT_TRUE(key->recorded.has_value());
    EXPECT_EQ(key->recorded->key, planned_.key);
    EXPECT_EQ(key->source, absl::StrCat(stage_, "/", record));
    EXPECT_THAT(IsStageFinished(stage_, {run_}), IsOkAndHolds(true));
    ASSERT_TRUE(Check().NeedsRepair());
    // Without the parts nobody can write it.
    ASSERT_THAT(RepairStageFiles(stage_, Check()), IsOk());
    EXPECT_FALSE(fs::exists(stage_ + "/key.txt"));
    ASSERT_TRUE(Check().NeedsRepair());
    ASSERT_THAT(RepairStageFiles(stage_, Check(), KeyText(planned_)), IsOk());
    EXPECT_EQ(AllFiles(), before);
    EXPECT_FALSE(Check().NeedsRepair());
  }
  // An unsealed record may be of any key.
  fs::remove(stage_ + "/key.txt");
  fs::remove_all(stage_ + "/copies");
  Put("DONE", absl::StrCat("{\"format\": 1, \"key\": \"", planned_.key, "\"}"));
  EXPECT_FALSE(ReadStageKey(stage_)->recorded.has_value());
}

TEST_F(StageFilesTest, AnOutputThatIsMissingIsNotRecorded) {
  EXPECT_THAT(RecordStageFiles(stage_, planned_.key, {"none"}),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("/none")));
  EXPECT_FALSE(fs::exists(stage_ + "/DONE"));
}

// No user can read a link to itself.
TEST_F(StageFilesTest, AFileThatCannotBeReadNowIsNotDamaged) {
  Record();
  for (const char* name : {"model.safetensors", "DONE", "key.txt", "copies/metrics.jsonl"}) {
    const std::string path = absl::StrCat(stage_, "/", name);
    fs::rename(path, path + ".aside");
    fs::create_symlink(path, path);
    EXPECT_THAT(CheckStageFiles(stage_, {}),
                StatusIs(absl::StatusCode::kUnavailable, HasSubstr(path)))
        << name;
    fs::rename(path + ".aside", path);
  }
  EXPECT_FALSE(Check().NeedsRepair());
}

}  // namespace
}  // namespace rcnn::training
