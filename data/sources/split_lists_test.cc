#include "rcnn/data/sources/split_lists.h"

#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <iterator>
#include <map>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/testing/fresh_directory.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/data/sources/list_checksums.h"
#include "rcnn/data/testing/utf16.h"

namespace rcnn::data {
namespace {

namespace fs = std::filesystem;

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Key;
using ::testing::UnorderedElementsAre;

constexpr char kFolder[] = "/data/cells";

class SplitListsTest : public testing::Test {
 protected:
  absl::StatusOr<SplitLists> Read() const { return SplitLists::Read(directory_, kFolder); }

  // Adds images to the lists, and writes them.
  void Write(const std::map<std::string, SplitSide>& images) {
    auto lists = Read();
    ASSERT_THAT(lists, IsOk());
    for (const auto& [name, side] : images) ASSERT_THAT(lists->Add(side, 0, name), IsOk());
    ASSERT_THAT(lists->Write(), IsOk());
  }

  void WriteFour() {
    Write({{"a.jpg", SplitSide::kTrain},
           {"b.jpg", SplitSide::kTrain},
           {"c.jpg", SplitSide::kVal},
           {"d.jpg", SplitSide::kTest}});
  }

  std::string In(const std::string& name) const { return absl::StrCat(directory_, "/", name); }

  // The files of the directory by their names.
  std::map<std::string, std::string> Files() const {
    std::map<std::string, std::string> files;
    for (const auto& entry : fs::directory_iterator(directory_)) {
      files[entry.path().filename()] = ReadFile(entry.path()).value();
    }
    return files;
  }

