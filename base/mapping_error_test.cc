#include "rcnn/base/mapping_error.h"

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/testing/status_matchers.h"

namespace rcnn {
namespace {

// Ends this process if the byte cannot be read.
void Read(const char* byte) {
  [[maybe_unused]] const char value = *static_cast<const volatile char*>(byte);
}

std::string WriteMegabyte(const std::string& name) {
  const std::string path = absl::StrCat(::testing::TempDir(), "/", name);
  EXPECT_THAT(WriteFileAtomically(path, std::string(1 << 20, 'x')), IsOk());
  return path;
}

// The last byte of the file lies behind its end then.
void ReadCutOffFile(const std::string& path) {
  InstallMappingErrorHandler();
  absl::StatusOr<MappedFile> opened = MappedFile::Open(path);
  if (!opened.ok()) _exit(2);
  const MappedFile file = *std::move(opened);  // a moved mapping is the same
  Read(&file.bytes().back());
  if (truncate(path.c_str(), 100) != 0) _exit(3);
  Read(&file.bytes().back());
  _exit(4);
}

TEST(MappingErrorTest, AMappedFileThatIsCutOffIsNamed) {
  const std::string path = WriteMegabyte("cut_off\n\x1b");
  EXPECT_EXIT(
      ReadCutOffFile(path), ::testing::ExitedWithCode(1),
      "error: cannot read .*/cut_off\\\\n\\\\x1b: the disk reported an error, or the file was "
      "cut off meanwhile");
}

// A page of a file without a name.
void ReadOtherMemory() {
  InstallMappingErrorHandler();
  static const char others[200] = {};
  for (const char& byte : others) RecordMapping(&byte, 1, "another");
  const int descriptor = memfd_create("other", 0);
  if (descriptor < 0 || ftruncate(descriptor, 4096) != 0) _exit(2);
  void* const address = mmap(nullptr, 4096, PROT_READ, MAP_SHARED, descriptor, 0);
  RecordMapping(address, 4096, "other");
  ForgetMapping(address);
  if (ftruncate(descriptor, 0) != 0) _exit(3);
  Read(static_cast<const char*>(address));
  _exit(4);
}

TEST(MappingErrorTest, OtherMemoryEndsTheProgramAsBefore) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "the sanitizer handles the signal";
#endif
  EXPECT_EXIT(ReadOtherMemory(), ::testing::KilledBySignal(SIGBUS), "^$");
}

// As by kill -BUS.
void SendSignal() {
  InstallMappingErrorHandler();
  raise(SIGBUS);
  _exit(4);
}

TEST(MappingErrorTest, ASignalThatWasSentEndsTheProgramAsBefore) {
  EXPECT_EXIT(SendSignal(), ::testing::KilledBySignal(SIGBUS), "^$");
}

// As on a machine of many cores, whose threads read an image each.
void ReadCutOffFileAmongMany(const std::string& many, const std::string& path) {
  constexpr int kThreads = 8, kFiles = 50;
  std::vector<std::vector<MappedFile>> files(kThreads);
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&many, &mine = files[static_cast<size_t>(t)]] {
      for (int i = 0; i < kFiles; ++i) {
        absl::StatusOr<MappedFile> file = MappedFile::Open(many);
        if (!file.ok()) _exit(2);
        mine.push_back(*std::move(file));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  ReadCutOffFile(path);
}

TEST(MappingErrorTest, AnyNumberOfFilesIsRecorded) {
  const std::string many = WriteMegabyte("many"), path = WriteMegabyte("one");
  EXPECT_EXIT(ReadCutOffFileAmongMany(many, path), ::testing::ExitedWithCode(1), "/one: the disk");
}

}  // namespace
}  // namespace rcnn
