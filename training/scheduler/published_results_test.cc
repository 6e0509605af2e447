#include "rcnn/training/scheduler/published_results.h"

#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/training/scheduler/stage_files.h"
#include "rcnn/training/testing/fresh_directory.h"

namespace rcnn::training {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class PublishResultsTest : public testing::Test {
 protected:
  PublishResultsTest() : run_(FreshDirectory()), stage_(run_ + "/stages/7_final") {
    fs::create_directories(stage_);
    Write(stage_ + "/metrics.json", "{\"ap\": 0.5}");
    Write(stage_ + "/model.safetensors", std::string(100'000, 'w'));
    EXPECT_THAT(RecordStageFiles(stage_, "key", {"metrics.json", "model.safetensors"}), IsOk());
  }

  static void Write(const std::string& path, const std::string& text) {
    ASSERT_THAT(WriteFileAtomically(path, text), IsOk()) << path;
  }

  void Publish() { ASSERT_THAT(PublishResults(stage_, run_), IsOk()); }

  const std::string run_, stage_;
};

TEST_F(PublishResultsTest, CopiesExistingFiles) {
  Publish();
  EXPECT_EQ(ReadFile(run_ + "/metrics.json").value(), "{\"ap\": 0.5}");
  EXPECT_EQ(ReadFile(run_ + "/model.safetensors").value(), std::string(100'000, 'w'));
  EXPECT_FALSE(fs::exists(run_ + "/detections.json"));
}

TEST_F(PublishResultsTest, EditInPlaceDoesNotChangeTheStage) {
  Publish();
  for (const char* file : {"metrics.json", "model.safetensors"}) {
    const std::string path = absl::StrCat(run_, "/", file);
    const std::string before = ReadFile(absl::StrCat(stage_, "/", file)).value();
    std::fstream(path, std::ios::in | std::ios::out) << "edited";
    ASSERT_NE(ReadFile(path).value(), before);
    EXPECT_EQ(ReadFile(absl::StrCat(stage_, "/", file)).value(), before) << file;
  }
  // The next run puts the results there again.
  Publish();
  EXPECT_EQ(ReadFile(run_ + "/metrics.json").value(), "{\"ap\": 0.5}");
}

TEST_F(PublishResultsTest, DoesNotRewriteIdenticalFiles) {
  Publish();
  const auto time = fs::file_time_type::clock::now() - std::chrono::hours(1);
  fs::last_write_time(run_ + "/model.safetensors", time);
  Publish();
  EXPECT_EQ(fs::last_write_time(run_ + "/model.safetensors"), time);
}

TEST_F(PublishResultsTest, ADamagedFileIsNotPublished) {
  Publish();
  std::string bytes = ReadFile(stage_ + "/model.safetensors").value();
  bytes[54321] ^= 16;
  Write(stage_ + "/model.safetensors", bytes);
  fs::remove(run_ + "/metrics.json");
  // What is right at the top needs no source.
  EXPECT_THAT(PublishResults(stage_, run_), IsOkAndHolds(IsEmpty()));
  EXPECT_EQ(ReadFile(run_ + "/model.safetensors").value(), std::string(100'000, 'w'));
  Write(run_ + "/model.safetensors", "another");
  EXPECT_THAT(PublishResults(stage_, run_),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("model.safetensors is damaged")));
  EXPECT_EQ(ReadFile(run_ + "/model.safetensors").value(), "another");
}

TEST_F(PublishResultsTest, SaysWhatItReplaced) {
  EXPECT_THAT(PublishResults(stage_, run_), IsOkAndHolds(IsEmpty()));
  Write(run_ + "/metrics.json", "{\"ap\": 0.6}");
  EXPECT_THAT(PublishResults(stage_, run_), IsOkAndHolds(ElementsAre(run_ + "/metrics.json")));
}

TEST_F(PublishResultsTest, ALinkToTheStagesFileBecomesACopy) {
  fs::create_hard_link(stage_ + "/metrics.json", run_ + "/metrics.json");
  Publish();
  EXPECT_EQ(fs::hard_link_count(stage_ + "/metrics.json"), 1u);
  EXPECT_EQ(ReadFile(run_ + "/metrics.json").value(), "{\"ap\": 0.5}");
}

TEST_F(PublishResultsTest, DeletesFilesThatTheEvaluationLacks) {
  Write(run_ + "/contact_sheet.jpg", "of an earlier form");
  Write(run_ + "/notes.txt", "mine");
  Publish();
  EXPECT_FALSE(fs::exists(run_ + "/contact_sheet.jpg"));
  EXPECT_TRUE(fs::exists(run_ + "/notes.txt"));
}

}  // namespace
}  // namespace rcnn::training