  const std::string root_ = FreshDirectory();
  std::string directory_ = root_ + "/split";
};

TEST_F(SplitListsTest, AreReadAsTheyWereWritten) {
  const auto before = Read();
  ASSERT_THAT(before, IsOk());
  EXPECT_FALSE(before->were_there());
  WriteFour();
  EXPECT_THAT(Files(), UnorderedElementsAre(Key("train.txt"), Key("val.txt"), Key("test.txt"),
                                            Key("folder.txt"), Key("checksums.txt")));
  EXPECT_EQ(Files().at("train.txt"), "a.jpg\nb.jpg\n");
  EXPECT_EQ(Files().at("folder.txt"), "/data/cells\n");
  const auto after = Read();
  ASSERT_THAT(after, IsOk());
  EXPECT_TRUE(after->were_there());
  EXPECT_EQ(after->directory(), directory_);
  EXPECT_EQ(after->Find(0, "b.jpg"), SplitSide::kTrain);
  EXPECT_EQ(after->Find(0, "c.jpg"), SplitSide::kVal);
  EXPECT_EQ(after->Find(0, "d.jpg"), SplitSide::kTest);
  EXPECT_EQ(after->Find(0, "e.jpg"), std::nullopt);
  EXPECT_EQ(after->Find(1, "b.jpg"), std::nullopt);
  EXPECT_EQ(after->Count(SplitSide::kTrain), 2);
  EXPECT_EQ(after->Count(SplitSide::kTest), 1);
}

TEST_F(SplitListsTest, NamesAreOnlyAdded) {
  WriteFour();
  Write({{"0.jpg", SplitSide::kTest}});
  EXPECT_EQ(Files().at("train.txt"), "a.jpg\nb.jpg\n");
  EXPECT_EQ(Files().at("test.txt"), "d.jpg\n0.jpg\n");
}

// So that one place does not end at a gap of the other.
TEST_F(SplitListsTest, EverySideHasAListForEveryPlace) {
  auto lists = Read();
  ASSERT_THAT(lists, IsOk());
  ASSERT_THAT(lists->Add(SplitSide::kTrain, 0, "a.jpg"), IsOk());
  ASSERT_THAT(lists->Add(SplitSide::kTrain, 2, "a.jpg"), IsOk());
  ASSERT_THAT(lists->Add(SplitSide::kVal, 1, "a.jpg"), IsOk());
  EXPECT_THAT(lists->Places(SplitSide::kTrain), ElementsAre(0, 2));
  EXPECT_THAT(lists->Places(SplitSide::kTest), IsEmpty());
  EXPECT_EQ(lists->Path(SplitSide::kTrain, 2), directory_ + "/train-2.txt");
  ASSERT_THAT(lists->Write(), IsOk());
  for (const char* side : {"train", "val", "test"}) {
    for (const char* place : {"", "-1", "-2"}) {
      EXPECT_TRUE(fs::exists(In(absl::StrCat(side, place, ".txt")))) << side << place;
    }
  }
  const auto read = Read();
  ASSERT_THAT(read, IsOk());
  EXPECT_EQ(read->Find(2, "a.jpg"), SplitSide::kTrain);
  EXPECT_EQ(read->Find(1, "a.jpg"), SplitSide::kVal);
  EXPECT_THAT(read->Places(SplitSide::kVal), ElementsAre(1));
}

// What a run that was killed has left.
TEST_F(SplitListsTest, AnUnfinishedDirectoryIsReplaced) {
  ASSERT_THAT(CreateDirectories(directory_ + ".unfinished"), IsOk());
  ASSERT_THAT(WriteFileAtomically(directory_ + ".unfinished/val-1.txt", "z.jpg\n"), IsOk());
  WriteFour();
  EXPECT_FALSE(fs::exists(In("val-1.txt")));
  EXPECT_FALSE(fs::exists(directory_ + ".unfinished"));
}

TEST_F(SplitListsTest, MayGrowElsewhere) {
  WriteFour();
  const std::map<std::string, std::string> before = Files();
  auto lists = Read();
  ASSERT_THAT(lists, IsOk());
  ASSERT_THAT(lists->Add(SplitSide::kTest, 0, "e.jpg"), IsOk());
  ASSERT_THAT(lists->Write(root_ + "/grown"), IsOk());
  EXPECT_EQ(Files(), before);
  EXPECT_EQ(lists->Path(SplitSide::kTest, 0), root_ + "/grown/test.txt");
  directory_ = root_ + "/grown";
  EXPECT_EQ(Files().at("test.txt"), "d.jpg\ne.jpg\n");
  EXPECT_EQ(Files().at("train.txt"), before.at("train.txt"));
}

// A list has a name on each line. At the beginning of a list the last ones would say that it is
// UTF-16.
TEST_F(SplitListsTest, RefuseNamesThatAListCannotHold) {
  auto lists = Read();
  ASSERT_THAT(lists, IsOk());
  for (const char* name : {"two\nlines", "back\\slash", " space", "carriage\rreturn", "./a.jpg",
                           "\xff\xfe"
                           "1.png",
                           "\xfe\xff"
                           "1.png"}) {
    EXPECT_THAT(
        lists->Add(SplitSide::kTrain, 0, name),
        StatusIs(absl::StatusCode::kInvalidArgument,
                 AllOf(HasSubstr("/data/cells: a list of the split cannot hold the image name"),
                       HasSubstr("bytes that mark the encoding"), HasSubstr("rename"))))
        << name;
  }
  EXPECT_EQ(lists->Count(SplitSide::kTrain), 0);
}

// An editor may save a list so. Its names would otherwise be new, and cut again.
TEST_F(SplitListsTest, AreReadInUtf16) {
  WriteFour();
  ASSERT_THAT(WriteFileAtomically(In("val.txt"), Utf16(Files().at("val.txt"))), IsOk());
  EXPECT_THAT(Read(), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("has been edited")));
  fs::remove(In("checksums.txt"));
  const auto lists = Read();
  ASSERT_THAT(lists, IsOk());
  EXPECT_EQ(lists->Find(0, "c.jpg"), SplitSide::kVal);
}

TEST_F(SplitListsTest, AnImageOfTwoListsIsAnError) {
  WriteFour();
  ASSERT_THAT(WriteFileAtomically(In("val.txt"), "c.jpg\na.jpg\n"), IsOk());
  fs::remove(In("checksums.txt"));
  EXPECT_THAT(Read(), StatusIs(absl::StatusCode::kInvalidArgument,
                               HasSubstr("/val.txt: names a.jpg, which another list names too")));
}

TEST_F(SplitListsTest, ListsOfAnotherFolderAreAnError) {
  WriteFour();
  EXPECT_THAT(SplitLists::Read(directory_, "/data/other"),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       AllOf(HasSubstr("holds the split of /data/cells, not of /data/other"),
                             HasSubstr("--run_dir"))));
}

