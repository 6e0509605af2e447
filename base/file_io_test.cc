#include "rcnn/base/file_io.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <climits>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/deep_file.h"
#include "rcnn/base/testing/fresh_directory.h"
#include "rcnn/base/testing/status_matchers.h"

namespace rcnn {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class FileIoTest : public testing::Test {
 protected:
  std::string Path(const std::string& name) const { return absl::StrCat(root_, "/", name); }

  std::vector<std::string> Names() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(root_)) {
      names.push_back(entry.path().filename().string());
    }
    return names;
  }

  const std::string root_ = FreshDirectory();
};

TEST_F(FileIoTest, ReadsWhatWasWritten) {
  const std::string bytes("a\0b\n", 4);
  const absl::StatusOr<FileDigest> digest = WriteFileAtomically(Path("f"), bytes);
  ASSERT_THAT(digest, IsOk());
  EXPECT_EQ(*digest, Digest(bytes));
  EXPECT_EQ(*ReadFile(Path("f"), {1 << 20, *digest}), bytes);
}

TEST_F(FileIoTest, EmptyFile) {
  ASSERT_THAT(WriteFileAtomically(Path("f"), ""), IsOk());
  EXPECT_EQ(*ReadFile(Path("f")), "");
  EXPECT_EQ(MappedFile::Open(Path("f"))->bytes(), "");
}

TEST_F(FileIoTest, ReplacesAndLeavesNothingElse) {
  ASSERT_THAT(WriteFileAtomically(Path("f"), "old"), IsOk());
  ASSERT_THAT(WriteFileAtomically(Path("f"), "new"), IsOk());
  EXPECT_EQ(*ReadFile(Path("f")), "new");
  EXPECT_THAT(Names(), testing::ElementsAre("f"));
}

TEST_F(FileIoTest, ANameMayBeAsLongAsTheFileSystemAllows) {
  const std::string longest(NAME_MAX, 'n');
  ASSERT_THAT(WriteFileAtomically(Path(longest), "new"), IsOk());
  EXPECT_EQ(*ReadFile(Path(longest)), "new");
  EXPECT_THAT(Names(), testing::ElementsAre(longest));
}

// Not only when it is renamed, hours after programs have checked that it can be written.
TEST_F(FileIoTest, ANameThatIsTooLongIsRefusedAtOnce) {
  EXPECT_THAT(AtomicFile::Create(Path(std::string(NAME_MAX + 1, 'n'))).status(),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("so long a name")));
  EXPECT_THAT(Names(), testing::IsEmpty());
}

// "File name too long" alone would not be true of it.
TEST_F(FileIoTest, APathThatIsTooLongForTheTemporaryFileIsRefusedWithTheReason) {
  constexpr size_t kBytes = PATH_MAX - 1;
  const std::string folder = DeepPath(root_, kBytes - NAME_MAX);
  const std::string path =
      absl::StrCat(folder, "/", std::string(kBytes - folder.size() - 3, 'd'), "/f");
  WriteDeepFile(path, "old");
  EXPECT_THAT(WriteFileAtomically(path, "new"),
              StatusIs(absl::StatusCode::kUnavailable,
                       AllOf(HasSubstr("its path of 4095 bytes leaves no room"),
                             HasSubstr("give another path"))));
  EXPECT_THAT(ReadFile(path), IsOkAndHolds("old"));
}

TEST_F(FileIoTest, WithoutCommitNothingChanges) {
  ASSERT_THAT(WriteFileAtomically(Path("f"), "old"), IsOk());
  {
    absl::StatusOr<AtomicFile> file = AtomicFile::Create(Path("f"));
    ASSERT_THAT(file, IsOk());
    ASSERT_THAT(file->Append("half of the n"), IsOk());
  }
  EXPECT_EQ(*ReadFile(Path("f")), "old");
  EXPECT_THAT(Names(), testing::ElementsAre("f"));
}

TEST_F(FileIoTest, IgnoresFilesOfAKilledProcessWithTheSameId) {
  const int left_behind = 300;  // more than this program has written before
  for (int i = 0; i < left_behind; ++i) {
    std::ofstream(absl::StrCat(Path("f"), ".tmp-", getpid(), "-", i)) << "half";
  }
  const absl::StatusOr<FileDigest> digest = WriteFileAtomically(Path("f"), "whole");
  ASSERT_THAT(digest, IsOk());
  EXPECT_EQ(*ReadFile(Path("f")), "whole");
  EXPECT_EQ(Names().size(), left_behind + 1u);
}

TEST_F(FileIoTest, AnUnnamedFileHoldsBytesAndLeavesNothing) {
  const absl::StatusOr<int> file = CreateUnnamedFile(Path("f"));
  ASSERT_THAT(file, IsOk());
  EXPECT_THAT(Names(), IsEmpty());
  ASSERT_EQ(pwrite(*file, "abc", 3, 0), 3);
  char bytes[4] = {};
  EXPECT_EQ(pread(*file, bytes, sizeof(bytes), 0), 3);
  EXPECT_STREQ(bytes, "abc");
  close(*file);
  EXPECT_THAT(CreateUnnamedFile(Path("none/f")),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr(Path("none/f"))));
}

