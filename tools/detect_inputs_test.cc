#include "rcnn/tools/detect_inputs.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/deep_file.h"

namespace rcnn::tools {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::StartsWith;

// Works in its own folder, so that names are short.
class DetectInputsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    before_ = fs::current_path();
    folder_ = fs::path(::testing::TempDir()) / absl::StrCat("detect_inputs_test_", getpid());
    folder_ = fs::path(folder_).lexically_normal().string();
    fs::create_directories(folder_);
    fs::current_path(folder_);
  }
  void TearDown() override {
    fs::current_path(before_);
    fs::remove_all(folder_);
  }

  static void Touch(const std::vector<std::string>& files) {
    for (const std::string& file : files) {
      if (fs::path(file).has_parent_path()) fs::create_directories(fs::path(file).parent_path());
      std::ofstream(file) << "x";
    }
  }

  fs::path before_;
  std::string folder_;
};

TEST_F(DetectInputsTest, TakesAFileWithAnyName) {
  Touch({"a", "b.JPG", "c.txt"});
  const FoundInputs found = FindImages({"c.txt", "a", "b.JPG"});
  EXPECT_THAT(found.images, ElementsAre("c.txt", "a", "b.JPG"));
  EXPECT_THAT(found.problems, IsEmpty());
}

TEST_F(DetectInputsTest, AFolderGivesItsImagesAndThoseBelow) {
  Touch({"in/b.png", "in/A.JPEG", "in/sub/deep/c.webp", "in/notes.txt", "in/sub/d.bmp",
         "in/.hidden/e.jpg", "in/._b.png", "in/scan.TIF", "in/sub/clip.gif", "in/x.heic",
         "in/drawing.svg", "in/sub/y.heic"});
  const FoundInputs found = FindImages({"in"});
  EXPECT_THAT(found.images, ElementsAre("in/A.JPEG", "in/b.png", "in/scan.TIF", "in/sub/clip.gif",
                                        "in/sub/d.bmp", "in/sub/deep/c.webp"));
  EXPECT_THAT(found.problems, IsEmpty());
  EXPECT_THAT(found.other_formats, ElementsAre(Pair(".heic", 2), Pair(".svg", 1)));
}

TEST_F(DetectInputsTest, PatternsMatchNamesAndFolders) {
  Touch({"a/1.jpg", "a/2.png", "b/1.jpg", "b/c/1.jpg", "b/c/d/1.jpg", "b/c/d/2.txt"});
  EXPECT_THAT(FindImages({"a/*"}).images, ElementsAre("a/1.jpg", "a/2.png"));
  EXPECT_THAT(FindImages({"?/[1x].jpg"}).images, ElementsAre("a/1.jpg", "b/1.jpg"));
  EXPECT_THAT(FindImages({"b/**/1.jpg"}).images,
              ElementsAre("b/1.jpg", "b/c/1.jpg", "b/c/d/1.jpg"));
  EXPECT_THAT(FindImages({"**/d/*.jpg"}).images, ElementsAre("b/c/d/1.jpg"));
  EXPECT_THAT(FindImages({"**/*.png"}).images, ElementsAre("a/2.png"));
  // A pattern takes any file; a text file is reported later.
  EXPECT_THAT(FindImages({"b/c/**"}).images,
              ElementsAre("b/c/1.jpg", "b/c/d/1.jpg", "b/c/d/2.txt"));
  // A folder that matches is a folder.
  EXPECT_THAT(FindImages({"b/*"}).images, ElementsAre("b/1.jpg", "b/c/1.jpg", "b/c/d/1.jpg"));
  EXPECT_THAT(FindImages({absl::StrCat(folder_, "/a/*.png")}).images,
              ElementsAre(absl::StrCat(folder_, "/a/2.png")));
}

TEST_F(DetectInputsTest, CommasSeparateUnlessTheyBelongToAName) {
  Touch({"a.jpg", "b.jpg", "a.jpg,b.jpg.png"});
  EXPECT_THAT(FindImages({"b.jpg, a.jpg,"}).images, ElementsAre("b.jpg", "a.jpg"));
  EXPECT_THAT(FindImages({"a.jpg,b.jpg.png"}).images, ElementsAre("a.jpg,b.jpg.png"));
  Touch({"what[1].jpg"});
  EXPECT_THAT(FindImages({"what[1].jpg"}).images, ElementsAre("what[1].jpg"));
}

TEST_F(DetectInputsTest, DuplicateFileIsTakenOnce) {
  Touch({"in/a.jpg", "in/b.jpg"});
  const FoundInputs found =
      FindImages({"in/b.jpg", "in", "./in/../in/a.jpg", folder_ + "/in/b.jpg", "in"});
  EXPECT_THAT(found.images, ElementsAre("in/b.jpg", "in/a.jpg"));
  EXPECT_THAT(found.problems, IsEmpty());
}

TEST_F(DetectInputsTest, UnmatchedInputIsAProblemAndOthersAreFound) {
  Touch({"in/a.jpg", "texts/a.txt"});
  fs::create_directories("empty/below");
  const FoundInputs found = FindImages({"absent.jpg", "in", "empty", "texts", "no*.jpg", "x,in"});
  EXPECT_THAT(found.images, ElementsAre("in/a.jpg"));
  EXPECT_THAT(found.problems,
              ElementsAre("absent.jpg: no such file or folder",
                          AllOf(StartsWith("empty: no images"), HasSubstr(".webp")),
                          StartsWith("texts: no images"), "no*.jpg: no file matches this pattern",
                          "x: no such file or folder"));
}

TEST_F(DetectInputsTest, AnInputWhoseExistenceCannotBeCheckedHasItsCause) {
  fs::create_symlink(std::string(300, 'x'), "link");
  EXPECT_THAT(FindImages({"link"}).problems,
              ElementsAre("link: cannot be read: File name too long"));
}

