#include "rcnn/eval/html/evaluated_run.h"

#include <filesystem>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/testing/status_matchers.h"

namespace rcnn::eval {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class EvaluatedRunTest : public testing::Test {
 protected:
  EvaluatedRunTest()
      : run_(absl::StrCat(testing::TempDir(), "/",
                          testing::UnitTest::GetInstance()->current_test_info()->name())) {
    fs::remove_all(run_);
    EXPECT_THAT(CreateDirectories(run_ + "/stages/1_rpn1"), IsOk());
    Put("experiment.textproto",
        "name: 'a' data { test { shapes { num_images: 2 } } } stages { name: 'rpn1' }");
  }

  void Put(const std::string& name, const std::string& text) {
    EXPECT_THAT(WriteFileAtomically(absl::StrCat(run_, "/", name), text), IsOk());
  }

  const std::string run_;
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

}  // namespace
}  // namespace rcnn::eval
