// A library to be preloaded (LD_PRELOAD) that fails one system call of a program.
//
//   RCNN_FAULT_UNDER=/tmp/run   only calls on paths below this folder count
//   RCNN_FAULT_CALL=read        open, read, write, fsync, rename, mkdir, mmap, stat, list, unlink,
//                               link, truncate or lock
//   RCNN_FAULT_NTH=17           which of them fails, from 1; 0: none
//   RCNN_FAULT_PLACE=3f09a1     if set, only calls from this place count for RCNN_FAULT_NTH
//   RCNN_FAULT_ERROR=5          errno that it fails with; -1: reads or writes half the bytes
//   RCNN_FAULT_COUNTS=file      where the numbers of calls are written at the end: "read 17", and
//                               "failed 1" if the call that must fail was made
//   RCNN_FAULT_PLACES=file      where the number of calls from each place is written at the end, in
//                               the order of their first calls: "read 3f09a1 12"
//
// Each kind of call has several functions:
//
//   open      open, openat, mkstemp
//   write     write, pwrite
//   stat      stat, lstat, fstat
//   list      opendir, fdopendir, readdir, and openat of a directory, with which the C++ library
//             begins to list it
//   unlink    unlink, unlinkat, rmdir, remove
//   link      link, symlink
//   truncate  ftruncate
//   lock      flock
//
// What the C library calls itself is not seen: reads and writes of a FILE, for example.
//
// The call fails once. If a program re-executes itself, each execution counts from the
// start. A place is the chain of functions that leads to the call, from main() or the start
// of a thread on; of chains of more than 256 functions, the innermost ones. Places are the
// same in each run of the same program on the same machine. A program that is killed, or
// ends by _exit(), writes no numbers.

#include <dirent.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <link.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "rcnn/tools/campaign/interpose.h"

namespace {

enum Call {
  kOpen,
  kRead,
  kWrite,
  kFsync,
  kRename,
  kMkdir,
  kMmap,
  kStat,
  kList,
  kUnlink,
  kLink,
  kTruncate,
  kLock,
  kCalls
};
constexpr const char* kNames[kCalls] = {"open",  "read",     "write", "fsync", "rename",
                                        "mkdir", "mmap",     "stat",  "list",  "unlink",
                                        "link",  "truncate", "lock"};

std::atomic<long> counts[kCalls];
std::atomic<bool> has_failed{false};

struct Plan {
  const char* under = getenv("RCNN_FAULT_UNDER");
  const char* call = getenv("RCNN_FAULT_CALL");
  const char* place = getenv("RCNN_FAULT_PLACE");
  const char* counts_file = getenv("RCNN_FAULT_COUNTS");
  const char* places_file = getenv("RCNN_FAULT_PLACES");
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
  if (under == nullptr || path == nullptr) return false;
  const size_t size = strlen(under);
  // "/tmp/run2" is not under "/tmp/run".
  return strncmp(path, under, size) == 0 && (path[size] == '/' || path[size] == '\0');
}

bool IsUnder(const std::string& path) { return IsUnder(path.c_str()); }

bool IsUnder(int descriptor) {
  return ThePlan().under != nullptr && descriptor >= 0 && IsUnder(DescriptorPath(descriptor));
}

// The code of the program, or of a library. Where it is loaded changes from run to run; its name,
// and the offsets of functions from its beginning, do not.
struct Module {
  uintptr_t begin, end;
  uint64_t name_hash;
};

uint64_t Mix(uint64_t hash, uint64_t value) {
  hash = (hash ^ value) * 0x9e3779b97f4a7c15u;
  return hash ^ (hash >> 29);
}

int AddModule(dl_phdr_info* info, size_t, void* modules) {
  uint64_t name_hash = 0;
  for (const char* c = info->dlpi_name; *c != '\0'; ++c) name_hash = Mix(name_hash, *c);
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const ElfW(Phdr)& part = info->dlpi_phdr[i];
    if (part.p_type != PT_LOAD || !(part.p_flags & PF_X)) continue;
    const uintptr_t begin = info->dlpi_addr + part.p_vaddr;
    static_cast<std::vector<Module>*>(modules)->push_back({begin, begin + part.p_memsz, name_hash});
  }
  return 0;
}

// Where calls are made, and how often. Callers make sure that one thread at a time uses it.
class Places {
 public:
  // Returns how many calls of this kind have been made from the place, including this one.
  long Count(Call call, uint64_t place) {
    const auto [found, is_new] = numbers_.try_emplace({call, place}, 0);
    if (is_new) order_.push_back(found->first);
    return ++found->second;
  }

  // The place of the call that is being made.
  uint64_t Here() {
    void* addresses[256];
    const int depth = backtrace(addresses, 256);
    uint64_t place = 0;
    for (int i = 1; i < depth; ++i) {
      const auto address = reinterpret_cast<uintptr_t>(addresses[i]);
      const Module* const module = Find(address);
      place = module == nullptr ? Mix(place, 1)
                                : Mix(Mix(place, module->name_hash), address - module->begin);
    }
    return place;
  }

  void Write(FILE* file) const {
    for (const auto& key : order_) {
      fprintf(file, "%s %llx %ld\n", kNames[key.first], static_cast<unsigned long long>(key.second),
              numbers_.at(key));
    }
  }

 private:
  const Module* Find(uintptr_t address) {
    const auto holds = [address](const Module& one) {
      return one.begin <= address && address < one.end;
    };
    auto found = std::find_if(modules_.begin(), modules_.end(), holds);
    if (found == modules_.end()) {
      // A library may have been loaded since.
      modules_.clear();
      dl_iterate_phdr(AddModule, &modules_);
      found = std::find_if(modules_.begin(), modules_.end(), holds);
    }
    return found == modules_.end() ? nullptr : &*found;
  }

