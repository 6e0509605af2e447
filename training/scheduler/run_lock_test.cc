#include "rcnn/training/scheduler/run_lock.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/testing/fresh_directory.h"
#include "rcnn/base/testing/status_matchers.h"

namespace {

// What the next call of flock fails with; 0: it does not fail.
int lock_error = 0;

}  // namespace

// Replaces the C library's function.
extern "C" int flock(int descriptor, int operation) noexcept {
  if (lock_error == 0) return static_cast<int>(syscall(SYS_flock, descriptor, operation));
  errno = std::exchange(lock_error, 0);
  return -1;
}

namespace rcnn::training {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr auto kHeld = absl::StatusCode::kFailedPrecondition;

class RunLockTest : public testing::Test {
 protected:
  RunLockTest() : run_(FreshDirectory() + "/run"), lock_(run_ + "/LOCK") {
    fs::create_directories(run_);
  }

  RunLock Take() {
    absl::StatusOr<RunLock> lock = RunLock::Take(run_);
    EXPECT_THAT(lock, IsOk());
    return *std::move(lock);
  }

  const std::string run_, lock_;
};

TEST_F(RunLockTest, OneAtATime) {
  const std::string holder = absl::StrCat("process ", getpid(), " on ");
  {
    const RunLock lock = Take();
    EXPECT_THAT(ReadFile(lock_), IsOkAndHolds(HasSubstr(holder)));
    EXPECT_THAT(RunLock::Take(run_),
                StatusIs(kHeld, AllOf(HasSubstr(run_), HasSubstr(holder), HasSubstr("--run_dir"))));
  }
  Take();
}

// Without the lock of the directory a deleted LOCK would let a second scheduler in.
TEST_F(RunLockTest, ADirectoryThatCannotBeLockedNowIsNotOneWithoutLocks) {
  for (const int error : {EIO, ENOLCK, ENOMEM, ESTALE}) {
    const auto is_named =
        StatusIs(absl::StatusCode::kUnavailable,
                 HasSubstr(absl::StrCat("cannot lock ", run_, ": ", std::strerror(error))));
    lock_error = error;
    EXPECT_THAT(RunLock::Take(run_), is_named);
    lock_error = error;
    EXPECT_THAT(RunLock::Holder(run_), is_named);
  }
  EXPECT_FALSE(fs::exists(lock_));
  lock_error = EINTR;
  const RunLock lock = Take();
  fs::remove(lock_);
  EXPECT_THAT(RunLock::Take(run_), StatusIs(kHeld, HasSubstr("another scheduler")));
  lock_error = EINTR;
  EXPECT_THAT(RunLock::Holder(run_), IsOkAndHolds("unknown"));
}

TEST_F(RunLockTest, AFileSystemThatLocksNoDirectoriesHasTheFilesLock) {
  for (const int error : {EOPNOTSUPP, ENOSYS, EINVAL, EBADF}) {
    lock_error = error;
    const RunLock lock = Take();
    lock_error = error;
    EXPECT_THAT(RunLock::Take(run_), StatusIs(kHeld, HasSubstr("another scheduler")));
    lock_error = error;
    EXPECT_THAT(RunLock::Holder(run_), IsOkAndHolds(HasSubstr("process")));
  }
}

// No user can follow a link to itself.
TEST_F(RunLockTest, ADirectoryThatCannotBeOpenedNowIsNotOneWithoutAHolder) {
  fs::create_symlink(run_ + ".loop", run_ + ".loop");
  EXPECT_THAT(RunLock::Holder(run_ + ".loop"),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr(".loop")));
}

TEST_F(RunLockTest, ADeletedFileLetsNobodyIn) {
  RunLock lock = Take();
  fs::remove(lock_);
  EXPECT_THAT(RunLock::Take(run_), StatusIs(kHeld, HasSubstr("another scheduler")));
  EXPECT_THAT(lock.Check(), IsOk());
  EXPECT_THAT(ReadFile(lock_), IsOkAndHolds(HasSubstr("process")));
}

TEST_F(RunLockTest, AReplacedFileLetsNobodyIn) {
  RunLock lock = Take();
  ASSERT_THAT(WriteFileAtomically(lock_, "another file"), IsOk());
  EXPECT_THAT(RunLock::Take(run_), StatusIs(kHeld, HasSubstr("another scheduler")));
  EXPECT_THAT(lock.Check(), IsOk());
  // The new file is locked, so a version that checks only that file is kept out too.
  const int file = open(lock_.c_str(), O_RDWR | O_CLOEXEC);
  ASSERT_GE(file, 0);
  EXPECT_EQ(flock(file, LOCK_EX | LOCK_NB), -1);
  close(file);
}

// The file is emptied and written, and a link may lead to any file of the user.
TEST_F(RunLockTest, ALinkIsNotFollowed) {
  const std::string mine = run_ + ".mine";
  ASSERT_THAT(WriteFileAtomically(mine, "my only copy"), IsOk());
  fs::create_symlink(mine, lock_);
  EXPECT_THAT(RunLock::Take(run_), StatusIs(kHeld, HasSubstr("/LOCK is a link")));
  EXPECT_THAT(ReadFile(mine), IsOkAndHolds("my only copy"));
  fs::remove(lock_);
  RunLock lock = Take();
  fs::rename(lock_, mine);
  fs::create_symlink(mine, lock_);
  EXPECT_THAT(lock.Check(), StatusIs(kHeld, HasSubstr("/LOCK is a link")));
}

