#include "rcnn/base/stage_record.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/status_matchers.h"

namespace rcnn {
namespace {

using ::testing::HasSubstr;

StageRecord Sample() {
  StageRecord record;
  record.key = "0123456789abcdef0123456789abcdef";
  record.files["model.safetensors"] = FileDigest{123456, 0x9ae0daaf};
  record.files["metrics.jsonl"] = FileDigest{0, 0};
  return record;
}

TEST(StageRecordTest, GivesBackWhatWasWritten) {
  const absl::StatusOr<StageRecord> read = ParseStageRecord(StageRecordText(Sample()));
  ASSERT_THAT(read, IsOk());
  EXPECT_TRUE(read->sealed);
  EXPECT_EQ(read->key, Sample().key);
  EXPECT_EQ(read->files, Sample().files);
}

TEST(StageRecordTest, TellsTheNumberOfProcesses) {
  EXPECT_THAT(StageRecordText(Sample()), ::testing::Not(HasSubstr("processes")));
  StageRecord record = Sample();
  record.processes = 4;
  const absl::StatusOr<StageRecord> read = ParseStageRecord(StageRecordText(record));
  ASSERT_THAT(read, IsOk());
  EXPECT_EQ(read->processes, 4);
  EXPECT_EQ(read->files, record.files);
}

TEST(StageRecordTest, NoFlippedBitPasses) {
  std::string text = StageRecordText(Sample());
  for (size_t bit = 0; bit < 8 * text.size(); ++bit) {
    text[bit / 8] ^= static_cast<char>(1 << bit % 8);
    const absl::StatusOr<StageRecord> read = ParseStageRecord(text);
    EXPECT_THAT(read, StatusIs(absl::StatusCode::kDataLoss, testing::_)) << "bit " << bit << " of\n"
                                                                         << text;
    text[bit / 8] ^= static_cast<char>(1 << bit % 8);
  }
}

TEST(StageRecordTest, NoPartOfTheTextPasses) {
  const std::string text = StageRecordText(Sample());
  for (size_t size = 0; size < text.size(); ++size) {
    EXPECT_THAT(ParseStageRecord(text.substr(0, size)),
                StatusIs(absl::StatusCode::kDataLoss, testing::_))
        << size;
  }
}

TEST(StageRecordTest, ReadsRecordsFromBeforeTheSeal) {
  auto read = ParseStageRecord(
      R"({"format": 1, "key": "ab", "files": {"m": {"size": 3, "crc32c": "0000000f"}}})");
  ASSERT_THAT(read, IsOk());
  EXPECT_FALSE(read->sealed);
  EXPECT_EQ(read->files.at("m"), (FileDigest{3, 15}));
  read = ParseStageRecord(R"({"format": 1, "key": "ab", "files": {"m": {"size": 3}, "n": {}}})");
  ASSERT_THAT(read, IsOk());
  EXPECT_EQ(read->files.at("m"), absl::nullopt);
  EXPECT_EQ(read->files.at("n"), absl::nullopt);
  read = ParseStageRecord(R"({"format": 1, "key": "ab", "files": ["m"]})");
  ASSERT_THAT(read, IsOk());
  EXPECT_EQ(read->files.count("m"), 1u);
  read = ParseStageRecord(R"({"format": 1, "key": "ab"})");
  ASSERT_THAT(read, IsOk());
  EXPECT_FALSE(read->lists_files);
}

// Repairs write files of these names.
TEST(StageRecordTest, NoFileLiesOutsideTheDirectory) {
  for (const std::string& name :
       {std::string("../other/model.safetensors"), std::string("a/../../b"),
        std::string("/etc/passwd"), std::string(""), std::string("m\0n", 3)}) {
    StageRecord record = Sample();
    record.files[name] = FileDigest{1, 2};
    EXPECT_THAT(ParseStageRecord(StageRecordText(record)),
                StatusIs(absl::StatusCode::kDataLoss, HasSubstr("a file of the stage")))
        << name;
  }
}

TEST(StageRecordTest, RefusesOtherTexts) {
  for (const char* text :
       {"", "{", "[]", "3", R"({"key": "ab", "files": {}})",
        R"({"format": 2, "key": "ab", "files": {}})", R"({"format": 1, "key": 3, "files": {}})",
        R"({"format": 1, "key": "ab", "files": 3})", R"({"format": 1, "key": "ab", "files": [3]})",
        R"({"format": 1, "key": "ab", "files": {}, "sea": "00000000"})",
        R"({"format": 1, "key": "ab", "files": {"m": {"size": 3, "crc32c": "xyz"}}})",
        R"({"format": 1, "key": "ab", "files": {"m": {"size": 3}}, "seal": "00000000"})"}) {
    EXPECT_THAT(ParseStageRecord(text), StatusIs(absl::StatusCode::kDataLoss, testing::_)) << text;
  }
}

}  // namespace
}  // namespace rcnn
