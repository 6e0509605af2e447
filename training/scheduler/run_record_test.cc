#include "rcnn/training/scheduler/run_record.h"

#include <sys/stat.h>

#include <filesystem>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/testing/fresh_directory.h"
#include "rcnn/base/testing/status_matchers.h"

namespace rcnn::training {
namespace {

namespace fs = std::filesystem;

class RunRecordTest : public testing::Test {
 protected:
  RunRecordTest() : path_(FreshDirectory() + "/record.txt") {}

  // It counts as missing, and a write replaces it.
  void ExpectNoRecord() {
    EXPECT_THAT(ReadRunRecord(path_), IsOkAndHolds(""));
    ASSERT_THAT(WriteRunRecord(path_, "new\n"), IsOk());
    EXPECT_THAT(ReadRunRecord(path_), IsOkAndHolds("new\n"));
  }

  const std::string path_;
};

TEST_F(RunRecordTest, IsReadAsWritten) {
  ExpectNoRecord();
  ASSERT_THAT(WriteRunRecord(path_, "newer\n"), IsOk());
  EXPECT_THAT(ReadRunRecord(path_), IsOkAndHolds("newer\n"));
}

TEST_F(RunRecordTest, OneOfMegabytesIsNone) {
  const std::string largest(1 << 20, 'x');
  ASSERT_THAT(WriteFileAtomically(path_, largest), IsOk());
  EXPECT_EQ(ReadRunRecord(path_).value(), largest);
  ASSERT_THAT(WriteFileAtomically(path_, largest + "x"), IsOk());
  ExpectNoRecord();
}

TEST_F(RunRecordTest, AFolderInItsPlaceIsKeptUnderAnotherName) {
  fs::create_directories(path_ + "/mine");
  ExpectNoRecord();
  EXPECT_TRUE(fs::exists(path_ + ".before/mine"));
}

TEST_F(RunRecordTest, APipeInItsPlaceMakesWay) {
  ASSERT_EQ(mkfifo(path_.c_str(), 0600), 0);
  ExpectNoRecord();
}

TEST_F(RunRecordTest, ALinkToItselfMakesWay) {
  fs::create_symlink(path_, path_);
  ExpectNoRecord();
}

}  // namespace
}  // namespace rcnn::training
