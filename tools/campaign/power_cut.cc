// A library to be preloaded (LD_PRELOAD) that records what a power cut may undo, and can
// kill the program at one of the recorded operations.
//
// Until a directory is synced, a file that was created, renamed or deleted in it may be in
// its old state; until a file is synced, appended bytes may be missing. The library writes
// each finished operation as a line to a journal, and power_cut.py undoes a random part of those
// that no sync has made durable. Files that are replaced or deleted get a second name in a
// separate folder, so that they can be restored.
//
//   RCNN_CUT_UNDER=/tmp/run      only this folder and the paths below it count, and syncs of its
//                                parent, which make the folder's own name durable
//   RCNN_CUT_JOURNAL=/tmp/file   where operations are recorded
//   RCNN_CUT_GRAVES=/tmp/graves  a folder on the same file system
//   RCNN_CUT_AT=17               SIGKILL at this operation, from 1; 0: never
//   RCNN_CUT_BEFORE=1            before it is done, not after
//
//   create DIRECTORY PATH          mkdir DIRECTORY PATH        link DIRECTORY PATH
//   rename DIRECTORY FROM TO GRAVE unlink DIRECTORY PATH GRAVE rmdir DIRECTORY PATH
//   sync FILE SIZE                 truncate FILE SIZE          syncdir DIRECTORY
//
// DIRECTORY and FILE are inode numbers; GRAVE is "" if there is nothing to restore.

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "rcnn/tools/campaign/interpose.h"

namespace {

struct Plan {
  std::string under = Text("RCNN_CUT_UNDER");
  std::string journal = Text("RCNN_CUT_JOURNAL");
  std::string graves = Text("RCNN_CUT_GRAVES");
  long at = atol(Text("RCNN_CUT_AT").c_str());
  bool before = Text("RCNN_CUT_BEFORE") == "1";

