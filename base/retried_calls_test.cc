#include "rcnn/base/retried_calls.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <string>
#include <thread>

#include "gtest/gtest.h"

namespace rcnn {
namespace {

void Ignore(int /*signal*/) {}

// While it exists, SIGUSR1 interrupts calls: there is a handler, without SA_RESTART.
class InterruptingSignal {
 public:
  InterruptingSignal() {
    struct sigaction action = {};
    action.sa_handler = Ignore;
    sigaction(SIGUSR1, &action, &before_);
  }
  ~InterruptingSignal() { sigaction(SIGUSR1, &before_, nullptr); }

  // Long enough for the thread to begin its call.
  static void SendTo(std::thread& thread) {
    for (int i = 0; i < 50; ++i) {
      pthread_kill(thread.native_handle(), SIGUSR1);
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
  }

 private:
  struct sigaction before_ = {};
};

std::string Path(const std::string& name) { return ::testing::TempDir() + "/" + name; }

TEST(RetriedCallsTest, OpensAfterSignals) {
  const InterruptingSignal signal;
  const std::string path = Path("pipe");
  unlink(path.c_str());
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  int reader = -1;
  // Waits until the pipe has a writer.
  std::thread opener([&] { reader = OpenRetried(path, O_RDONLY); });
  InterruptingSignal::SendTo(opener);
  const int writer = open(path.c_str(), O_RDWR);
  opener.join();
  ASSERT_GE(writer, 0);
  EXPECT_GE(reader, 0);
  close(writer);
  close(reader);
}

TEST(RetriedCallsTest, NamesTheErrorOfOpen) {
  errno = 0;
  EXPECT_EQ(OpenRetried(Path("missing"), O_RDONLY), -1);
  EXPECT_EQ(errno, ENOENT);
}

TEST(RetriedCallsTest, ANewFileIsReadableByAllAndClosedByOtherPrograms) {
  const mode_t before = umask(0);
  const int descriptor = OpenRetried(Path("new"), O_WRONLY | O_CREAT);
  umask(before);
  ASSERT_GE(descriptor, 0);
  struct stat status = {};
  ASSERT_EQ(fstat(descriptor, &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0644u);
  EXPECT_NE(fcntl(descriptor, F_GETFD) & FD_CLOEXEC, 0);
  EXPECT_EQ(SyncRetried(descriptor), 0);
  close(descriptor);
}

TEST(RetriedCallsTest, WritesAllInSpiteOfSignals) {
  const InterruptingSignal signal;
  std::array<int, 2> ends = {-1, -1};
  ASSERT_EQ(pipe(ends.data()), 0);
  // More than a pipe holds, so that the writer waits.
  const std::string bytes(size_t{1} << 20, 'x');
  bool written = false;
  std::thread writer([&] {
    written = WriteAllRetried(ends[1], bytes);
    close(ends[1]);
  });
  InterruptingSignal::SendTo(writer);
  std::string found;
  std::array<char, 4096> piece;
  for (ssize_t got = 1; got > 0;) {
    got = read(ends[0], piece.data(), piece.size());
    if (got > 0) found.append(piece.data(), static_cast<size_t>(got));
  }
  writer.join();
  close(ends[0]);
  EXPECT_TRUE(written);
  EXPECT_TRUE(found == bytes) << found.size();
}

TEST(RetriedCallsTest, NamesTheErrorsOfWriteAndSync) {
  errno = 0;
  EXPECT_FALSE(WriteAllRetried(-1, "x"));
  EXPECT_EQ(errno, EBADF);
  errno = 0;
  EXPECT_EQ(SyncRetried(-1), -1);
  EXPECT_EQ(errno, EBADF);
}

}  // namespace
}  // namespace rcnn