TEST_F(FileIoTest, PiecesGiveTheDigestOfTheWhole) {
  absl::StatusOr<AtomicFile> file = AtomicFile::Create(Path("f"));
  ASSERT_THAT(file, IsOk());
  for (const char* piece : {"one ", "", "two ", "three"}) ASSERT_THAT(file->Append(piece), IsOk());
  EXPECT_EQ(*file->Commit(), Digest("one two three"));
  EXPECT_THAT(file->Append("x"), StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(file->Commit(), StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST_F(FileIoTest, MovedFilesWriteOnce) {
  absl::StatusOr<AtomicFile> file = AtomicFile::Create(Path("a"));
  ASSERT_THAT(file, IsOk());
  AtomicFile moved = *std::move(file);
  moved = *AtomicFile::Create(Path("b"));  // discards "a"
  ASSERT_THAT(moved.Append("b"), IsOk());
  ASSERT_THAT(moved.Commit(), IsOk());
  EXPECT_THAT(Names(), testing::ElementsAre("b"));
}

TEST_F(FileIoTest, ErrorsNameThePath) {
  const absl::Status missing = ReadFile(Path("absent")).status();
  EXPECT_THAT(missing, StatusIs(absl::StatusCode::kNotFound, HasSubstr(Path("absent"))));
  EXPECT_THAT(WriteFileAtomically(Path("no/such/dir/f"), "x"),
              StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(MappedFile::Open(Path("absent")), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(FileIoTest, RejectsIrregularFiles) {
  EXPECT_THAT(ReadFile(root_), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(MappedFile::Open(root_), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(WriteFileAtomically(root_, "x"), StatusIs(absl::StatusCode::kInvalidArgument));
  ASSERT_EQ(mkfifo(Path("pipe").c_str(), 0600), 0);
  EXPECT_THAT(ReadFile(Path("pipe")), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(FileIoTest, ReplacesOnlyRegularFiles) {
  ASSERT_EQ(mkfifo(Path("pipe").c_str(), 0600), 0);
  fs::create_symlink("pipe", Path("link"));
  for (const std::string& path : {root_, Path("pipe"), Path("link")}) {
    EXPECT_THAT(WriteFileAtomically(path, "x"), StatusIs(absl::StatusCode::kInvalidArgument))
        << path;
  }
  EXPECT_TRUE(fs::is_fifo(Path("pipe")));
  EXPECT_THAT(Names(), testing::UnorderedElementsAre("pipe", "link"));
}

// No user can follow a link to a name that is too long. What it leads to might be a device.
TEST_F(FileIoTest, WhatCannotBeExaminedNowIsNotReplaced) {
  fs::create_symlink(std::string(300, 'x'), Path("link"));
  EXPECT_THAT(WriteFileAtomically(Path("link"), "x"),
              StatusIs(absl::StatusCode::kUnavailable,
                       testing::AllOf(HasSubstr(Path("link")), HasSubstr("File name too long"))));
  EXPECT_TRUE(fs::is_symlink(Path("link")));
  EXPECT_THAT(Names(), testing::ElementsAre("link"));
}

TEST_F(FileIoTest, RejectsFilesOverTheLimit) {
  ASSERT_THAT(WriteFileAtomically(Path("f"), "12345"), IsOk());
  EXPECT_THAT(ReadFile(Path("f"), {5, {}}), IsOk());
  const absl::Status status = ReadFile(Path("f"), {4, {}}).status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kResourceExhausted,
                               HasSubstr("5 bytes, more than the limit of 4")));
}

TEST_F(FileIoTest, ReportsDamage) {
  const FileDigest digest = *WriteFileAtomically(Path("f"), "some bytes");
  for (const char* damaged : {"some bytez", "some byte", "some bytes ", ""}) {
    std::ofstream(Path("f"), std::ios::binary | std::ios::trunc) << damaged;
    const absl::Status status = ReadFile(Path("f"), {1 << 20, digest}).status();
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kDataLoss, HasSubstr("is damaged"))) << damaged;
  }
}

TEST_F(FileIoTest, AFullDiskLeavesTheOldFileAndNoOther) {
  ASSERT_THAT(WriteFileAtomically(Path("f"), "old"), IsOk());
  // A limit on the size of files gives the same kind of failure in the middle
  // of a write.
  signal(SIGXFSZ, SIG_IGN);
  struct rlimit before;
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  struct rlimit limit = before;
  limit.rlim_cur = 1000;
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
  const absl::Status status = WriteFileAtomically(Path("f"), std::string(5000, 'x')).status();
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr(Path("f"))));
  EXPECT_EQ(*ReadFile(Path("f")), "old");
  EXPECT_THAT(Names(), testing::ElementsAre("f"));
}

TEST_F(FileIoTest, AReadOnlyDirectoryIsPermissionDenied) {
  if (geteuid() == 0) GTEST_SKIP() << "root may write everywhere";
  ASSERT_EQ(chmod(root_.c_str(), 0500), 0);
  EXPECT_THAT(WriteFileAtomically(Path("f"), "x"), StatusIs(absl::StatusCode::kPermissionDenied));
  ASSERT_EQ(chmod(root_.c_str(), 0700), 0);
  EXPECT_THAT(Names(), IsEmpty());
}

TEST_F(FileIoTest, ReadersSeeTheOldOrTheNewBytes) {
  const std::string a(100000, 'a'), b(70000, 'b');
  ASSERT_THAT(WriteFileAtomically(Path("f"), a), IsOk());
  std::atomic<bool> stop{false};
  std::thread writer([&] {
    for (int i = 0; i < 50; ++i) EXPECT_THAT(WriteFileAtomically(Path("f"), i % 2 ? a : b), IsOk());
    stop = true;
  });
  while (!stop) {
    EXPECT_THAT(ReadFile(Path("f")), IsOkAndHolds(::testing::AnyOf(a, b)));
  }
  writer.join();
}

TEST_F(FileIoTest, MapsTheContents) {
  ASSERT_THAT(WriteFileAtomically(Path("f"), "mapped"), IsOk());
  absl::StatusOr<MappedFile> file = MappedFile::Open(Path("f"));
  ASSERT_THAT(file, IsOk());
  const MappedFile moved = *std::move(file);
  // The mapping of a replaced file is unchanged.
  ASSERT_THAT(WriteFileAtomically(Path("f"), "other"), IsOk());
  EXPECT_EQ(moved.bytes(), "mapped");
}

// Of the pages of an address range, those in the process's memory.
int64_t ResidentPages(absl::string_view bytes) {
  std::ifstream maps("/proc/self/smaps");
  const std::string start = absl::StrCat(absl::Hex(reinterpret_cast<uintptr_t>(bytes.data())));
  bool found = false;
  for (std::string line; std::getline(maps, line);) {
    found = found || absl::StartsWith(line, start);
    int64_t kilobytes = 0;
    if (found && std::sscanf(line.c_str(), "Rss: %ld", &kilobytes) == 1) return kilobytes / 4;
  }
  return -1;
}

TEST_F(FileIoTest, ReleasedPagesAreReadAgain) {
  const std::string contents(100 * 4096 + 1, 'x');
  ASSERT_THAT(WriteFileAtomically(Path("f"), contents), IsOk());
  const absl::StatusOr<MappedFile> file = MappedFile::Open(Path("f"));
  ASSERT_THAT(file, IsOk());
  EXPECT_EQ(file->bytes(), contents);
  EXPECT_GE(ResidentPages(file->bytes()), 100);
  // The pages at both ends stay.
  file->ReleasePages(file->bytes().substr(1, 99 * 4096));
  EXPECT_LE(ResidentPages(file->bytes()), 3);
  EXPECT_EQ(file->bytes(), contents);
  // Elsewhere nothing happens.
  const std::string other(3 * 4096, 'y');
  file->ReleasePages(other);
  file->ReleasePages(absl::string_view(file->bytes().data(), contents.size() + 4096));
  EXPECT_EQ(other, std::string(3 * 4096, 'y'));
  EXPECT_GE(ResidentPages(file->bytes()), 100);
}

TEST_F(FileIoTest, CreatesDirectoriesWithTheirParents) {
  EXPECT_THAT(CreateDirectories(Path("a/b/c")), IsOk());
  EXPECT_THAT(CreateDirectories(Path("a/b/c")), IsOk());
  EXPECT_TRUE(fs::is_directory(Path("a/b/c")));
  ASSERT_THAT(WriteFileAtomically(Path("f"), "x"), IsOk());
  EXPECT_THAT(CreateDirectories(Path("f/g")), ::testing::Not(IsOk()));
  EXPECT_THAT(SyncDirectory(Path("a")), IsOk());
  EXPECT_THAT(SyncDirectory(Path("absent")), ::testing::Not(IsOk()));
}

TEST(JoinInsideTest, StaysInside) {
  EXPECT_EQ(*JoinInside("root", "a/b.jpg"), "root/a/b.jpg");
  EXPECT_EQ(*JoinInside("root/", "a..b"), "root/a..b");
  for (const absl::string_view bad :
       {absl::string_view(""), absl::string_view("/etc/passwd"), absl::string_view("../x"),
        absl::string_view("a/../../x"), absl::string_view("a/.."), absl::string_view("a\0b", 3)}) {
    EXPECT_THAT(JoinInside("root", bad), StatusIs(absl::StatusCode::kInvalidArgument)) << bad;
  }
}

TEST(JoinInsideTest, RefusesWhatNoFileCanBeCalled) {
  const std::string component(255, 'x');
  EXPECT_THAT(JoinInside("root", component + "/" + component), IsOk());
  EXPECT_THAT(JoinInside("root", component + "x"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("is too long")));
  std::string path = component;
  for (int i = 0; i < 16; ++i) path += "/" + component;
  const absl::Status status = JoinInside("root", path).status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("is too long")));
  EXPECT_LT(status.message().size(), 400u);
}

}  // namespace
}  // namespace rcnn