// The lists would otherwise be deleted, and test images could become training images.
TEST_F(SplitListsTest, ADirectoryWithoutTheNameOfItsFolderIsKept) {
  ASSERT_THAT(CreateDirectories(directory_), IsOk());  // empty
  WriteFour();
  const std::map<std::string, std::string> before = Files();
  fs::rename(In("folder.txt"), root_ + "/kept");
  EXPECT_THAT(Read(), StatusIs(absl::StatusCode::kFailedPrecondition,
                               AllOf(HasSubstr("/split: holds files but no folder.txt"),
                                     HasSubstr("move the directory away"))));
  fs::rename(root_ + "/kept", In("folder.txt"));
  EXPECT_THAT(Read(), IsOk());
  EXPECT_EQ(Files(), before);
}

// Its images would otherwise be new, and could come to another side.
TEST_F(SplitListsTest, ADamagedOrMissingListIsAnErrorAndStays) {
  WriteFour();
  const std::map<std::string, std::string> whole = Files();
  for (const char* const name : {"train.txt", "val.txt", "test.txt", "checksums.txt"}) {
    const std::string& bytes = whole.at(name);
    std::string flipped = bytes;
    flipped[bytes.size() / 2] ^= 1;
    for (const std::string& damaged : {flipped, bytes.substr(0, bytes.size() / 2), std::string()}) {
      ASSERT_THAT(WriteFileAtomically(In(name), damaged), IsOk());
      const std::map<std::string, std::string> files = Files();
      EXPECT_THAT(Read(), StatusIs(absl::StatusCode::kDataLoss,
                                   AllOf(HasSubstr(absl::StrCat("/split/", name, ": is ")),
                                         HasSubstr("delete"), HasSubstr("/checksums.txt"))));
      EXPECT_EQ(Files(), files);
    }
    fs::remove(In(name));
    if (std::string(name) != "checksums.txt") {
      EXPECT_THAT(Read(), StatusIs(absl::StatusCode::kDataLoss,
                                   HasSubstr(absl::StrCat("/split/", name, ": is missing"))));
      EXPECT_FALSE(fs::exists(In(name)));
    }
    ASSERT_THAT(WriteFileAtomically(In(name), bytes), IsOk());
  }
  EXPECT_THAT(Read(), IsOk());
}

TEST_F(SplitListsTest, VerifyingNamesEveryDamagedFile) {
  const auto nothing = SplitLists::Verify(directory_);
  ASSERT_THAT(nothing, IsOk());
  EXPECT_FALSE(nothing->are_there);
  WriteFour();
  const auto whole = SplitLists::Verify(directory_);
  ASSERT_THAT(whole, IsOk());
  EXPECT_TRUE(whole->are_there);
  EXPECT_EQ(whole->directory, directory_);
  EXPECT_EQ(whole->folder, kFolder);
  EXPECT_EQ(whole->files, 4);
  EXPECT_THAT(whole->problems, IsEmpty());
  ASSERT_THAT(WriteFileAtomically(In("train.txt"), "a.jpg\n"), IsOk());
  fs::remove(In("val.txt"));
  fs::resize_file(In("test.txt"), uintmax_t{1} << 40);
  fs::remove(In("folder.txt"));
  const auto damaged = SplitLists::Verify(directory_);
  ASSERT_THAT(damaged, IsOk());
  EXPECT_EQ(damaged->folder, std::nullopt);
  EXPECT_THAT(damaged->problems,
              ElementsAre(HasSubstr("/split: holds files but no folder.txt"),
                          HasSubstr("/train.txt: is damaged"), HasSubstr("/val.txt: is missing"),
                          HasSubstr("/test.txt: is damaged: it is too large")));
  ASSERT_THAT(WriteFileAtomically(In("checksums.txt"), "x"), IsOk());
  EXPECT_THAT(SplitLists::Verify(directory_)->problems,
              ::testing::Contains(HasSubstr("/checksums.txt: is damaged")));
}

