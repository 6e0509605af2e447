#include "rcnn/base/stored_file.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/fresh_directory.h"
#include "rcnn/base/testing/status_matchers.h"

namespace rcnn {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// A name that is too long, and a link to itself: the file system cannot answer, even for root.
constexpr size_t kTooLong = 300;

class StoredFileTest : public testing::Test {
 protected:
  std::string Put(const std::string& name, const std::string& bytes) {
    const std::string path = folder_ + "/" + name;
    EXPECT_THAT(WriteFileAtomically(path, bytes), IsOk());
    return path;
  }

  std::string Unanswerable() {
    const std::string loop = folder_ + "/loop";
    std::error_code ignored;
    fs::create_symlink(loop, loop, ignored);
    return loop + "/file";
  }

  const std::string folder_ = FreshDirectory();
};

TEST_F(StoredFileTest, TellsWhatExists) {
  EXPECT_THAT(PathExists(Put("file", "x")), IsOkAndHolds(true));
  EXPECT_THAT(PathExists(folder_), IsOkAndHolds(true));
  EXPECT_THAT(PathExists(folder_ + "/nothing"), IsOkAndHolds(false));
  EXPECT_THAT(PathExists(folder_ + "/file/below"), IsOkAndHolds(false));
  fs::create_symlink("nowhere", folder_ + "/link");
  EXPECT_THAT(PathExists(folder_ + "/link"), IsOkAndHolds(true));
  EXPECT_THAT(IsRegularFile(folder_ + "/file"), IsOkAndHolds(true));
  EXPECT_THAT(IsRegularFile(folder_), IsOkAndHolds(false));
  EXPECT_THAT(IsRegularFile(folder_ + "/link"), IsOkAndHolds(false));
  EXPECT_THAT(IsRegularFile(folder_ + "/nothing"), IsOkAndHolds(false));
  EXPECT_THAT(PathType(folder_ + "/file"), IsOkAndHolds(fs::file_type::regular));
  EXPECT_THAT(PathType(folder_), IsOkAndHolds(fs::file_type::directory));
  EXPECT_THAT(PathType(folder_ + "/link"), IsOkAndHolds(fs::file_type::symlink));
  EXPECT_THAT(PathType(folder_ + "/nothing"), IsOkAndHolds(fs::file_type::not_found));
  EXPECT_THAT(PathType(folder_ + "/file/below"), IsOkAndHolds(fs::file_type::not_found));
  EXPECT_THAT(IsBrokenLink(folder_ + "/link"), IsOkAndHolds(true));
  EXPECT_THAT(IsBrokenLink(folder_ + "/file"), IsOkAndHolds(false));
  EXPECT_THAT(IsBrokenLink(folder_ + "/nothing"), IsOkAndHolds(false));
  fs::create_symlink("file", folder_ + "/good");
  EXPECT_THAT(IsBrokenLink(folder_ + "/good"), IsOkAndHolds(false));
  fs::create_symlink("itself", folder_ + "/itself");
  EXPECT_THAT(IsBrokenLink(folder_ + "/itself"), IsOkAndHolds(true));
}

TEST_F(StoredFileTest, TellsWhatALinkLeadsTo) {
  Put("file", "x");
  fs::create_symlink("file", folder_ + "/good");
  fs::create_directory_symlink(".", folder_ + "/here");
  fs::create_symlink("nowhere", folder_ + "/link");
  for (const char* name : {"/file", "/good", "/here/good"}) {
    EXPECT_THAT(TargetType(folder_ + name), IsOkAndHolds(fs::file_type::regular)) << name;
  }
  EXPECT_THAT(TargetType(folder_ + "/here"), IsOkAndHolds(fs::file_type::directory));
  for (const std::string& name :
       {std::string("/nothing"), std::string("/link"), std::string("/file/below"),
        "/" + std::string(kTooLong, 'n'), "/" + std::string(5000, '/')}) {
    EXPECT_THAT(TargetType(folder_ + name), IsOkAndHolds(fs::file_type::not_found)) << name;
  }
}

TEST_F(StoredFileTest, TellsWhetherTwoPathsLeadToOneFile) {
  const std::string file = Put("file", "x"), other = Put("other", "x");
  fs::create_hard_link(file, folder_ + "/hard");
  fs::create_symlink("file", folder_ + "/link");
  const std::string around = "/../" + fs::path(folder_).filename().string() + "/file";
  for (const std::string& name :
       {std::string("/file"), std::string("/hard"), std::string("/link"), around}) {
    EXPECT_THAT(LeadToSameFile(file, folder_ + name), IsOkAndHolds(true)) << name;
    EXPECT_THAT(LeadToSameFile(other, folder_ + name), IsOkAndHolds(false)) << name;
  }
  fs::create_symlink("itself", folder_ + "/itself");
  fs::create_symlink("nowhere", folder_ + "/dangling");
  for (const std::string& name : {std::string("/nothing"), std::string("/itself"),
                                  std::string("/dangling"), "/" + std::string(kTooLong, 'n')}) {
    EXPECT_THAT(LeadToSameFile(file, folder_ + name), IsOkAndHolds(false)) << name;
    EXPECT_THAT(LeadToSameFile(folder_ + name, folder_ + name), IsOkAndHolds(false)) << name;
  }
}

TEST_F(StoredFileTest, WhatTheFileSystemDoesNotSayIsAnError) {
  EXPECT_THAT(PathExists(Unanswerable()),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("loop")));
  EXPECT_THAT(PathExists(folder_ + "/" + std::string(kTooLong, 'n')),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("cannot access")));
  EXPECT_THAT(PathType(Unanswerable()),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("cannot access")));
  EXPECT_THAT(ListNames(Unanswerable()),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("cannot list")));
  // A link to a name that is too long, whose own path is short.
  fs::create_symlink(std::string(kTooLong, 'n'), folder_ + "/link");
  const std::string file = Put("file", "x");
  for (const std::string& path : {Unanswerable(), folder_ + "/loop", folder_ + "/link"}) {
    EXPECT_THAT(TargetType(path), StatusIs(absl::StatusCode::kUnavailable, HasSubstr(path)));
  }
  for (const std::string& path : {Unanswerable(), folder_ + "/link"}) {
    EXPECT_THAT(LeadToSameFile(file, path),
                StatusIs(absl::StatusCode::kUnavailable, HasSubstr(path)));
    EXPECT_THAT(LeadToSameFile(path, file),
                StatusIs(absl::StatusCode::kUnavailable, HasSubstr(path)));
  }
}

