// A library to be preloaded (LD_PRELOAD) that fails one system call of a program.
//
//   RCNN_FAULT_UNDER=/tmp/run   only calls on paths below this folder count
//   RCNN_FAULT_CALL=read        open, read, write, fsync, rename, mkdir, mmap, stat or list
//   RCNN_FAULT_NTH=17           which of them fails, from 1; 0: none
//   RCNN_FAULT_ERROR=5          errno that it fails with; -1: reads or writes half the bytes
//   RCNN_FAULT_COUNTS=file      where the numbers of calls are written at the end
//
// The call fails once. If a program re-executes itself, each execution counts from the
// start.

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "rcnn/tools/campaign/interpose.h"

namespace {

enum Call { kOpen, kRead, kWrite, kFsync, kRename, kMkdir, kMmap, kStat, kList, kCalls };
constexpr const char* kNames[kCalls] = {"open",  "read", "write", "fsync", "rename",
                                        "mkdir", "mmap", "stat",  "list"};

std::atomic<long> counts[kCalls];

struct Plan {
  const char* under = getenv("RCNN_FAULT_UNDER");
  const char* call = getenv("RCNN_FAULT_CALL");
  const char* counts_file = getenv("RCNN_FAULT_COUNTS");
  long nth = Number("RCNN_FAULT_NTH");
  int error = static_cast<int>(Number("RCNN_FAULT_ERROR"));

  static long Number(const char* name) {
    const char* const text = getenv(name);
    return text == nullptr ? 0 : atol(text);
  }
};

const Plan& ThePlan() {
  static const Plan* const plan = new Plan;
  return *plan;
}

bool IsUnder(const char* path) {
  const char* const under = ThePlan().under;
  return under != nullptr && path != nullptr && strncmp(path, under, strlen(under)) == 0;
}

bool IsUnder(int descriptor) {
  if (ThePlan().under == nullptr || descriptor < 0) return false;
  char link[64], path[4096];
  snprintf(link, sizeof(link), "/proc/self/fd/%d", descriptor);
  const int saved = errno;
  const ssize_t size = readlink(link, path, sizeof(path) - 1);
  errno = saved;
  if (size <= 0) return false;
  path[size] = '\0';
  return IsUnder(path);
}

// Whether this is the call that must fail. Sets errno, unless it is to be a short read or write.
template <typename Where>
bool Fails(Call call, Where where) {
  if (!IsUnder(where)) return false;
  const long number = ++counts[call];
  const Plan& plan = ThePlan();
  if (plan.call == nullptr || number != plan.nth || strcmp(plan.call, kNames[call]) != 0) {
    return false;
  }
  if (plan.error > 0) errno = plan.error;
  return true;
}

template <typename Act>
int OpenUnlessFailed(const char* path, int /*flags*/, Act act) {
  return Fails(kOpen, path) ? -1 : act();
}

bool IsShort() { return ThePlan().error < 0; }

struct WriteCounts {
  ~WriteCounts() {
    if (ThePlan().counts_file == nullptr) return;
    FILE* const file = fopen(ThePlan().counts_file, "w");
    if (file == nullptr) return;
    for (int i = 0; i < kCalls; ++i) fprintf(file, "%s %ld\n", kNames[i], counts[i].load());
    fclose(file);
  }
};
const WriteCounts write_counts;

}  // namespace

extern "C" {

RCNN_INTERPOSE_OPEN(open, OpenUnlessFailed)
RCNN_INTERPOSE_OPEN(open64, OpenUnlessFailed)

ssize_t read(int descriptor, void* bytes, size_t size) {
  static const auto next = Next<ssize_t (*)(int, void*, size_t)>("read");
  if (Fails(kRead, descriptor)) {
    if (!IsShort()) return -1;
    size = (size + 1) / 2;
  }
  return next(descriptor, bytes, size);
}

ssize_t write(int descriptor, const void* bytes, size_t size) {
  static const auto next = Next<ssize_t (*)(int, const void*, size_t)>("write");
  if (Fails(kWrite, descriptor)) {
    if (!IsShort()) return -1;
    size = (size + 1) / 2;
  }
  return next(descriptor, bytes, size);
}

ssize_t pwrite(int descriptor, const void* bytes, size_t size, off_t offset) {
  static const auto next = Next<ssize_t (*)(int, const void*, size_t, off_t)>("pwrite");
  if (Fails(kWrite, descriptor)) {
    if (!IsShort()) return -1;
    size = (size + 1) / 2;
  }
  return next(descriptor, bytes, size, offset);
}

int fsync(int descriptor) {
  static const auto next = Next<int (*)(int)>("fsync");
  return Fails(kFsync, descriptor) ? -1 : next(descriptor);
}

int rename(const char* from, const char* to) {
  static const auto next = Next<int (*)(const char*, const char*)>("rename");
  return Fails(kRename, from) ? -1 : next(from, to);
}

int mkdir(const char* path, mode_t mode) {
  static const auto next = Next<int (*)(const char*, mode_t)>("mkdir");
  return Fails(kMkdir, path) ? -1 : next(path, mode);
}

void* mmap(void* address, size_t size, int protection, int flags, int descriptor, off_t offset) {
  static const auto next = Next<void* (*)(void*, size_t, int, int, int, off_t)>("mmap");
  if (!(flags & MAP_ANONYMOUS) && Fails(kMmap, descriptor)) return MAP_FAILED;
  return next(address, size, protection, flags, descriptor, offset);
}

#define RCNN_STAT(name)                                                       \
  int name(const char* path, struct stat* status) noexcept {                  \
    static const auto next = Next<int (*)(const char*, struct stat*)>(#name); \
    return Fails(kStat, path) ? -1 : next(path, status);                      \
  }
RCNN_STAT(stat)
RCNN_STAT(lstat)

DIR* opendir(const char* path) {
  static const auto next = Next<DIR* (*)(const char*)>("opendir");
  return Fails(kList, path) ? nullptr : next(path);
}

struct dirent* readdir(DIR* stream) {
  static const auto next = Next<struct dirent* (*)(DIR*)>("readdir");
  return Fails(kList, dirfd(stream)) ? nullptr : next(stream);
}

}  // extern "C"
