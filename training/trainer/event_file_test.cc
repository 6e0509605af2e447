#include "rcnn/training/trainer/event_file.h"

#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <limits>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/testing/fresh_directory.h"
#include "rcnn/base/testing/peak_memory.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/training/trainer/event.pb.h"

namespace rcnn::training {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;

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

// `path` with the next number for the number before the label "rpn1".
std::string NextPath(const std::string& path) {
  std::vector<std::string> parts = absl::StrSplit(path, '.');
  std::string& number = parts[parts.size() - 2];
  number = absl::StrCat(std::stoi(number) + 1);
  return absl::StrJoin(parts, ".");
}

// It may lead to any file of the user.
TEST(EventFileTest, ALinkInTheFilesPlaceIsNotFollowed) {
  const std::string directory = FreshDirectory(), mine = directory + "/mine";
  ASSERT_THAT(WriteFileAtomically(mine, "my only copy"), IsOk());
  const std::string link = NextPath(WriteSteps(directory, "rpn1", 0).path);
  std::filesystem::create_symlink(mine, link);
  EXPECT_EQ(WriteSteps(directory, "rpn1", 0).path, NextPath(link));
  EXPECT_THAT(ReadFile(mine), IsOkAndHolds("my only copy"));
  EXPECT_TRUE(std::filesystem::is_symlink(link));
}

TEST(EventFileTest, NamesTheMissingDirectory) {
  const std::string directory = absl::StrCat(FreshDirectory(), "/none");
  EXPECT_THAT(EventFile::Create(directory, "x", kNow),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr(directory)));
  EXPECT_THAT(RemoveEvents(directory, "x", 0),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr(directory)));
}

// The only event after the version record.
Event ReadOnlyEvent(const std::string& path, size_t begin) {
  const std::string bytes = *ReadFile(path);
  Event event;
  EXPECT_TRUE(event.ParseFromString(bytes.substr(begin + 12, bytes.size() - begin - 16)));
  return event;
}

TEST(EventFileTest, AddsAnImage) {
  auto events = EventFile::Create(FreshDirectory(), "final", kNow);
  ASSERT_THAT(events, IsOk());
  const size_t begin = ReadFile(events->path())->size();
  ASSERT_THAT(events->AddImage(7, kNow, "final/image", 3, 4, "jpeg bytes"), IsOk());
  const Event event = ReadOnlyEvent(events->path(), begin);
  EXPECT_EQ(event.step(), 7);
  const SummaryValue& value = event.summary().value(0);
  EXPECT_EQ(value.tag(), "final/image");
  EXPECT_EQ(value.image().height(), 3);
  EXPECT_EQ(value.image().width(), 4);
  EXPECT_EQ(value.image().encoded_image_string(), "jpeg bytes");
}

// The name of a class may be in it.
TEST(EventFileTest, TagsAreEscaped) {
  auto events = EventFile::Create(FreshDirectory(), "final", kNow);
  ASSERT_THAT(events, IsOk());
  const size_t begin = ReadFile(events->path())->size();
  ASSERT_THAT(events->AddScalars(7, kNow, {{"final/\xff\x1b[2Jcat", 1}}), IsOk());
  EXPECT_EQ(ReadOnlyEvent(events->path(), begin).summary().value(0).tag(),
            "final/\\xff\\x1b[2Jcat");
}

TEST(EventFileTest, AHistogramCountsEveryFiniteValueOnce) {
  auto events = EventFile::Create(FreshDirectory(), "final", kNow);
  ASSERT_THAT(events, IsOk());
  const size_t begin = ReadFile(events->path())->size();
  const double nan = std::numeric_limits<double>::quiet_NaN();
  ASSERT_THAT(events->AddHistogram(7, kNow, "scores", {0.0, 0.5, 1.0, 1.0, nan}), IsOk());
  const Histogram histogram = ReadOnlyEvent(events->path(), begin).summary().value(0).histo();
  EXPECT_EQ(histogram.num(), 4);
  EXPECT_EQ(histogram.sum(), 2.5);
  EXPECT_EQ(histogram.min(), 0);
  EXPECT_EQ(histogram.max(), 1);
  ASSERT_EQ(histogram.bucket_size(), histogram.bucket_limit_size());
  double count = 0;
  for (double bucket : histogram.bucket()) count += bucket;
  EXPECT_EQ(count, 4);
  EXPECT_EQ(histogram.bucket(histogram.bucket_size() - 1), 2);
  EXPECT_DOUBLE_EQ(histogram.bucket_limit(histogram.bucket_size() - 1), 1);
}

