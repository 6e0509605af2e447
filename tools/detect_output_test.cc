#include "rcnn/tools/detect_output.h"

#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/folder_lock.h"
#include "rcnn/base/sealed_json.h"
#include "rcnn/base/testing/deep_file.h"
#include "rcnn/base/testing/status_matchers.h"

namespace rcnn::tools {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr absl::StatusCode kRefused = absl::StatusCode::kFailedPrecondition;

class DetectOutputTest : public ::testing::Test {
 protected:
  void SetUp() override {
    root_ = absl::StrCat(::testing::TempDir(), "/detect_output_test_", getpid());
    out_ = root_ + "/out";
    fs::create_directories(root_);
  }
  void TearDown() override { fs::remove_all(root_); }

  void Write(const std::string& name, const std::string& text = "x") {
    const fs::path path = fs::path(root_) / name;
    fs::create_directories(path.parent_path());
    std::ofstream(path) << text;
  }
  bool Exists(const std::string& name) { return fs::exists(root_ + "/" + name); }

  OutputFolder Output(std::vector<std::string> files, bool overwrite = false) {
    return {out_, std::move(files), overwrite};
  }

  // A complete run that writes these files.
  void Run(const std::vector<std::string>& files, bool overwrite = false) {
    ASSERT_THAT(CheckOutputFolder(Output(files, overwrite), {}), IsOk());
    ASSERT_THAT(ClaimOutputFolder(Output(files, overwrite)), IsOk());
    for (const std::string& file : files) Write("out/" + file);
  }

  // A manifest that lists this name, with a matching seal.
  void WriteManifest(const std::string& name) {
    Write(absl::StrCat("out/", kManifestName),
          SealedText({{"format", 1}, {"program", "detect"}, {"files", {absl::CEscape(name)}}}));
  }