TEST_F(StoredFileTest, ListsNamesInOrder) {
  Put("b", "");
  Put("a", "");
  Put(".c", "");
  EXPECT_THAT(ListNames(folder_), IsOkAndHolds(ElementsAre(".c", "a", "b")));
  EXPECT_THAT(ListNames(folder_ + "/nothing"), IsOkAndHolds(IsEmpty()));
  EXPECT_THAT(ListNames(folder_ + "/a"), IsOkAndHolds(IsEmpty()));
}

TEST_F(StoredFileTest, DigestIsThatOfTheBytesWhateverTheSize) {
  for (const size_t size :
       {size_t{0}, size_t{1}, size_t{262143}, size_t{262145}, size_t{1000003}}) {
    std::string bytes(size, '\0');
    for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(i * 2654435761u >> 13);
    EXPECT_THAT(ComputeFileDigest(Put("file", bytes)), IsOkAndHolds(Digest(bytes))) << size;
  }
}

TEST_F(StoredFileTest, PiecesAreInOrderAndEndAtAnError) {
  std::string bytes;
  for (int i = 0; i < 200'000; ++i) bytes += static_cast<char>(i * 31 + i / 1000);
  const std::string path = Put("file", bytes + bytes);
  std::string read;
  int pieces = 0;
  EXPECT_THAT(ReadInPieces(path,
                           [&](absl::string_view piece) {
                             read += std::string(piece);
                             ++pieces;
                             return absl::OkStatus();
                           }),
              IsOk());
  EXPECT_EQ(read, bytes + bytes);
  EXPECT_GT(pieces, 1);
  pieces = 0;
  EXPECT_THAT(ReadInPieces(path,
                           [&](absl::string_view) {
                             ++pieces;
                             return absl::CancelledError("enough");
                           }),
              StatusIs(absl::StatusCode::kCancelled, "enough"));
  EXPECT_EQ(pieces, 1);
}

// What is too large to be such a file is damaged; a full disk is not damage.
TEST_F(StoredFileTest, ASmallFileThatIsLargeIsDamaged) {
  const std::string path = Put("file", std::string(1000, 'x'));
  EXPECT_THAT(ReadSmallFile(path, 1000), IsOkAndHolds(std::string(1000, 'x')));
  EXPECT_THAT(ReadSmallFile(path, 999),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("it has more than 999 bytes")));
  EXPECT_TRUE(IsDamage(ReadSmallFile(path, 999).status()));
  EXPECT_THAT(ReadSmallFile(Put("large", std::string(3 << 20, 'x')), 1 << 20),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("large is damaged")));
  EXPECT_THAT(ReadSmallFile(folder_ + "/nothing", 10), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(ReadSmallFile(folder_, 10), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(ReadSmallFile(Unanswerable(), 10), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_FALSE(IsDamage(absl::ResourceExhaustedError("a full disk")));
}

// Reading as much as it may have would take longer than a test may.
TEST_F(StoredFileTest, ASmallFileThatIsTooLargeIsNotRead) {
  const std::string path = Put("file", "12345");
  constexpr int64_t kBytes = int64_t{1} << 40;
  fs::resize_file(path, kBytes);
  EXPECT_THAT(ReadSmallFile(path, kBytes - 1),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("it has more than 1099511627775")));
}

TEST_F(StoredFileTest, EveryFlippedBitIsNoticed) {
  std::string bytes = "what was written";
  const FileDigest digest = Digest(bytes);
  EXPECT_THAT(CheckStoredFile(Put("file", bytes), digest), IsOk());
  for (size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
    bytes[bit / 8] ^= static_cast<char>(1 << bit % 8);
    EXPECT_THAT(CheckStoredFile(Put("file", bytes), digest),
                StatusIs(absl::StatusCode::kDataLoss, HasSubstr("checksum differs")));
    bytes[bit / 8] ^= static_cast<char>(1 << bit % 8);
  }
}

TEST_F(StoredFileTest, WhatIsMissingOrCutOffIsDamage) {
  const FileDigest digest = Digest("12345");
  const std::string path = folder_ + "/file";
  EXPECT_THAT(CheckStoredFile(path, digest),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("is missing")));
  EXPECT_THAT(CheckStoredFile(Put("file", "123"), digest),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("has 3 bytes instead of 5")));
  EXPECT_THAT(CheckStoredFile(folder_, digest),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("not a regular file")));
  const std::string pipe = folder_ + "/pipe";
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_THAT(CheckStoredFile(pipe, digest),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("pipe")));
}