  static std::string Text(const char* name) {
    const char* const text = getenv(name);
    return text == nullptr ? "" : text;
  }
};

const Plan& ThePlan() {
  static const Plan* const plan = new Plan;
  return *plan;
}

// Keeps errno as the program's own calls left it.
struct KeepErrno {
  const int saved = errno;
  ~KeepErrno() { errno = saved; }
};

bool IsUnder(const std::string& path) {
  const std::string& under = ThePlan().under;
  if (under.empty() || path.compare(0, under.size(), under) != 0) return false;
  // "/tmp/run2" is not under "/tmp/run".
  return path.size() == under.size() || path[under.size()] == '/';
}

bool Exists(const std::string& path) {
  struct stat status;
  return lstat(path.c_str(), &status) == 0;
}

// The inode of the directory that holds the path.
std::string Directory(const std::string& path) {
  struct stat status;
  const std::string parent = path.substr(0, path.rfind('/'));
  return stat(parent.c_str(), &status) == 0 ? std::to_string(status.st_ino) : "0";
}

void Record(const std::string& line) {
  static const int journal = Next<int (*)(const char*, int, ...)>("open")(
      ThePlan().journal.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  const std::string text = line + "\n";
  if (write(journal, text.data(), text.size()) < 0) abort();
}

// A second name of a file that is about to lose its first.
std::string Bury(const std::string& path) {
  static std::atomic<long> number = 0;
  const std::string grave =
      ThePlan().graves + "/" + std::to_string(getpid()) + "-" + std::to_string(++number);
  static const auto link = Next<int (*)(const char*, const char*)>("link");
  return link(path.c_str(), grave.c_str()) == 0 ? grave : "";
}

[[noreturn]] void Cut() {
  kill(getpid(), SIGKILL);
  for (;;) pause();
}

// One operation: do it, record it if it was done, and cut at the planned one.
template <typename Act, typename Line>
auto Operate(Act act, Line line) {
  static std::atomic<long> operations = 0;
  const bool is_last = ++operations == ThePlan().at;
  if (is_last && ThePlan().before) Cut();
  const auto result = act();
  const KeepErrno keep;
  if (result >= 0) Record(line());
  if (is_last) Cut();
  return result;
}

template <typename Act>
int Remove(const std::string& path, const char* name, Act act) {
  if (!IsUnder(path)) return act();
  const std::string directory = Directory(path);
  const std::string grave = Bury(path);
  return Operate(act, [&] {
    return std::string(name) + "\t" + directory + "\t" + path +
           (strcmp(name, "unlink") == 0 ? "\t" + grave : "");
  });
}

template <typename Act>
int Make(const std::string& path, const char* name, Act act) {
  if (!IsUnder(path)) return act();
  return Operate(act, [&] { return std::string(name) + "\t" + Directory(path) + "\t" + path; });
}

std::string TruncateLine(const struct stat& status, off_t size) {
  return "truncate\t" + std::to_string(status.st_ino) + "\t" + std::to_string(size);
}

template <typename Act>
int Open(const std::string& path, int flags, Act act) {
  struct stat status;
  if (!IsUnder(path)) return act();
  if (stat(path.c_str(), &status) == 0) {
    if (!(flags & O_TRUNC)) return act();
    return Operate(act, [&] { return TruncateLine(status, 0); });
  }
  return flags & O_CREAT && !Exists(path) ? Make(path, "create", act) : act();
}

int OpenFlags(const char* mode) {
  if (mode[0] == 'r') return 0;
  return mode[0] == 'w' ? O_CREAT | O_TRUNC : O_CREAT;
}

// Whether it is the directory that holds the folder whose operations count.
bool HoldsFolder(const struct stat& status) {
  const std::string& under = ThePlan().under;
  return !under.empty() && S_ISDIR(status.st_mode) &&
         Directory(under) == std::to_string(status.st_ino);
}

template <typename Act>
int Sync(int descriptor, Act act) {
  struct stat status;
  if (fstat(descriptor, &status) != 0) return act();
  if (!IsUnder(DescriptorPath(descriptor)) && !HoldsFolder(status)) return act();
  return Operate(act, [&] {
    if (S_ISDIR(status.st_mode)) return "syncdir\t" + std::to_string(status.st_ino);
    return "sync\t" + std::to_string(status.st_ino) + "\t" + std::to_string(status.st_size);
  });
}

}  // namespace

extern "C" {

RCNN_INTERPOSE_OPEN(open, Open)
RCNN_INTERPOSE_OPEN(open64, Open)

#define RCNN_FOPEN(name)                                                       \
  FILE* name(const char* path, const char* mode) {                             \
    static const auto next = Next<FILE* (*)(const char*, const char*)>(#name); \
    FILE* file = nullptr;                                                      \
    Open(path, OpenFlags(mode), [&] {                                          \
      file = next(path, mode);                                                 \
      return file == nullptr ? -1 : 0;                                         \
    });                                                                        \
    return file;                                                               \
  }
RCNN_FOPEN(fopen)
RCNN_FOPEN(fopen64)

int mkstemp(char* path) {
  static const auto next = Next<int (*)(char*)>("mkstemp");
  if (!IsUnder(path)) return next(path);
  // The call gives the file its name.
  return Operate([&] { return next(path); },
                 [&] { return "create\t" + Directory(path) + "\t" + path; });
}

int mkdir(const char* path, mode_t mode) noexcept {
  static const auto next = Next<int (*)(const char*, mode_t)>("mkdir");
  return Make(path, "mkdir", [&] { return next(path, mode); });
}

int link(const char* from, const char* to) noexcept {
  static const auto next = Next<int (*)(const char*, const char*)>("link");
  return Make(to, "link", [&] { return next(from, to); });
}

int symlink(const char* target, const char* path) noexcept {
  static const auto next = Next<int (*)(const char*, const char*)>("symlink");
  return Make(path, "link", [&] { return next(target, path); });
}

int rename(const char* from, const char* to) noexcept {
  static const auto next = Next<int (*)(const char*, const char*)>("rename");
  if (!IsUnder(to)) return next(from, to);
  const std::string grave = Exists(to) ? Bury(to) : "";
  return Operate(
      [&] { return next(from, to); },
      [&] { return "rename\t" + Directory(to) + "\t" + from + "\t" + to + "\t" + grave; });
}

int unlink(const char* path) noexcept {
  static const auto next = Next<int (*)(const char*)>("unlink");
  return Remove(path, "unlink", [&] { return next(path); });
}

int rmdir(const char* path) noexcept {
  static const auto next = Next<int (*)(const char*)>("rmdir");
  return Remove(path, "rmdir", [&] { return next(path); });
}

int remove(const char* path) noexcept {
  static const auto next = Next<int (*)(const char*)>("remove");
  struct stat status;
  const bool is_directory = lstat(path, &status) == 0 && S_ISDIR(status.st_mode);
  return Remove(path, is_directory ? "rmdir" : "unlink", [&] { return next(path); });
}

int unlinkat(int directory, const char* name, int flags) noexcept {
  static const auto next = Next<int (*)(int, const char*, int)>("unlinkat");
  return Remove(PathAt(directory, name), flags & AT_REMOVEDIR ? "rmdir" : "unlink",
                [&] { return next(directory, name, flags); });
}

int fsync(int descriptor) {
  static const auto next = Next<int (*)(int)>("fsync");
  return Sync(descriptor, [&] { return next(descriptor); });
}

int fdatasync(int descriptor) {
  static const auto next = Next<int (*)(int)>("fdatasync");
  return Sync(descriptor, [&] { return next(descriptor); });
}

#define RCNN_TRUNCATE(name)                                                        \
  int name(int descriptor, off_t size) noexcept {                                  \
    static const auto next = Next<int (*)(int, off_t)>(#name);                     \
    struct stat status;                                                            \
    if (!IsUnder(DescriptorPath(descriptor)) || fstat(descriptor, &status) != 0) { \
      return next(descriptor, size);                                               \
    }                                                                              \
    return Operate([&] { return next(descriptor, size); },                         \
                   [&] { return TruncateLine(status, size); });                    \
  }
RCNN_TRUNCATE(ftruncate)
RCNN_TRUNCATE(ftruncate64)

}  // extern "C"