TEST(EventFileTest, ACurveHasSixRows) {
  auto events = EventFile::Create(FreshDirectory(), "final", kNow);
  ASSERT_THAT(events, IsOk());
  const size_t begin = ReadFile(events->path())->size();
  ASSERT_THAT(events->AddPrecisionRecall(7, kNow, "final/all", {{3, 1, 1}, {0, 0, 4}}), IsOk());
  const SummaryValue value = ReadOnlyEvent(events->path(), begin).summary().value(0);
  EXPECT_EQ(value.metadata().plugin_data().plugin_name(), "pr_curves");
  PrCurvePluginData content;
  ASSERT_TRUE(content.ParseFromString(value.metadata().plugin_data().content()));
  EXPECT_EQ(content.num_thresholds(), 2u);
  EXPECT_THAT(value.tensor().float_val(), ElementsAre(3, 0, 1, 0, 0, 0, 1, 4, 0.75f, 0, 0.75f, 0));
}

TEST(RemoveEventsTest, KeepsTheRecordsBeforeTheStep) {
  const std::string directory = FreshDirectory();
  const Written written = WriteSteps(directory, "rpn1", 5);
  ASSERT_THAT(RemoveEvents(directory, "rpn1", 1000), IsOk());
  EXPECT_EQ(ReadFile(written.path)->size(), written.ends[5]);
  ASSERT_THAT(RemoveEvents(directory, "rpn1", 21), IsOk());
  EXPECT_EQ(ReadFile(written.path)->size(), written.ends[3]);
  ASSERT_THAT(RemoveEvents(directory, "rpn1", 20), IsOk());
  EXPECT_EQ(ReadFile(written.path)->size(), written.ends[2]);
}

TEST(RemoveEventsTest, DeletesEmptyFiles) {
  const std::string directory = FreshDirectory();
  WriteSteps(directory, "rpn1", 5);
  ASSERT_THAT(RemoveEvents(directory, "rpn1", 0), IsOk());
  EXPECT_EQ(CountFiles(directory), 0);
  // As a kill leaves it before the first record is written.
  ASSERT_THAT(WriteFileAtomically(WriteSteps(directory, "rpn1", 0).path, ""), IsOk());
  ASSERT_THAT(RemoveEvents(directory, "rpn1", 1000), IsOk());
  EXPECT_EQ(CountFiles(directory), 0);
}

TEST(RemoveEventsTest, LeavesOtherStagesAndOtherFilesAlone) {
  const std::string directory = FreshDirectory();
  const Written other = WriteSteps(directory, "rpn11", 3);
  ASSERT_THAT(WriteFileAtomically(directory + "/x.rpn1", "mine"), IsOk());
  ASSERT_THAT(RemoveEvents(directory, "rpn1", 0), IsOk());
  EXPECT_EQ(ReadFile(other.path)->size(), other.ends[3]);
  EXPECT_EQ(CountFiles(directory), 2);
}

TEST(RemoveEventsTest, LeavesLinksAndWhatTheyLeadToAlone) {
  const std::string directory = FreshDirectory();
  const Written elsewhere = WriteSteps(directory, "other", 3);
  const std::string bytes = *ReadFile(elsewhere.path);
  const std::string link = directory + "/events.out.tfevents.1.x.rpn1";
  for (const std::string& target : {elsewhere.path, directory, directory + "/nothing", link}) {
    std::filesystem::create_symlink(target, link);
    EXPECT_THAT(RemoveEvents(directory, "rpn1", 0), IsOk()) << target;
    EXPECT_TRUE(std::filesystem::is_symlink(link)) << target;
    EXPECT_THAT(ReadFile(elsewhere.path), IsOkAndHolds(bytes));
    std::filesystem::remove(link);
  }
}

// Reading one to its end would take longer than a test may.
TEST(RemoveEventsTest, AFileThatHasBecomeVeryLongStays) {
  const std::string directory = FreshDirectory();
  const Written one = WriteSteps(directory, "rpn1", 3), other = WriteSteps(directory, "rpn1", 3);
  std::filesystem::resize_file(one.path, uintmax_t{1} << 40);
  ::testing::internal::CaptureStderr();
  ASSERT_THAT(RemoveEvents(directory, "rpn1", 0), IsOk());
  EXPECT_THAT(
      ::testing::internal::GetCapturedStderr(),
      AllOf(HasSubstr(one.path + " is too long to be read again"), Not(HasSubstr("damaged"))));
  EXPECT_EQ(std::filesystem::file_size(one.path), uintmax_t{1} << 40);
  EXPECT_FALSE(std::filesystem::exists(other.path));
}

TEST(RemoveEventsTest, CutsOffATornEnd) {
  const std::string directory = FreshDirectory();
  const Written written = WriteSteps(directory, "rpn1", 3);
  for (size_t size = written.ends[3] - 1; size >= written.ends[2]; --size) {
    ASSERT_EQ(truncate(written.path.c_str(), static_cast<off_t>(size)), 0);
    ASSERT_THAT(RemoveEvents(directory, "rpn1", 1000), IsOk());
    ASSERT_EQ(ReadFile(written.path)->size(), written.ends[2]);
  }
}