  std::string root_, out_;
};

TEST_F(DetectOutputTest, ClaimsANewFolder) {
  EXPECT_THAT(CheckOutputFolder(Output({"drawn/a.jpg"}), {}), IsOk());
  EXPECT_FALSE(Exists("out"));
  ASSERT_THAT(ClaimOutputFolder(Output({"images.json", "drawn/a.jpg"})), IsOk());
  EXPECT_THAT(ReadManifest(out_), IsOkAndHolds(ElementsAre("drawn/a.jpg", "images.json")));
}

TEST_F(DetectOutputTest, FolderWithoutAManifestHasNoResults) {
  Write("out/photo.jpg");
  EXPECT_THAT(ReadManifest(out_), IsOkAndHolds(IsEmpty()));
  EXPECT_THAT(ReadManifest(root_ + "/absent"), IsOkAndHolds(IsEmpty()));
  EXPECT_THAT(CheckOutputFolder(Output({"images.json"}), {}), IsOk());
}

// The manifest comes before the results, so that a killed run is recognised.
TEST_F(DetectOutputTest, RefusesTheFolderOfARunThatWroteNothingYet) {
  ASSERT_THAT(ClaimOutputFolder(Output({"images.json"})), IsOk());
  EXPECT_THAT(CheckOutputFolder(Output({"images.json"}), {}),
              StatusIs(kRefused, AllOf(HasSubstr(out_), HasSubstr("--overwrite"))));
  EXPECT_THAT(CheckOutputFolder(Output({"images.json"}, true), {}), IsOk());
}

TEST_F(DetectOutputTest, TwoProcessesDoNotShareAFolder) {
  {
    const absl::StatusOr<FolderLock> lock = ClaimOutputFolder(Output({"images.json"}));
    ASSERT_THAT(lock, IsOk());
    for (const bool overwrite : {false, true}) {
      EXPECT_THAT(
          ClaimOutputFolder(Output({"drawn/a.jpg"}, overwrite)),
          StatusIs(kRefused, HasSubstr("--output: another process is writing into " + out_)));
    }
    EXPECT_THAT(ReadManifest(out_), IsOkAndHolds(ElementsAre("images.json")));
  }
  EXPECT_THAT(ClaimOutputFolder(Output({"drawn/a.jpg"}, true)), IsOk());
  EXPECT_THAT(ReadManifest(out_), IsOkAndHolds(ElementsAre("drawn/a.jpg")));
}

TEST_F(DetectOutputTest, OverwriteDeletesTheListedFilesOnly) {
  Run({"images.json", "drawn/a.jpg", "drawn/b/c.jpg"});
  Write("out/drawn/b/mine.jpg");
  Write("out/notes.txt");
  ASSERT_THAT(ClaimOutputFolder(Output({"images.json", "drawn/d.jpg"}, true)), IsOk());
  for (const char* gone : {"out/images.json", "out/drawn/a.jpg", "out/drawn/b/c.jpg"}) {
    EXPECT_FALSE(Exists(gone)) << gone;
  }
  for (const char* kept : {"out/drawn/b/mine.jpg", "out/notes.txt", "out/manifest.json"}) {
    EXPECT_TRUE(Exists(kept)) << kept;
  }
  EXPECT_THAT(ReadManifest(out_), IsOkAndHolds(ElementsAre("drawn/d.jpg", "images.json")));
}

TEST_F(DetectOutputTest, ListedFilesMayBeMissing) {
  Run({"images.json", "drawn/a.jpg"});
  fs::remove(out_ + "/drawn/a.jpg");
  EXPECT_THAT(ClaimOutputFolder(Output({"images.json"}, true)), IsOk());
}

TEST_F(DetectOutputTest, FilesOfOtherProgramsAreNeverOverwritten) {
  for (const char* name : {"images.json", "drawn/a.jpg"}) {
    fs::remove_all(out_);
    Write(absl::StrCat("out/", name));
    for (const bool overwrite : {false, true}) {
      EXPECT_THAT(CheckOutputFolder(Output({name}, overwrite), {}),
                  StatusIs(kRefused, AllOf(HasSubstr(name), HasSubstr("another program"))));
    }
  }
}

TEST_F(DetectOutputTest, NamesHoldAnyBytes) {
  const std::string odd = "drawn/\xff \"\\\n\xc3\xa4.jpg";
  Run({odd});
  EXPECT_THAT(ReadManifest(out_), IsOkAndHolds(ElementsAre(odd)));
  ASSERT_THAT(ClaimOutputFolder(Output({"images.json"}, true)), IsOk());
  EXPECT_FALSE(Exists("out/" + odd));
}

TEST_F(DetectOutputTest, NamesNeverLeadOutsideTheFolder) {
  WriteManifest("drawn/a.jpg");
  EXPECT_THAT(ReadManifest(out_), IsOkAndHolds(ElementsAre("drawn/a.jpg")));
  Write("victim.jpg");
  for (const std::string& name :
       {std::string("../victim.jpg"), std::string("drawn/../../victim.jpg"), root_ + "/victim.jpg",
        std::string("notes.txt"), std::string("drawn"), std::string("."),
        std::string("drawn/\0.jpg", 11)}) {
    WriteManifest(name);
    Write("out/notes.txt");
    EXPECT_THAT(CheckOutputFolder(Output({"images.json"}, true), {}),
                StatusIs(kRefused, HasSubstr("never writes")))
        << name;
    EXPECT_THAT(ClaimOutputFolder(Output({"images.json"}, true)), StatusIs(kRefused)) << name;
    EXPECT_TRUE(Exists("victim.jpg") && Exists("out/notes.txt")) << name;
  }
}

TEST_F(DetectOutputTest, LinksNeverLeadOutsideTheFolder) {
  Write("elsewhere/a.jpg");
  Run({"images.json", "drawn/a.jpg"});
  fs::remove_all(out_ + "/drawn");
  fs::create_directory_symlink(root_ + "/elsewhere", out_ + "/drawn");
  for (const char* name : {"images.json", "drawn/b.jpg"}) {
    EXPECT_THAT(CheckOutputFolder(Output({name}, true), {}),
                StatusIs(kRefused, AllOf(HasSubstr("out/drawn"), HasSubstr("link"))));
  }
  EXPECT_THAT(ClaimOutputFolder(Output({"images.json"}, true)), StatusIs(kRefused));
  EXPECT_TRUE(Exists("elsewhere/a.jpg") && Exists("out/images.json"));
}

TEST_F(DetectOutputTest, LinkInTheListIsDeletedNotItsTarget) {
  Write("elsewhere/a.jpg");
  Run({"drawn/a.jpg"});
  fs::remove(out_ + "/drawn/a.jpg");
  fs::create_symlink(root_ + "/elsewhere/a.jpg", out_ + "/drawn/a.jpg");
  ASSERT_THAT(ClaimOutputFolder(Output({"images.json"}, true)), IsOk());
  EXPECT_FALSE(fs::is_symlink(out_ + "/drawn/a.jpg"));
  EXPECT_TRUE(Exists("elsewhere/a.jpg"));
}

// It would list the files of another folder.
TEST_F(DetectOutputTest, AManifestThatIsALinkIsRefused) {
  Run({"images.json", "drawn/a.jpg"});
  fs::rename(out_, root_ + "/elsewhere");
  Write("out/drawn/a.jpg");
  const std::string manifest = absl::StrCat(out_, "/", kManifestName);
  fs::create_symlink(absl::StrCat(root_, "/elsewhere/", kManifestName), manifest);
  EXPECT_THAT(ClaimOutputFolder(Output({"images.json"}, true)),
              StatusIs(kRefused, AllOf(HasSubstr(kManifestName), HasSubstr("a link"))));
  EXPECT_TRUE(Exists("out/drawn/a.jpg") && fs::is_symlink(manifest));
}

TEST_F(DetectOutputTest, FolderInThePlaceOfAFileIsRefused) {
  Run({"images.json", "drawn/a.jpg"});
  fs::remove(out_ + "/drawn/a.jpg");
  fs::create_directories(out_ + "/drawn/a.jpg/full");
  EXPECT_THAT(CheckOutputFolder(Output({"images.json"}, true), {}),
              StatusIs(kRefused, HasSubstr("drawn/a.jpg is a folder")));
}

TEST_F(DetectOutputTest, InputImagesAreNeitherOverwrittenNorDeleted) {
  Run({"images.json", "drawn/a.jpg"});
  const std::vector<std::string> inputs = {out_ + "/drawn/../drawn/a.jpg"};
  for (const char* written : {"images.json", "drawn/a.jpg"}) {
    EXPECT_THAT(CheckOutputFolder(Output({written}, true), inputs),
                StatusIs(kRefused, HasSubstr("is one of the input images")));
  }
}

// Where the file system cannot tell their canonical paths, because these are too long.
TEST_F(DetectOutputTest, InputsInADeepFolderAreNotTakenForResults) {
  const std::string deep = DeepPath(root_, 4200);
  WriteDeepFile(deep + "/in/a.jpg", "x");
  WriteDeepFile(deep + "/out/notes.txt", "x");
  const fs::path before = fs::current_path();
  fs::current_path("/");
  for (const absl::string_view name : absl::StrSplit(deep, '/', absl::SkipEmpty())) {
    fs::current_path(std::string(name));
  }
  EXPECT_THAT(CheckOutputFolder({"out", {"images.json"}, false}, {"in/a.jpg"}), IsOk());
  EXPECT_THAT(CheckOutputFolder({"out", {"notes.txt"}, false}, {"out/notes.txt"}),
              StatusIs(kRefused, HasSubstr("is one of the input images")));
  fs::current_path(before);
}

// Nobody has time to read it to its end.
TEST_F(DetectOutputTest, AManifestThatHasBecomeVeryLongIsDamaged) {
  Run({"images.json"});
  fs::resize_file(out_ + "/" + kManifestName, uintmax_t{1} << 40);
  EXPECT_THAT(CheckOutputFolder(Output({"images.json"}, true), {}),
              StatusIs(kRefused, AllOf(HasSubstr(kManifestName), HasSubstr("it is too large"))));
}

// It may be one of the files. No user can follow a link to itself.
TEST_F(DetectOutputTest, AnInputThatCannotBeExaminedNowIsNotAnotherFile) {
  Run({"images.json", "drawn/a.jpg"});
  fs::create_symlink("loop.jpg", root_ + "/loop.jpg");
  EXPECT_THAT(CheckOutputFolder(Output({"images.json"}, true), {root_ + "/loop.jpg"}),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr(root_ + "/loop.jpg")));
}

// Every changed byte, and every other file of that name.
TEST_F(DetectOutputTest, DamagedManifestDeletesNothing) {
  Run({"images.json", "drawn/a.jpg"});
  const std::string path = out_ + "/" + kManifestName;
  const std::string text = ReadFile(path).value();
  std::vector<std::string> damaged = {"", "{}", "[1]", "{\"files\": [\"images.json\"]}",
                                      text.substr(0, text.size() / 2)};
  for (size_t i = 0; i < text.size(); ++i) {
    damaged.push_back(text);
    damaged.back()[i] ^= 1;
  }
  for (const std::string& bytes : damaged) {
    ASSERT_THAT(WriteFileAtomically(path, bytes), IsOk());
    EXPECT_THAT(CheckOutputFolder(Output({"images.json"}, true), {}),
                StatusIs(kRefused, HasSubstr(kManifestName)))
        << bytes;
    EXPECT_THAT(ClaimOutputFolder(Output({"images.json"}, true)), StatusIs(kRefused)) << bytes;
  }
  EXPECT_TRUE(Exists("out/images.json") && Exists("out/drawn/a.jpg"));
}

}  // namespace
}  // namespace rcnn::tools
