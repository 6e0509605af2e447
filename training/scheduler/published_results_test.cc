#include "rcnn/training/scheduler/published_results.h"

#include <sys/stat.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/testing/fresh_directory.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/training/scheduler/stage_files.h"

namespace rcnn::training {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class PublishResultsTest : public testing::Test {
 protected:
  PublishResultsTest()
      : run_directory_(FreshDirectory()), stage_directory_(run_directory_ + "/stages/7_final") {
    fs::create_directories(stage_directory_);
    Write(stage_directory_ + "/metrics.json", "{\"ap\": 0.5}");
    Write(stage_directory_ + "/model.safetensors", std::string(100'000, 'w'));
    EXPECT_THAT(RecordStageFiles(stage_directory_, "key", {"metrics.json", "model.safetensors"}),
                IsOk());
  }

  static void Write(const std::string& path, const std::string& text) {
    ASSERT_THAT(WriteFileAtomically(path, text), IsOk()) << path;
  }

  void Publish() { ASSERT_THAT(PublishResults(stage_directory_, run_directory_), IsOk()); }

  const std::string run_directory_;
  const std::string stage_directory_;
};

TEST_F(PublishResultsTest, CopiesExistingFiles) {
  Publish();
  EXPECT_EQ(ReadFile(run_directory_ + "/metrics.json").value(), "{\"ap\": 0.5}");
  EXPECT_EQ(ReadFile(run_directory_ + "/model.safetensors").value(), std::string(100'000, 'w'));
  EXPECT_FALSE(fs::exists(run_directory_ + "/detections.json"));
}

TEST_F(PublishResultsTest, EditingAPublishedFileLeavesTheStageUnchanged) {
  Publish();
  for (const char* file : {"metrics.json", "model.safetensors"}) {
    const std::string path = absl::StrCat(run_directory_, "/", file);
    const std::string before = ReadFile(absl::StrCat(stage_directory_, "/", file)).value();
    std::fstream(path, std::ios::in | std::ios::out) << "edited";
    ASSERT_NE(ReadFile(path).value(), before);
    EXPECT_EQ(ReadFile(absl::StrCat(stage_directory_, "/", file)).value(), before) << file;
  }
  // Publishing again restores the recorded results.
  Publish();
  EXPECT_EQ(ReadFile(run_directory_ + "/metrics.json").value(), "{\"ap\": 0.5}");
}

TEST_F(PublishResultsTest, DoesNotRewriteIdenticalFiles) {
  Publish();
  const auto time = fs::file_time_type::clock::now() - std::chrono::hours(1);
  fs::last_write_time(run_directory_ + "/model.safetensors", time);
  Publish();
  EXPECT_EQ(fs::last_write_time(run_directory_ + "/model.safetensors"), time);
}

TEST_F(PublishResultsTest, RejectsADamagedStageFile) {
  Publish();
  std::string bytes = ReadFile(stage_directory_ + "/model.safetensors").value();
  bytes[54321] ^= 16;  // one bit
  Write(stage_directory_ + "/model.safetensors", bytes);
  fs::remove(run_directory_ + "/metrics.json");
  // The published copy is correct, so the damaged source is not read.
  EXPECT_THAT(PublishResults(stage_directory_, run_directory_), IsOkAndHolds(IsEmpty()));
  EXPECT_EQ(ReadFile(run_directory_ + "/model.safetensors").value(), std::string(100'000, 'w'));
  EXPECT_EQ(ReadFile(run_directory_ + "/metrics.json").value(), "{\"ap\": 0.5}");
  Write(run_directory_ + "/model.safetensors", "other contents");
  EXPECT_THAT(PublishResults(stage_directory_, run_directory_),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("model.safetensors is damaged")));
  EXPECT_EQ(ReadFile(run_directory_ + "/model.safetensors").value(), "other contents");
}

TEST_F(PublishResultsTest, ReturnsReplacedPaths) {
  EXPECT_THAT(PublishResults(stage_directory_, run_directory_), IsOkAndHolds(IsEmpty()));
  Write(run_directory_ + "/metrics.json", "{\"ap\": 0.6}");
  EXPECT_THAT(PublishResults(stage_directory_, run_directory_),
              IsOkAndHolds(ElementsAre(run_directory_ + "/metrics.json")));
}

TEST_F(PublishResultsTest, ReplacesAHardLinkByACopy) {
  fs::create_hard_link(stage_directory_ + "/metrics.json", run_directory_ + "/metrics.json");
  Publish();
  EXPECT_EQ(fs::hard_link_count(stage_directory_ + "/metrics.json"), 1u);
  EXPECT_EQ(ReadFile(run_directory_ + "/metrics.json").value(), "{\"ap\": 0.5}");
}

TEST_F(PublishResultsTest, WhatIsInThePlaceOfAResultMakesWay) {
  const std::string path = run_directory_ + "/metrics.json", mine = run_directory_ + "/mine";
  Publish();
  const auto published = [&] {
    EXPECT_THAT(PublishResults(stage_directory_, run_directory_), IsOkAndHolds(ElementsAre(path)));
    EXPECT_TRUE(fs::is_regular_file(fs::symlink_status(path)));
    EXPECT_THAT(ReadFile(path), IsOkAndHolds("{\"ap\": 0.5}"));
    fs::remove(path);
  };
  fs::remove(path);
  fs::create_directories(path);
  published();
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  published();
  fs::create_symlink(path, path);
  published();
  fs::create_symlink("nowhere", path);
  published();
  fs::create_directories(mine);
  Write(mine + "/file", "mine");
  fs::create_directory_symlink(mine, path);
  published();
  EXPECT_EQ(ReadFile(mine + "/file").value(), "mine");
  fs::create_directories(path);
  Write(path + "/file", "mine");
  published();
  EXPECT_EQ(ReadFile(path + ".before/file").value(), "mine");
  // A directory in the place of a file that there is none of now.
  fs::create_directories(run_directory_ + "/contact_sheet.jpg");
  Write(run_directory_ + "/contact_sheet.jpg/file", "mine");
  Publish();
  EXPECT_EQ(ReadFile(run_directory_ + "/contact_sheet.jpg/file").value(), "mine");
}

// Nobody can say where a link to a name that is too long leads, nor read a link to itself.
TEST_F(PublishResultsTest, WhatCannotBeExaminedNowIsNotReplaced) {
  Publish();
  const std::string weights = run_directory_ + "/model.safetensors";
  const auto stops_at = [&](const std::string& path) {
    EXPECT_THAT(PublishResults(stage_directory_, run_directory_),
                StatusIs(absl::StatusCode::kUnavailable, HasSubstr(path)));
    EXPECT_TRUE(fs::is_symlink(path));
    EXPECT_EQ(ReadFile(weights).value(), std::string(100'000, 'w'));
    fs::remove(path);
  };
  const std::string metrics = run_directory_ + "/metrics.json";
  fs::remove(metrics);
  fs::create_symlink(std::string(300, 'n'), metrics);
  stops_at(metrics);
  const std::string source = stage_directory_ + "/metrics.json";
  fs::rename(source, run_directory_ + "/aside");
  fs::create_symlink(source, source);
  stops_at(source);
  fs::rename(run_directory_ + "/aside", source);
  Publish();
  EXPECT_EQ(ReadFile(metrics).value(), "{\"ap\": 0.5}");
  const std::string record = stage_directory_ + "/DONE";
  fs::remove(record);
  fs::create_symlink(record, record);
  stops_at(record);
}

TEST_F(PublishResultsTest, DeletesResultFilesThatTheEvaluationDidNotWrite) {
  Write(run_directory_ + "/contact_sheet.jpg", "from an earlier version of the experiment");
  Write(run_directory_ + "/notes.txt", "mine");
  Publish();
  EXPECT_FALSE(fs::exists(run_directory_ + "/contact_sheet.jpg"));
  EXPECT_TRUE(fs::exists(run_directory_ + "/notes.txt"));
}

}  // namespace
}  // namespace rcnn::training
