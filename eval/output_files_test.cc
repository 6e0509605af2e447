#include "rcnn/eval/output_files.h"

#include <filesystem>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/testing/fresh_directory.h"
#include "rcnn/base/testing/status_matchers.h"

namespace rcnn::eval {
namespace {

using ::testing::HasSubstr;

class OutputFilesTest : public ::testing::Test {
 protected:
  OutputFilesTest() {
    std::filesystem::create_directories(folder_ + "/below");
    EXPECT_THAT(WriteFileAtomically(Path("labels.json"), "{}"), IsOk());
  }
  std::string Path(const std::string& name) const { return absl::StrCat(folder_, "/", name); }

  const std::string folder_ = FreshDirectory();
};

TEST_F(OutputFilesTest, LetsDifferentAndAbsentFilesPass) {
  EXPECT_THAT(CheckOutputs({{"--out", Path("a.json")}, {"--report", Path("a.html")}, {"--x", ""}},
                           {{"--dataset", Path("labels.json")}, {"--images", ""}}),
              IsOk());
  EXPECT_FALSE(std::filesystem::exists(Path("a.json")));
}

TEST_F(OutputFilesTest, RefusesToReplaceAnInput) {
  std::filesystem::create_symlink(Path("labels.json"), Path("link.json"));
  for (const char* name : {"labels.json", "below/../labels.json", "link.json"}) {
    EXPECT_THAT(
        CheckOutputs({{"--out", Path(name)}}, {{"--dataset", Path("labels.json")}}),
        StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(absl::StrCat("--out=", Path(name),
                                                                            " is also the file of "
                                                                            "--dataset"))));
  }
  EXPECT_EQ(*ReadFile(Path("labels.json")), "{}");
}

TEST_F(OutputFilesTest, RefusesTheNameOfAnImage) {
  ASSERT_THAT(WriteFileAtomically(Path("a.JPG"), "image"), IsOk());
  for (const char* name : {"a.JPG", "absent.png"}) {
    EXPECT_THAT(
        CheckOutputs({{"--out", ""}, {"--report", Path(name)}}, {}),
        StatusIs(absl::StatusCode::kInvalidArgument,
                 HasSubstr(absl::StrCat("--report=", Path(name), " has the name of an image"))));
  }
  EXPECT_EQ(*ReadFile(Path("a.JPG")), "image");
}

// No user can follow a link to itself, and it might lead to the output.
TEST_F(OutputFilesTest, AnInputThatCannotBeExaminedNowMayBeTheOutput) {
  std::filesystem::create_symlink("loop", Path("loop"));
  EXPECT_THAT(CheckOutputs({{"--out", Path("labels.json")}}, {{"--dataset", Path("loop/a.json")}}),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr(Path("loop/a.json"))));
  // Nothing can be at a path that is too long.
  const std::string name(300, 'x');
  EXPECT_THAT(CheckOutputs({{"--out", Path("a.json")}}, {{"--dataset", Path(name)}}), IsOk());
}

TEST_F(OutputFilesTest, RefusesTwoOutputsInOneFileThatDoesNotExistYet) {
  EXPECT_THAT(
      CheckOutputs({{"--out", Path("x")}, {"--report", Path("below/../x")}}, {}),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("x is also the file of --out")));
}

TEST_F(OutputFilesTest, NamesTheFlagOfAFileThatCannotBeWritten) {
  EXPECT_THAT(CheckOutputs({{"--out", Path("absent/x")}}, {}),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("--out: cannot write")));
}

}  // namespace
}  // namespace rcnn::eval