TEST_F(RunLockTest, APipeIsNotWrittenTo) {
  ASSERT_EQ(mkfifo(lock_.c_str(), 0600), 0);
  EXPECT_THAT(RunLock::Take(run_), StatusIs(kHeld, HasSubstr("/LOCK is not a regular file")));
}

// As a scheduler does on a file system that cannot lock directories.
TEST_F(RunLockTest, ANewFileThatAnotherHoldsStopsTheFirst) {
  RunLock lock = Take();
  fs::remove(lock_);
  const int other = open(lock_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  ASSERT_EQ(flock(other, LOCK_EX | LOCK_NB), 0);
  EXPECT_THAT(lock.Check(), StatusIs(kHeld, AllOf(HasSubstr("deleted or replaced"),
                                                  HasSubstr("another scheduler"))));
  close(other);
  EXPECT_THAT(lock.Check(), IsOk());
}

TEST_F(RunLockTest, TellsWhoWorksInTheDirectory) {
  EXPECT_THAT(RunLock::Holder(run_ + "/none"), IsOkAndHolds(""));
  EXPECT_THAT(RunLock::Holder(run_), IsOkAndHolds(""));
  EXPECT_FALSE(fs::exists(lock_));
  {
    RunLock lock = Take();
    const std::string holder = absl::StrCat("process ", getpid(), " on ");
    EXPECT_THAT(RunLock::Holder(run_), IsOkAndHolds(HasSubstr(holder)));
    fs::remove(lock_);
    EXPECT_THAT(RunLock::Holder(run_), IsOkAndHolds("unknown"));
    EXPECT_THAT(lock.Check(), IsOk());
  }
  // The file is still there.
  EXPECT_TRUE(fs::exists(lock_));
  EXPECT_THAT(RunLock::Holder(run_), IsOkAndHolds(""));
  // On a file system that does not lock directories.
  const int file = open(lock_.c_str(), O_RDWR | O_CLOEXEC);
  ASSERT_EQ(flock(file, LOCK_EX | LOCK_NB), 0);
  EXPECT_THAT(RunLock::Holder(run_), IsOkAndHolds(HasSubstr("process")));
  close(file);
}

// Holder has a shared lock for a moment.
TEST_F(RunLockTest, AskingForTheHolderRefusesNoScheduler) {
  for (const std::string& path : {run_, lock_}) {
    ASSERT_THAT(WriteFileAtomically(lock_, "process"), IsOk());
    const pid_t child = fork();
    if (child == 0) {
      const int asked = open(path.c_str(), O_RDONLY);
      const bool is_locked = flock(asked, LOCK_SH | LOCK_NB) == 0;
      fs::create_directories(run_ + "/locked");
      usleep(10'000);
      _exit(is_locked ? 0 : 1);
    }
    while (!fs::exists(run_ + "/locked")) usleep(1'000);
    Take();
    int status = 0;
    waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
    fs::remove(run_ + "/locked");
  }
}

TEST_F(RunLockTest, AMovedDirectoryIsNotWrittenTo) {
  RunLock lock = Take();
  fs::rename(run_, run_ + ".moved");
  EXPECT_THAT(lock.Check(), StatusIs(kHeld, HasSubstr("moved, deleted or replaced")));
  fs::create_directories(run_);
  EXPECT_THAT(lock.Check(), StatusIs(kHeld, HasSubstr("moved, deleted or replaced")));
  EXPECT_FALSE(fs::exists(lock_));
}

// The copy is another directory, which a second scheduler may have.
TEST_F(RunLockTest, ACopyInTheDirectorysPlaceIsNotTheFirsts) {
  RunLock first = Take();
  const std::string text = *ReadFile(lock_);
  fs::rename(run_, run_ + ".moved");
  fs::copy(run_ + ".moved", run_, fs::copy_options::recursive);
  EXPECT_THAT(first.Check(), StatusIs(kHeld, HasSubstr("moved, deleted or replaced")));
  RunLock second = Take();
  EXPECT_THAT(first.Check(), StatusIs(kHeld, HasSubstr("moved, deleted or replaced")));
  EXPECT_THAT(second.Check(), IsOk());
  EXPECT_THAT(ReadFile(run_ + ".moved/LOCK"), IsOkAndHolds(text));
}

TEST_F(RunLockTest, AKilledHolderLeavesNoLock) {
  const pid_t child = fork();
  if (child == 0) {
    const auto lock = RunLock::Take(run_);
    kill(getpid(), SIGKILL);
    _exit(lock.ok() ? 0 : 1);
  }
  waitpid(child, nullptr, 0);
  Take();
}

TEST_F(RunLockTest, AMissingDirectoryIsNamed) {
  EXPECT_THAT(RunLock::Take(run_ + "/none"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("none")));
}

}  // namespace
}  // namespace rcnn::training
