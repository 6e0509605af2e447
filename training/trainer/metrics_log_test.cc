#include "rcnn/training/trainer/metrics_log.h"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/testing/fresh_directory.h"
#include "rcnn/base/testing/status_matchers.h"

namespace rcnn::training {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using Json = nlohmann::ordered_json;

class MetricsLogTest : public testing::Test {
 protected:
  MetricsLogTest() : directory_(FreshDirectory()), path_(directory_ + "/metrics.jsonl") {}

  MetricsLog Open(int64_t first_iteration) {
    auto log = MetricsLog::Open(directory_, directory_, "rpn1", first_iteration);
    EXPECT_THAT(log, IsOk());
    return *std::move(log);
  }

  // Lines for iterations first, first + 10, ... before `end`.
  void Write(int64_t first, int64_t end) {
    MetricsLog log = Open(first);
    for (int64_t i = first; i < end; i += 10) {
      ASSERT_THAT(log.Log(i, {{"loss", 1.0 / static_cast<double>(i + 1)}}), IsOk());
    }
  }

  std::vector<int64_t> Iterations() {
    std::vector<int64_t> iterations;
    const std::vector<std::string> lines =
        absl::StrSplit(*ReadFile(path_), '\n', absl::SkipEmpty());
    for (const std::string& line : lines) {
      iterations.push_back(Json::parse(line)["iteration"]);
    }
    return iterations;
  }