  std::vector<Module> modules_;
  std::map<std::pair<Call, uint64_t>, long> numbers_;
  std::vector<std::pair<Call, uint64_t>> order_;
};

Places& ThePlaces() {
  static Places* const places = new Places;
  return *places;
}

// Counts a call, and returns whether it is the one of the plan's number: of all calls of its kind,
// or of those from the plan's place.
bool IsPlanned(Call call) {
  const Plan& plan = ThePlan();
  const long number = ++counts[call];
  const bool is_kind = plan.call != nullptr && strcmp(plan.call, kNames[call]) == 0;
  if (plan.place == nullptr && plan.places_file == nullptr) return is_kind && number == plan.nth;

  static std::mutex* const mutex = new std::mutex;
  const std::lock_guard<std::mutex> lock(*mutex);
  const uint64_t place = ThePlaces().Here();
  const long number_there = ThePlaces().Count(call, place);
  if (plan.place == nullptr) return is_kind && number == plan.nth;
  return is_kind && place == strtoull(plan.place, nullptr, 16) && number_there == plan.nth;
}

// Whether this is the call that must fail. Sets errno, unless it is to be a short read or write; if
// it is another call, errno is unchanged: readdir() does not set it at the end of a directory.
template <typename Where>
bool Fails(Call call, const Where& where) {
  const int saved = errno;
  const bool is_planned = IsUnder(where) && IsPlanned(call);
  errno = saved;
  if (!is_planned) return false;
  has_failed = true;
  if (ThePlan().error > 0) errno = ThePlan().error;
  return true;
}

template <typename Act>
int OpenUnlessFailed(const char* path, int /*flags*/, Act act) {
  return Fails(kOpen, path) ? -1 : act();
}

template <typename Act>
int OpenAtUnlessFailed(const std::string& path, int flags, Act act) {
  return Fails(flags & O_DIRECTORY ? kList : kOpen, path) ? -1 : act();
}

bool IsShort() { return ThePlan().error < 0; }

template <typename Write>
void WriteTo(const char* path, Write write) {
  FILE* const file = path == nullptr ? nullptr : fopen(path, "w");
  if (file == nullptr) return;
  write(file);
  fclose(file);
}

struct WriteCounts {
  ~WriteCounts() {
    WriteTo(ThePlan().counts_file, [](FILE* file) {
      for (int i = 0; i < kCalls; ++i) fprintf(file, "%s %ld\n", kNames[i], counts[i].load());
      fprintf(file, "failed %d\n", has_failed ? 1 : 0);
    });
    WriteTo(ThePlan().places_file, [](FILE* file) { ThePlaces().Write(file); });
  }
};
const WriteCounts write_counts;

}  // namespace

extern "C" {

RCNN_INTERPOSE_OPEN(open, OpenUnlessFailed)
RCNN_INTERPOSE_OPEN(open64, OpenUnlessFailed)
RCNN_INTERPOSE_OPENAT(openat, OpenAtUnlessFailed)
RCNN_INTERPOSE_OPENAT(openat64, OpenAtUnlessFailed)

int mkstemp(char* path) {
  static const auto next = Next<int (*)(char*)>("mkstemp");
  return Fails(kOpen, path) ? -1 : next(path);
}

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

int fstat(int descriptor, struct stat* status) noexcept {
  static const auto next = Next<int (*)(int, struct stat*)>("fstat");
  return Fails(kStat, descriptor) ? -1 : next(descriptor, status);
}

int ftruncate(int descriptor, off_t size) noexcept {
  static const auto next = Next<int (*)(int, off_t)>("ftruncate");
  return Fails(kTruncate, descriptor) ? -1 : next(descriptor, size);
}

int flock(int descriptor, int operation) noexcept {
  static const auto next = Next<int (*)(int, int)>("flock");
  return Fails(kLock, descriptor) ? -1 : next(descriptor, operation);
}

#define RCNN_UNLINK(name)                                       \
  int name(const char* path) noexcept {                         \
    static const auto next = Next<int (*)(const char*)>(#name); \
    return Fails(kUnlink, path) ? -1 : next(path);              \
  }
RCNN_UNLINK(unlink)
RCNN_UNLINK(rmdir)
RCNN_UNLINK(remove)

int unlinkat(int directory, const char* path, int flags) noexcept {
  static const auto next = Next<int (*)(int, const char*, int)>("unlinkat");
  return Fails(kUnlink, PathAt(directory, path)) ? -1 : next(directory, path, flags);
}

#define RCNN_LINK(name)                                                      \
  int name(const char* from, const char* to) noexcept {                      \
    static const auto next = Next<int (*)(const char*, const char*)>(#name); \
    return Fails(kLink, to) ? -1 : next(from, to);                           \
  }
RCNN_LINK(link)
RCNN_LINK(symlink)

DIR* opendir(const char* path) {
  static const auto next = Next<DIR* (*)(const char*)>("opendir");
  return Fails(kList, path) ? nullptr : next(path);
}

DIR* fdopendir(int descriptor) {
  static const auto next = Next<DIR* (*)(int)>("fdopendir");
  return Fails(kList, descriptor) ? nullptr : next(descriptor);
}

struct dirent* readdir(DIR* stream) {
  static const auto next = Next<struct dirent* (*)(DIR*)>("readdir");
  return Fails(kList, dirfd(stream)) ? nullptr : next(stream);
}

}  // extern "C"