// Reading it to its end would take longer than a test may.
TEST_F(StoredFileTest, AFileOfAnotherSizeIsNotRead) {
  const std::string path = Put("file", "12345");
  fs::resize_file(path, uintmax_t{1} << 40);
  const FileDigest digest = Digest("12345");
  const auto is_too_large =
      StatusIs(absl::StatusCode::kDataLoss, HasSubstr("has 1099511627776 bytes instead of 5"));
  EXPECT_THAT(CheckStoredFile(path, digest), is_too_large);
  EXPECT_THAT(CopyStoredFile(path, folder_ + "/copy", digest), is_too_large);
  EXPECT_THAT(ListNames(folder_), IsOkAndHolds(ElementsAre("file")));
}

TEST_F(StoredFileTest, WhatCannotBeReadNowIsNotDamage) {
  const absl::Status status = CheckStoredFile(Unanswerable(), Digest("x"));
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kUnavailable, HasSubstr("loop")));
  EXPECT_FALSE(IsDamage(status));
  for (const absl::Status& error :
       {absl::PermissionDeniedError("EACCES"), absl::UnavailableError("EIO"),
        absl::ResourceExhaustedError("ENOMEM"), absl::OkStatus()}) {
    EXPECT_FALSE(IsDamage(error)) << error;
  }
  EXPECT_TRUE(IsDamage(absl::DataLossError("")));
  EXPECT_TRUE(IsDamage(absl::NotFoundError("")));
}

TEST_F(StoredFileTest, WhatCannotBeReadNowMayBeWhole) {
  EXPECT_TRUE(IsUnreadableNow(ReadFile(Unanswerable()).status()));
  EXPECT_TRUE(IsUnreadableNow(absl::PermissionDeniedError("EACCES")));
  for (const absl::Status& error :
       {ReadFile(folder_ + "/nothing").status(), ReadFile(folder_).status(),
        absl::DataLossError("checksum"), absl::OkStatus()}) {
    EXPECT_FALSE(IsUnreadableNow(error)) << error;
  }
}

TEST_F(StoredFileTest, KeepsTheFirstErrorThatSaysNothingOfTheFile) {
  absl::Status kept;
  KeepUnreadable(absl::OkStatus(), kept);
  KeepUnreadable(absl::NotFoundError("missing"), kept);
  EXPECT_THAT(kept, IsOk());
  KeepUnreadable(absl::UnavailableError("EIO"), kept);
  KeepUnreadable(absl::PermissionDeniedError("EACCES"), kept);
  KeepUnreadable(absl::OkStatus(), kept);
  EXPECT_THAT(kept, StatusIs(absl::StatusCode::kUnavailable, "EIO"));
}