  std::string directory_;
  std::string path_;
};

// Fields of ordered_json would each be compared with all before it; 50,000 fit into a line that is
// read.
TEST_F(MetricsLogTest, ALineOfManyFieldsIsReadAtOnce) {
  std::string line = "{\"iteration\":5";
  for (int i = 0; i < 50'000; ++i) absl::StrAppend(&line, ",\"loss", i, "\":2");
  line += "}\n";
  ASSERT_THAT(WriteFileAtomically(path_, line), IsOk());
  Open(10);
  EXPECT_TRUE(*ReadFile(path_) == line);  // not printed
}

// Its values would take up to 64 times its size in memory.
TEST_F(MetricsLogTest, ALineOfMegabytesIsUnreadable) {
  Write(0, 20);
  const std::string lines = *ReadFile(path_);
  const std::string long_line =
      absl::StrCat("{\"iteration\":5,\"loss\":2", std::string(2 << 20, ' '), "}\n");
  ASSERT_THAT(WriteFileAtomically(path_, absl::StrCat(long_line, lines)), IsOk());
  Open(100);
  EXPECT_TRUE(*ReadFile(path_) == lines);
}

TEST_F(MetricsLogTest, WritesOneObjectALine) {
  ASSERT_THAT(Open(0).Log(20, {{"loss", 0.1}, {"lr", 0.002}}), IsOk());
  const std::string text = *ReadFile(path_);
  EXPECT_EQ(text.back(), '\n');
  const Json line = Json::parse(text);
  EXPECT_EQ(line["iteration"], 20);
  EXPECT_EQ(line["loss"], 0.1);
  EXPECT_EQ(line["lr"], 0.002);
  EXPECT_GT(line["time"], 1.6e9);
  EXPECT_EQ(line.size(), 4u);
}

TEST_F(MetricsLogTest, WritesNullForNonFiniteValues) {
  ASSERT_THAT(Open(0).Log(1, {{"a", std::nan("")}, {"b", std::numeric_limits<double>::infinity()}}),
              IsOk());
  EXPECT_THAT(*ReadFile(path_), HasSubstr("\"a\":null,\"b\":null}"));
}

TEST_F(MetricsLogTest, ResumedFileEqualsAnUninterruptedOne) {
  Write(0, 60);
  Write(30, 60);
  EXPECT_THAT(Iterations(), ElementsAre(0, 10, 20, 30, 40, 50));
  Write(0, 20);
  EXPECT_THAT(Iterations(), ElementsAre(0, 10));
}

TEST_F(MetricsLogTest, CutsOffATornLine) {
  Write(0, 40);
  const std::string text = *ReadFile(path_);
  ASSERT_THAT(WriteFileAtomically(path_, text.substr(0, text.size() - 1)), IsOk());
  Write(100, 110);
  EXPECT_THAT(Iterations(), ElementsAre(0, 10, 20, 100));
}

// A flipped bit, or a hole after a power cut: one line is lost, but no later one.
TEST_F(MetricsLogTest, AnUnreadableLineCostsOnlyItself) {
  for (const char* line : {"[]", "{}", "{\"iteration\":\"x\"}", "\xff\xfe", "",
                           "{\"iteration\":1.5}", "{\"iteration\":1e300}"}) {
    Write(0, 20);
    ASSERT_THAT(WriteFileAtomically(
                    path_, absl::StrCat(*ReadFile(path_), line, "\n", "{\"iteration\":12}\n")),
                IsOk());
    Write(20, 30);
    EXPECT_THAT(Iterations(), ElementsAre(0, 10, 12, 20)) << line;
  }
}

// A changed digit is a line like any other, so only a copy can tell.
TEST_F(MetricsLogTest, LinesThatACheckpointCoversAreRestored) {
  Write(0, 50);
  const std::string lines = *ReadFile(path_);
  std::string covered;
  {
    const MetricsLog log = Open(30);
    covered = log.lines();
  }
  ASSERT_EQ(covered, *ReadFile(path_));
  ASSERT_EQ(lines.substr(0, covered.size()), covered);
  const auto reopen = [&] {
    return MetricsLog::Open(directory_, directory_, "rpn1", 30, covered)->lines();
  };
  std::string flipped = lines;
  flipped[flipped.find("0.0") + 3] ^= 1;
  for (const std::string& damaged : {flipped, std::string("torn"), std::string(), lines}) {
    ASSERT_THAT(WriteFileAtomically(path_, damaged), IsOk());
    EXPECT_EQ(reopen(), covered);
    EXPECT_EQ(*ReadFile(path_), covered);
  }
  std::filesystem::remove(path_);
  EXPECT_EQ(reopen(), covered);
  EXPECT_EQ(*ReadFile(path_), covered);
}

TEST_F(MetricsLogTest, VerifyingComparesTheLinesThatACheckpointCovers) {
  Write(0, 50);
  const std::string lines = *ReadFile(path_), covered = lines.substr(0, lines.find("\n") + 1);
  const auto verify = [&] { return VerifyMetrics(directory_, covered); };
  const auto put = [&](const std::string& text) {
    ASSERT_THAT(WriteFileAtomically(path_, text), IsOk());
  };
  const std::string restored = "; the next run restores";
  EXPECT_THAT(verify(), IsOkAndHolds(""));
  put(covered);
  EXPECT_THAT(verify(), IsOkAndHolds(""));
  put(absl::StrCat(covered, "torn"));
  EXPECT_THAT(verify(), IsOkAndHolds("")) << "no checkpoint covers it";
  for (size_t i = 0; i < covered.size(); ++i) {
    std::string flipped = lines;
    flipped[i] ^= 1;
    put(flipped);
    EXPECT_THAT(verify(), IsOkAndHolds(HasSubstr(path_ + " is damaged" + restored))) << i;
  }
  put(covered.substr(0, covered.size() - 1));
  EXPECT_THAT(verify(), IsOkAndHolds(HasSubstr(path_ + " is damaged" + restored)));
  // Reading it to its end would take longer than a test may.
  put(lines);
  std::filesystem::resize_file(path_, uintmax_t{1} << 40);
  EXPECT_THAT(verify(), IsOkAndHolds(AllOf(HasSubstr(path_ + " is too long"),
                                           HasSubstr("; the next run renames it, and restores"))));
  std::filesystem::remove(path_);
  EXPECT_THAT(verify(), IsOkAndHolds(HasSubstr(path_ + " is missing" + restored)));
  std::filesystem::create_symlink(path_, path_);  // to itself
  EXPECT_THAT(verify(), IsOkAndHolds(HasSubstr(path_ + " is missing")));
  std::filesystem::remove(path_);
  std::filesystem::create_directories(path_);
  EXPECT_THAT(verify(), IsOkAndHolds(AllOf(HasSubstr(path_), HasSubstr(restored))));
}

// In its manifest they would be too long to be read again, and no checkpoint could be used.
TEST_F(MetricsLogTest, ACheckpointDoesNotKeepVeryManyLines) {
  auto log = MetricsLog::Open(directory_, directory_, "rpn1", 5,
                              std::string(kMostKeptBytes - 1, 'x') + "\n");
  ASSERT_THAT(log, IsOk());
  EXPECT_TRUE(log->LinesToKeep() == log->lines());  // not printed
  ASSERT_THAT(log->Log(5, {{"loss", 0.1}}), IsOk());
  EXPECT_FALSE(log->LinesToKeep().has_value());
  EXPECT_EQ(std::filesystem::file_size(path_), log->lines().size());
}

// Reading it to its end would take longer than a test may.
TEST_F(MetricsLogTest, AFileThatHasBecomeVeryLongMakesWay) {
  Write(0, 30);
  const std::string covered = *ReadFile(path_);
  const std::vector<std::string> asides = {path_ + ".before", path_ + ".before-2"};
  std::filesystem::resize_file(path_, uintmax_t{1} << 40);
  ::testing::internal::CaptureStderr();
  EXPECT_EQ(MetricsLog::Open(directory_, directory_, "rpn1", 30, covered)->lines(), covered);
  EXPECT_THAT(::testing::internal::GetCapturedStderr(),
              AllOf(HasSubstr(path_ + " is too long to be read again"), HasSubstr(asides[0]),
                    Not(HasSubstr("damaged"))));
  EXPECT_THAT(ReadFile(path_), IsOkAndHolds(covered));
  std::filesystem::resize_file(path_, uintmax_t{1} << 40);
  Write(30, 40);
  EXPECT_THAT(Iterations(), ElementsAre(30));
  for (const std::string& aside : asides) {
    EXPECT_EQ(std::filesystem::file_size(aside), uintmax_t{1} << 40);
  }
}

TEST_F(MetricsLogTest, SyncsBothFiles) {
  MetricsLog log = Open(0);
  ASSERT_THAT(log.Log(1, {{"loss", 0.1}}), IsOk());
  EXPECT_THAT(log.Sync(), IsOk());
}

TEST_F(MetricsLogTest, EventsAreCutTheSameWay) {
  Write(0, 60);
  Write(30, 60);
  size_t bytes = 0, files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(directory_)) {
    if (entry.path() == path_) continue;
    bytes += entry.file_size();
    ++files;
  }
  EXPECT_EQ(files, 2u);
  Write(0, 60);
  size_t undisturbed = 0;
  for (const auto& entry : std::filesystem::directory_iterator(directory_)) {
    if (entry.path() != path_) undisturbed += entry.file_size();
  }
  // One record of the version in each file: 16 bytes of frame, 9 of the time, 15 of the version.
  EXPECT_EQ(bytes, undisturbed + 40);
}

TEST_F(MetricsLogTest, NamesTheMissingDirectory) {
  const std::string none = directory_ + "/none";
  EXPECT_THAT(MetricsLog::Open(none, directory_, "x", 0),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr(none)));
  EXPECT_THAT(MetricsLog::Open(directory_, none, "x", 0),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr(none)));
}

}  // namespace
}  // namespace rcnn::training