// A link to itself can be read as little as a file on a disk with errors.
TEST_F(SplitListsTest, VerifyingStopsAtAListThatCannotBeReadNow) {
  WriteFour();
  fs::remove(In("val.txt"));
  fs::create_symlink("val.txt", In("val.txt"));
  EXPECT_THAT(SplitLists::Verify(directory_),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr(In("val.txt"))));
}

// Those of an earlier version have none, and a user deletes them to use lists that were edited.
TEST_F(SplitListsTest, VerifyingListsWithoutChecksumsFindsWhatTheyContradict) {
  WriteFour();
  fs::remove(In("checksums.txt"));
  EXPECT_EQ(SplitLists::Verify(directory_)->files, 0);
  EXPECT_THAT(SplitLists::Verify(directory_)->problems, IsEmpty());
  ASSERT_THAT(WriteFileAtomically(In("val.txt"), "c.jpg\na.jpg\n"), IsOk());
  EXPECT_THAT(SplitLists::Verify(directory_)->problems,
              ElementsAre(HasSubstr("/val.txt: names a.jpg, which another list names too")));
}

TEST_F(SplitListsTest, WithoutChecksumsTheyAreUsedAndGetThemOnRequest) {
  WriteFour();
  const std::map<std::string, std::string> whole = Files();
  fs::remove(In("checksums.txt"));
  const auto lists = Read();
  ASSERT_THAT(lists, IsOk());
  EXPECT_FALSE(fs::exists(In("checksums.txt")));
  ASSERT_THAT(lists->RecordChecksums(), IsOk());
  EXPECT_EQ(Files(), whole);
}

// As a kill leaves them that comes when one list has grown and the others have not.
TEST_F(SplitListsTest, ListsThatGrewOnlyInPartAreUsed) {
  WriteFour();
  const std::map<std::string, std::string> old_files = Files();
  Write({{"e.jpg", SplitSide::kTest}, {"f.jpg", SplitSide::kTrain}});
  const std::map<std::string, std::string> new_files = Files();
  ASSERT_NE(new_files.at("test.txt"), old_files.at("test.txt"));
  auto during = ListChecksums::Parse(old_files.at("checksums.txt"));
  ASSERT_THAT(during, IsOk());
  during->AddAll(*ListChecksums::Parse(new_files.at("checksums.txt")));
  ASSERT_THAT(WriteFileAtomically(In("checksums.txt"), during->Text()), IsOk());
  const auto grown = Read();
  ASSERT_THAT(grown, IsOk());
  ASSERT_THAT(grown->RecordChecksums(), IsOk());
  EXPECT_EQ(Files(), new_files) << "only the checksums of the lists that are there";
  ASSERT_THAT(WriteFileAtomically(In("checksums.txt"), during->Text()), IsOk());
  ASSERT_THAT(WriteFileAtomically(In("test.txt"), old_files.at("test.txt")), IsOk());
  const auto in_part = Read();
  ASSERT_THAT(in_part, IsOk());
  EXPECT_EQ(in_part->Find(0, "e.jpg"), std::nullopt);
  EXPECT_EQ(in_part->Find(0, "f.jpg"), SplitSide::kTrain);
}

TEST_F(SplitListsTest, AFileOrALinkIsNotReplaced) {
  const auto expect_refusal = [&](const std::string& what) {
    EXPECT_THAT(Read(), StatusIs(absl::StatusCode::kFailedPrecondition,
                                 AllOf(HasSubstr("/split: is " + what + ", so"),
                                       HasSubstr("move it away"))));
    fs::remove(directory_);
  };
  for (const char* content : {"", "notes\n"}) {
    ASSERT_THAT(WriteFileAtomically(directory_, content), IsOk());
    expect_refusal("not a directory");
  }
  ASSERT_THAT(CreateDirectories(root_ + "/empty"), IsOk());
  for (const char* target : {"empty", "missing"}) {
    fs::create_symlink(root_ + "/" + target, directory_);
    expect_refusal("a link");
  }
}