TEST_F(StoredFileTest, CopiesOnlyWhatIsWhole) {
  const std::string bytes(1000003, 'b');
  const std::string from = Put("from", bytes), to = Put("to", "before");
  std::string damaged = bytes;
  damaged[777777] ^= 4;
  Put("from", damaged);
  EXPECT_THAT(CopyStoredFile(from, to, Digest(bytes)),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("from is damaged")));
  EXPECT_THAT(CopyStoredFile(folder_ + "/nothing", to, Digest(bytes)),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("is missing")));
  EXPECT_THAT(ReadFile(to), IsOkAndHolds("before"));
  Put("from", bytes);
  EXPECT_THAT(CopyStoredFile(from, to, Digest(bytes)), IsOk());
  EXPECT_THAT(ReadFile(to), IsOkAndHolds(bytes));
  EXPECT_THAT(ListNames(folder_), IsOkAndHolds(ElementsAre("from", "to")));
}

TEST_F(StoredFileTest, SyncsRenamesAndRemoves) {
  const std::string path = Put("a", "x");
  EXPECT_THAT(SyncFile(path), IsOk());
  EXPECT_THAT(SyncFile(folder_ + "/nothing"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("nothing")));
  fs::create_directories(folder_ + "/other");
  EXPECT_THAT(RenamePath(path, folder_ + "/other/b"), IsOk());
  EXPECT_THAT(ReadFile(folder_ + "/other/b"), IsOkAndHolds("x"));
  EXPECT_THAT(RenamePath(path, folder_ + "/c"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("cannot rename")));
  EXPECT_THAT(RemovePath(folder_ + "/other"), IsOk());
  EXPECT_THAT(RemovePath(folder_ + "/other"), IsOk());
  EXPECT_FALSE(fs::exists(folder_ + "/other"));
}

TEST_F(StoredFileTest, RemovesUnderAnotherNameWithWhatWasLeftThere) {
  fs::create_directories(folder_ + "/stage");
  Put("stage/part", "x");
  fs::create_directories(folder_ + "/stage.removed");
  Put("stage.removed/left", "x");
  EXPECT_THAT(RenameAndRemove(folder_ + "/stage", ".removed"), IsOk());
  EXPECT_THAT(ListNames(folder_), IsOkAndHolds(IsEmpty()));
  EXPECT_THAT(RenameAndRemove(folder_ + "/stage", ".removed"),
              StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(StoredFileTest, RemovesALinkAndNotWhatItLeadsTo) {
  fs::create_directories(folder_ + "/other");
  Put("other/mine", "x");
  fs::create_directory_symlink(folder_ + "/other", folder_ + "/link");
  EXPECT_THAT(RemovePath(folder_ + "/link"), IsOk());
  EXPECT_THAT(PathExists(folder_ + "/link"), IsOkAndHolds(false));
  EXPECT_THAT(ReadFile(folder_ + "/other/mine"), IsOkAndHolds("x"));
}

TEST_F(StoredFileTest, MakesWayForAFileWithoutDestroyingContents) {
  const std::string path = folder_ + "/file";
  const auto write = [&] {
    ASSERT_THAT(MakeWayForFile(path), IsOk());
    ASSERT_THAT(WriteFileAtomically(path, "new"), IsOk());
    EXPECT_THAT(ReadFile(path), IsOkAndHolds("new"));
    EXPECT_THAT(IsRegularFile(path), IsOkAndHolds(true));
    fs::remove(path);
  };
  write();
  Put("file", "old");
  EXPECT_THAT(MakeWayForFile(path), IsOk());
  EXPECT_THAT(ReadFile(path), IsOkAndHolds("old"));
  write();
  fs::create_directories(path);
  write();
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  write();
  fs::create_symlink(path, path);
  write();
  fs::create_symlink("nowhere", path);
  write();
  fs::create_directories(folder_ + "/other");
  Put("other/mine", "x");
  fs::create_directory_symlink(folder_ + "/other", path);
  write();
  EXPECT_THAT(ReadFile(folder_ + "/other/mine"), IsOkAndHolds("x"));
  EXPECT_THAT(ListNames(folder_), IsOkAndHolds(ElementsAre("other")));
  for (const std::string& kept : {folder_ + "/file.before", folder_ + "/file.before-2"}) {
    fs::create_directories(path);
    Put("file/mine", kept);
    EXPECT_THAT(FreePathBeside(path), IsOkAndHolds(kept));
    write();
    EXPECT_THAT(ReadFile(kept + "/mine"), IsOkAndHolds(kept));
  }
}

}  // namespace
}  // namespace rcnn
