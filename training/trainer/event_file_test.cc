#include "rcnn/training/trainer/event_file.h"

#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/training/testing/fresh_directory.h"

namespace rcnn::training {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;

const absl::Time kNow = absl::FromUnixSeconds(1700000000);

int CountFiles(const std::string& directory) {
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    count += entry.is_regular_file() ? 1 : 0;
  }
  return count;
}

// An event file with records of steps 0, 10, 20, ... and the end of each.
struct Written {
  std::string path;
  std::vector<size_t> ends;  // the first is of the version record
};

Written WriteSteps(const std::string& directory, const std::string& label, int steps) {
  auto events = EventFile::Create(directory, label, kNow);
  EXPECT_THAT(events, IsOk());
  Written written;
  written.path = events->path();
  written.ends.push_back(ReadFile(written.path)->size());
  for (int i = 0; i < steps; ++i) {
    EXPECT_THAT(events->AddScalars(10 * i, kNow, {{"loss", 0.5}}), IsOk());
    written.ends.push_back(ReadFile(written.path)->size());
  }
  return written;
}

// The header of the format by hand: 3 bytes, the published mask over the CRC of
// the length (RFC 3720's algorithm by the table of crc32c_test).
TEST(FrameRecordTest, HasLengthChecksumPayloadChecksum) {
  const std::string record = FrameRecord("abc");
  ASSERT_EQ(record.size(), 8u + 4u + 3u + 4u);
  EXPECT_EQ(record.substr(0, 8), std::string("\x03\0\0\0\0\0\0\0", 8));
  EXPECT_EQ(record.substr(12, 3), "abc");
  EXPECT_EQ(FrameRecord("").size(), 16u);
}

TEST(EventFileTest, IsNamedSoThatTensorBoardFindsIt) {
  const std::string directory = FreshDirectory();
  const Written written = WriteSteps(directory, "rpn1", 0);
  EXPECT_THAT(written.path, HasSubstr("/events.out.tfevents.1700000000."));
  EXPECT_THAT(written.path, EndsWith(".rpn1"));
  EXPECT_NE(WriteSteps(directory, "rpn1", 0).path, written.path);
}

TEST(EventFileTest, NamesTheMissingDirectory) {
  const std::string directory = absl::StrCat(FreshDirectory(), "/none");
  EXPECT_THAT(EventFile::Create(directory, "x", kNow).status().message(), HasSubstr(directory));
  EXPECT_THAT(CutEvents(directory, "x", 0).message(), HasSubstr(directory));
}

TEST(CutEventsTest, KeepsTheRecordsBeforeTheStep) {
  const std::string directory = FreshDirectory();
  const Written written = WriteSteps(directory, "rpn1", 5);
  ASSERT_THAT(CutEvents(directory, "rpn1", 1000), IsOk());
  EXPECT_EQ(ReadFile(written.path)->size(), written.ends[5]);
  ASSERT_THAT(CutEvents(directory, "rpn1", 21), IsOk());
  EXPECT_EQ(ReadFile(written.path)->size(), written.ends[3]);
  ASSERT_THAT(CutEvents(directory, "rpn1", 20), IsOk());
  EXPECT_EQ(ReadFile(written.path)->size(), written.ends[2]);
}

TEST(CutEventsTest, DeletesEmptyFiles) {
  const std::string directory = FreshDirectory();
  WriteSteps(directory, "rpn1", 5);
  ASSERT_THAT(CutEvents(directory, "rpn1", 0), IsOk());
  EXPECT_EQ(CountFiles(directory), 0);
}

TEST(CutEventsTest, LeavesOtherStagesAndOtherFilesAlone) {
  const std::string directory = FreshDirectory();
  const Written other = WriteSteps(directory, "rpn11", 3);
  ASSERT_THAT(WriteFileAtomically(directory + "/x.rpn1", "mine"), IsOk());
  ASSERT_THAT(CutEvents(directory, "rpn1", 0), IsOk());
  EXPECT_EQ(ReadFile(other.path)->size(), other.ends[3]);
  EXPECT_EQ(CountFiles(directory), 2);
}

TEST(CutEventsTest, CutsOffATornEnd) {
  const std::string directory = FreshDirectory();
  const Written written = WriteSteps(directory, "rpn1", 3);
  for (size_t size = written.ends[3] - 1; size >= written.ends[2]; --size) {
    ASSERT_EQ(truncate(written.path.c_str(), static_cast<off_t>(size)), 0);
    ASSERT_THAT(CutEvents(directory, "rpn1", 1000), IsOk());
    ASSERT_EQ(ReadFile(written.path)->size(), written.ends[2]);
  }
}

// Any byte of a record: its length, its checksums, its contents.
TEST(CutEventsTest, ADamagedRecordCostsOnlyItself) {
  const std::string directory = FreshDirectory();
  const Written written = WriteSteps(directory, "rpn1", 4);
  const std::string bytes = *ReadFile(written.path);
  const std::string without = bytes.substr(0, written.ends[1]) + bytes.substr(written.ends[2]);
  for (size_t i = written.ends[1]; i < written.ends[2]; ++i) {
    std::string damaged = bytes;
    damaged[i] ^= 0x40;
    ASSERT_THAT(WriteFileAtomically(written.path, damaged), IsOk());
    ASSERT_THAT(CutEvents(directory, "rpn1", 1000), IsOk());
    ASSERT_EQ(*ReadFile(written.path), without) << "byte " << i;
  }
}

}  // namespace
}  // namespace rcnn::training