// Any byte of a record: its length, its checksums, its contents.
TEST(RemoveEventsTest, ADamagedRecordCostsOnlyItself) {
  const std::string directory = FreshDirectory();
  const Written written = WriteSteps(directory, "rpn1", 4);
  const std::string bytes = *ReadFile(written.path);
  const std::string without = bytes.substr(0, written.ends[1]) + bytes.substr(written.ends[2]);
  for (size_t i = written.ends[1]; i < written.ends[2]; ++i) {
    std::string damaged = bytes;
    damaged[i] ^= 0x40;
    ASSERT_THAT(WriteFileAtomically(written.path, damaged), IsOk());
    ASSERT_THAT(RemoveEvents(directory, "rpn1", 1000), IsOk());
    ASSERT_EQ(*ReadFile(written.path), without) << "byte " << i;
  }
}

// Otherwise each beginning in it would cost a checksum of all that follows.
TEST(RemoveEventsTest, NothingInADamagedRecordIsTakenForARecord) {
  const std::string directory = FreshDirectory();
  const Written written = WriteSteps(directory, "rpn1", 2);
  const std::string bytes = *ReadFile(written.path);
  const std::string inner = bytes.substr(written.ends[0], written.ends[1] - written.ends[0]);
  std::string outer = FrameRecord(absl::StrCat(inner, "end"));
  outer.back() ^= 1;
  ASSERT_THAT(WriteFileAtomically(written.path, absl::StrCat(bytes.substr(0, written.ends[0]),
                                                             outer, bytes.substr(written.ends[1]))),
              IsOk());
  ASSERT_THAT(RemoveEvents(directory, "rpn1", 1000), IsOk());
  EXPECT_EQ(*ReadFile(written.path),
            absl::StrCat(bytes.substr(0, written.ends[0]), bytes.substr(written.ends[1])));
}

// The bytes of a field of protobuf, number and type in `tag`, with its length.
std::string Field(char tag, const std::string& bytes) {
  std::string text(1, tag);
  size_t left = bytes.size();
  for (; left >= 0x80; left >>= 7) text += static_cast<char>(left | 0x80);
  return absl::StrCat(text, std::string(1, static_cast<char>(left)), bytes);
}

// The same two bytes many times.
std::string Repeated(const std::string& two_bytes) {
  std::string bytes;
  for (int i = 0; i < 2'000'000; ++i) bytes += two_bytes;
  return bytes;
}

TEST(RemoveEventsTest, MemoryIsBoundedByTheSizeOfTheFile) {
  const std::string empty_value = Field('\x0a', "");
  const std::string unknown = "\x78\x01";
  const std::string summary = Field('\x2a', "");
  Event event;
  ASSERT_TRUE(event.ParseFromString("\x10\x05" + Field('\x2a', empty_value + empty_value)));
  EXPECT_EQ(event.step(), 5);
  EXPECT_EQ(event.summary().value_size(), 2);
  for (const std::string& payload :
       {"\x10\x05" + Field('\x2a', Repeated(empty_value)),
        "\x10\x05" + Field('\x2a', Repeated(unknown)), "\x10\x05" + Repeated(summary),
        "\x10\x05" + summary + Repeated(unknown)}) {
    const std::string directory = FreshDirectory();
    const std::string path = directory + "/events.out.tfevents.1.x.rpn1";
    const std::string bytes = FrameRecord(payload);
    ASSERT_THAT(WriteFileAtomically(path, bytes), IsOk());
    if (kMeasuresMemory) {
      const int64_t peak =
          MeasurePeakBytes([&] { RemoveEvents(directory, "rpn1", 6).IgnoreError(); });
      EXPECT_GE(peak, 0);
      EXPECT_LE(peak, 5 * static_cast<int64_t>(bytes.size()) + (4 << 20));
    }
    ASSERT_THAT(RemoveEvents(directory, "rpn1", 6), IsOk());
    EXPECT_EQ(ReadFile(path)->size(), bytes.size());
    ASSERT_THAT(RemoveEvents(directory, "rpn1", 5), IsOk());
    EXPECT_EQ(CountFiles(directory), 0);
  }
}

// With the right checksum. Nothing tells when it was written.
TEST(RemoveEventsTest, ARecordThatIsNotAnEventIsRemoved) {
  const std::string directory = FreshDirectory();
  const Written written = WriteSteps(directory, "rpn1", 2);
  const std::string bytes = *ReadFile(written.path);
  for (const std::string payload : {"\x10", "\x2a\x05x", "\x07", "\x0c"}) {
    ASSERT_THAT(WriteFileAtomically(written.path, bytes + FrameRecord(payload)), IsOk());
    ASSERT_THAT(RemoveEvents(directory, "rpn1", 1000), IsOk());
    EXPECT_THAT(ReadFile(written.path), IsOkAndHolds(bytes));
  }
}

}  // namespace
}  // namespace rcnn::training