// A list of files is one argument, however long it is; of a name that no file can have the
// beginning is shown.
TEST_F(DetectInputsTest, AnInputThatIsTooLongSaysWhatToGive) {
  Touch({"a.jpg"});
  std::string list = "a.jpg";
  for (int i = 0; i < 1000; ++i) list += ",a.jpg";
  EXPECT_THAT(FindImages({list}).problems, IsEmpty());
  for (const size_t size : {300, 5000}) {
    const std::string shown = absl::StrCat(std::string(60, 'x'), "... (", size, " bytes): ");
    const std::string name(size, 'x');
    EXPECT_THAT(FindImages({name}).problems,
                ElementsAre(AllOf(StartsWith(shown + "no file can have so long a name"),
                                  HasSubstr("patterns to --input"))));
    EXPECT_THAT(FindImages({name.substr(1) + "*"}).problems,
                ElementsAre(shown + "no file matches this pattern"));
  }
}

// Of more than 4095 bytes. What is in such a folder must not be left out without a word.
TEST_F(DetectInputsTest, AFolderWhosePathIsTooLongIsAProblemAndAFileIsNot) {
  Touch({"in/a.jpg"});
  const std::string deep = DeepPath("in", 3900);
  const std::string file = absl::StrCat(deep, "/", std::string(100, 'c'), ".jpg");
  const std::string folder = absl::StrCat(deep, "/", std::string(100, 'e'));
  WriteDeepFile(file, "x");
  WriteDeepFile(folder + "/b.jpg", "x");
  const FoundInputs found = FindImages({"in"});
  EXPECT_THAT(found.images, ElementsAre("in/a.jpg", file));
  EXPECT_THAT(
      found.problems,
      ElementsAre(AllOf(StartsWith(absl::StrCat(folder.substr(0, 60), "... (", folder.size(),
                                                " bytes): no file can have")),
                        HasSubstr("its images are left out"))));
}

TEST_F(DetectInputsTest, DrawnImagesAreNotInputs) {
  Touch({"a.jpg", "out/drawn/a.jpg", "out/b.jpg"});
  const FindOptions options = {.skipped_folder = "./out/drawn"};
  EXPECT_THAT(FindImages({"."}, options).images, ElementsAre("./a.jpg", "./out/b.jpg"));
  EXPECT_THAT(FindImages({"**/*.jpg"}, options).images, ElementsAre("a.jpg", "out/b.jpg"));
  EXPECT_THAT(FindImages({"out/drawn"}, options).problems,
              ElementsAre(HasSubstr("choose another --output")));
  // If named explicitly, it is.
  EXPECT_THAT(FindImages({"out/drawn/a.jpg"}, options).images, ElementsAre("out/drawn/a.jpg"));
}

TEST_F(DetectInputsTest, LinksAreFollowedWithoutCycles) {
  Touch({"in/a.jpg", "elsewhere/b.jpg"});
  fs::create_directory_symlink("../elsewhere", "in/link");
  fs::create_directory_symlink("..", "in/up");
  fs::create_symlink("gone.jpg", "in/z_dangling.jpg");
  const FoundInputs found = FindImages({"in"});
  EXPECT_THAT(found.images,
              ::testing::IsSupersetOf({"in/a.jpg", "in/link/b.jpg", "in/z_dangling.jpg"}));
  EXPECT_LT(found.images.size(), 10u);
}

// No user can follow a link to a name that is too long. It may lead to a folder of images.
TEST_F(DetectInputsTest, WhatCannotBeExaminedNowIsNotLeftOut) {
  Touch({"in/a.jpg", "in/b.txt"});
  fs::create_symlink(std::string(300, 'x'), "in/sub");
  const auto is_named = ElementsAre("in/sub: cannot be read: File name too long");
  for (const char* input : {"in", "in/**", "in/*[!t]"}) {
    const FoundInputs found = FindImages({input});
    EXPECT_THAT(found.images, ::testing::Contains("in/a.jpg")) << input;
    EXPECT_THAT(found.problems, is_named) << input;
  }
  for (const char* input : {"in/sub/*.jpg", "in/*/a.jpg", "in/s*", "in/sub"}) {
    const FoundInputs found = FindImages({input});
    EXPECT_THAT(found.images, IsEmpty()) << input;
    EXPECT_THAT(found.problems, is_named) << input;
  }
}

// ".." still leads to the folder around a deleted one.
TEST_F(DetectInputsTest, InADeletedFolderRelativeInputsAreProblems) {
  Touch({"a.jpg"});
  fs::create_directories("deleted");
  fs::current_path("deleted");
  fs::remove(folder_ + "/deleted");
  const FoundInputs found = FindImages({"../a.jpg", ".", folder_ + "/a.jpg"});
  EXPECT_THAT(found.images, ElementsAre(folder_ + "/a.jpg"));
  EXPECT_THAT(found.problems, ElementsAre(StartsWith("../a.jpg: the current directory"),
                                          HasSubstr("the current directory")));
}

TEST_F(DetectInputsTest, UnreadableFolderIsAProblem) {
  Touch({"in/a.jpg", "in/locked/b.jpg"});
  fs::permissions("in/locked", fs::perms::none);
  const FoundInputs found = FindImages({"in"});
  fs::permissions("in/locked", fs::perms::owner_all);
  if (getuid() == 0) GTEST_SKIP() << "everything can be read by root";
  EXPECT_THAT(found.images, ElementsAre("in/a.jpg"));
  EXPECT_THAT(found.problems, ElementsAre(StartsWith("in/locked: the folder cannot be read")));
}

}  // namespace
}  // namespace rcnn::tools
