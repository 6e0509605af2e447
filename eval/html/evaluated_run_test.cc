#include "rcnn/eval/html/evaluated_run.h"

#include <filesystem>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/experiment_copy.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/stage_record.h"
#include "rcnn/base/testing/fresh_directory.h"
#include "rcnn/base/testing/status_matchers.h"

namespace rcnn::eval {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class EvaluatedRunTest : public testing::Test {
 protected:
  EvaluatedRunTest() {
    EXPECT_THAT(CreateDirectories(run_ + "/stages/1_rpn1"), IsOk());
    Put("experiment.textproto",
        "name: 'a' data { test { shapes { num_images: 2 } } } stages { name: 'rpn1' }");
  }

  void Put(const std::string& name, const std::string& text) {
    EXPECT_THAT(WriteFileAtomically(absl::StrCat(run_, "/", name), text), IsOk());
  }

  const std::string run_ = FreshDirectory();
};

TEST_F(EvaluatedRunTest, HasTheLossesOfItsStages) {
  absl::StatusOr<RunDataset> run = OpenRunDataset(run_, "");
  ASSERT_THAT(run, IsOk());
  EXPECT_THAT(run->truth.images, SizeIs(2));
  EXPECT_THAT(run->training, IsEmpty());
  Put("stages/1_rpn1/metrics.jsonl", "{\"iteration\":20,\"loss\":0.5}\n");
  run = OpenRunDataset(run_, "");
  ASSERT_THAT(run, IsOk());
  EXPECT_THAT(run->training, SizeIs(1));
}

// No user can read a link to itself.
TEST_F(EvaluatedRunTest, WhatCannotBeReadNowIsNotLeftOut) {
  for (const std::string& file :
       {std::string("stages/1_rpn1/metrics.jsonl"), std::string("data_root.txt")}) {
    const std::string path = absl::StrCat(run_, "/", file);
    fs::create_symlink(path, path);
    EXPECT_THAT(OpenRunDataset(run_, ""),
                StatusIs(absl::StatusCode::kUnavailable, HasSubstr(file)));
    fs::remove(path);
  }
}

// Otherwise `report` would ask for a dataset.
TEST_F(EvaluatedRunTest, ARunThatCannotBeExaminedNowIsNotNone) {
  EXPECT_THAT(IsRunDirectory(run_), IsOkAndHolds(true));
  EXPECT_THAT(IsRunDirectory(run_ + "/stages"), IsOkAndHolds(false));
  EXPECT_THAT(IsRunDirectory(run_ + "/experiment.textproto"), IsOkAndHolds(false));
  EXPECT_THAT(IsRunDirectory(run_ + "/missing"), IsOkAndHolds(false));
  const std::string path = run_ + "/experiment.textproto";
  fs::remove(path);
  fs::create_symlink(path, path);
  EXPECT_THAT(IsRunDirectory(run_), StatusIs(absl::StatusCode::kUnavailable, HasSubstr(path)));
}

TEST_F(EvaluatedRunTest, FilesThatAreTooLargeAreRefused) {
  Put("data_root.txt", std::string((1 << 20) + 1, 'x'));
  EXPECT_THAT(OpenRunDataset(run_, ""),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("data_root.txt")));
  EXPECT_THAT(OpenRunDataset(run_, "/data"), IsOk());
  Put("experiment.textproto", std::string((1 << 24) + 1, ' '));
  EXPECT_THAT(OpenRunDataset(run_, "/data"),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("experiment.textproto")));
}

// Another number of images would be another dataset.
TEST_F(EvaluatedRunTest, ADamagedExperimentIsNotUsed) {
  const std::string text = ReadFile(run_ + "/experiment.textproto").value();
  EXPECT_THAT(CreateDirectories(run_ + "/copies"), IsOk());
  Put("copies/experiment.textproto", ExperimentCopyText(text));
  EXPECT_THAT(OpenRunDataset(run_, ""), IsOk());
  Put("experiment.textproto", absl::StrReplaceAll(text, {{"num_images: 2", "num_images: 3"}}));
  EXPECT_THAT(OpenRunDataset(run_, ""),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("experiment.textproto is damaged")));
  fs::remove(run_ + "/copies/experiment.textproto");  // as in runs of earlier versions
  EXPECT_THAT(OpenRunDataset(run_, ""), IsOk());
}

// One digit of the losses, and one of a metric.
TEST_F(EvaluatedRunTest, DamagedFilesOfFinishedStagesAreNotUsed) {
  const std::string losses = "{\"iteration\":20,\"loss\":0.5}\n", metrics = "{\"map\": 0.5}\n";
  StageRecord training, evaluation;
  training.files["metrics.jsonl"] = Digest(losses);
  evaluation.files["detections.json"] = Digest("[]");
  evaluation.files["metrics.json"] = Digest(metrics);
  EXPECT_THAT(CreateDirectories(run_ + "/stages/2_final"), IsOk());
  Put("stages/1_rpn1/DONE", StageRecordText(training));
  Put("stages/2_final/DONE", StageRecordText(evaluation));
  const auto put_whole = [&] {
    Put("stages/1_rpn1/metrics.jsonl", losses);
    Put("metrics.json", metrics);
  };
  put_whole();
  EXPECT_THAT(OpenRunDataset(run_, ""), IsOk());
  Put("stages/1_rpn1/metrics.jsonl", "{\"iteration\":20,\"loss\":0.4}\n");
  EXPECT_THAT(OpenRunDataset(run_, ""),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("1_rpn1/metrics.jsonl is damaged")));
  put_whole();
  Put("metrics.json", "{\"map\": 0.4}\n");
  EXPECT_THAT(OpenRunDataset(run_, ""),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("/metrics.json is damaged")));
  // Missing ones are left out.
  fs::remove(run_ + "/metrics.json");
  fs::remove(run_ + "/stages/1_rpn1/metrics.jsonl");
  EXPECT_THAT(OpenRunDataset(run_, ""), IsOk());
}

}  // namespace
}  // namespace rcnn::eval