// They may be those of another run.
TEST_F(SplitListsTest, ListsThatALinkLeadsToAreReadAndNotWritten) {
  WriteFour();
  fs::rename(directory_, root_ + "/elsewhere");
  fs::create_directory_symlink(root_ + "/elsewhere", directory_);
  const std::map<std::string, std::string> before = Files();
  const auto is_refused =
      StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("/split: is a link"));
  auto lists = Read();
  ASSERT_THAT(lists, IsOk());
  EXPECT_EQ(lists->Find(0, "c.jpg"), SplitSide::kVal);
  EXPECT_THAT(lists->RecordChecksums(), IsOk()) << "they have them";
  ASSERT_THAT(lists->Add(SplitSide::kTest, 0, "e.jpg"), IsOk());
  EXPECT_THAT(lists->Write(), is_refused);
  EXPECT_EQ(Files(), before);
  EXPECT_THAT(lists->Write(root_ + "/grown"), IsOk());
  EXPECT_EQ(Files(), before);
  fs::remove(In("checksums.txt"));
  EXPECT_THAT(Read()->RecordChecksums(), IsOk());
  EXPECT_FALSE(fs::exists(In("checksums.txt")));
}

// What it leads to is neither deleted nor written.
TEST_F(SplitListsTest, ALinkInThePlaceOfAListOrOfTheUnfinishedDirectoryIsReplaced) {
  ASSERT_THAT(CreateDirectories(root_ + "/elsewhere"), IsOk());
  const std::string mine = root_ + "/elsewhere/test.txt";
  ASSERT_THAT(WriteFileAtomically(mine, "d.jpg\n"), IsOk());
  fs::create_directory_symlink(root_ + "/elsewhere", directory_ + ".unfinished");
  WriteFour();
  EXPECT_FALSE(fs::is_symlink(directory_));
  fs::remove(In("test.txt"));
  fs::create_symlink(mine, In("test.txt"));
  Write({{"e.jpg", SplitSide::kTest}});
  EXPECT_FALSE(fs::is_symlink(In("test.txt")));
  EXPECT_EQ(Files().at("test.txt"), "d.jpg\ne.jpg\n");
  EXPECT_THAT(ReadFile(mine), IsOkAndHolds("d.jpg\n"));
  EXPECT_EQ(std::distance(fs::directory_iterator(root_ + "/elsewhere"), {}), 1);
}

// A link that may not be deleted must not be written through either.
TEST_F(SplitListsTest, AnUnfinishedDirectoryThatCannotBeRemovedIsNotWrittenTo) {
  if (geteuid() == 0) GTEST_SKIP() << "root may delete everything";
  ASSERT_THAT(CreateDirectories(root_ + "/elsewhere"), IsOk());
  fs::create_directory_symlink(root_ + "/elsewhere", directory_ + ".unfinished");
  auto lists = Read();
  ASSERT_THAT(lists, IsOk());
  ASSERT_THAT(lists->Add(SplitSide::kTest, 0, "e.jpg"), IsOk());
  fs::permissions(root_, fs::perms::owner_read | fs::perms::owner_exec);
  EXPECT_THAT(lists->Write(), StatusIs(absl::StatusCode::kPermissionDenied));
  fs::permissions(root_, fs::perms::owner_all);
  EXPECT_TRUE(fs::is_empty(root_ + "/elsewhere"));
}

// Reading one to its end would take longer than a test may.
TEST_F(SplitListsTest, AFileThatHasBecomeVeryLongIsDamaged) {
  WriteFour();
  const std::map<std::string, std::string> whole = Files();
  for (const auto& [name, bytes] : whole) {
    fs::resize_file(In(name), uintmax_t{1} << 40);
    EXPECT_THAT(Read(),
                StatusIs(absl::StatusCode::kDataLoss, HasSubstr(absl::StrCat("/split/", name))));
    ASSERT_THAT(WriteFileAtomically(In(name), bytes), IsOk());
  }
}

TEST_F(SplitListsTest, ADirectoryThatCannotBeListedIsAnError) {
  if (geteuid() == 0) GTEST_SKIP() << "root may list everything";
  ASSERT_THAT(CreateDirectories(directory_), IsOk());
  fs::permissions(directory_, fs::perms::owner_exec);
  EXPECT_THAT(Read(), StatusIs(absl::StatusCode::kPermissionDenied,
                               HasSubstr("/split: Permission denied")));
  fs::permissions(directory_, fs::perms::owner_all);
}

}  // namespace
}  // namespace rcnn::data
