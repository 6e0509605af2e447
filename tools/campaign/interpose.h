// Shared by the preloaded libraries of this folder: finds the function that a call would
// reach without them, and the path of a descriptor, and wraps open() and openat(), whose mode is an
// optional argument.
//
// Example:
//   int fsync(int descriptor) {
//     static const auto next = Next<int (*)(int)>("fsync");
//     return next(descriptor);
//   }

#ifndef RCNN_TOOLS_CAMPAIGN_INTERPOSE_H_
#define RCNN_TOOLS_CAMPAIGN_INTERPOSE_H_

#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/types.h>
#include <unistd.h>

#include <string>

// The function of that name after this library's own.
template <typename Function>
Function Next(const char* name) {
  return reinterpret_cast<Function>(dlsym(RTLD_NEXT, name));
}

// Where the open file lies; "" if it is not known. May set errno.
inline std::string DescriptorPath(int descriptor) {
  char link[64], path[4096];
  snprintf(link, sizeof(link), "/proc/self/fd/%d", descriptor);
  const ssize_t size = readlink(link, path, sizeof(path));
  return size > 0 ? std::string(path, static_cast<size_t>(size)) : "";
}

// Of a function such as openat(), whose path may begin at an open directory.
inline std::string PathAt(int directory, const char* path) {
  if (path == nullptr) return "";
  if (path[0] == '/' || directory == AT_FDCWD) return path;
  return DescriptorPath(directory) + "/" + path;
}

// Defines `mode`, the argument after `flags` of the variadic function around it; 0 without one.
#define RCNN_OPTIONAL_MODE(mode, flags) \
  mode_t mode = 0;                      \
  if (flags & (O_CREAT | O_TMPFILE)) {  \
    va_list arguments;                  \
    va_start(arguments, flags);         \
    mode = va_arg(arguments, mode_t);   \
    va_end(arguments);                  \
  }

// Defines `name`, open or open64, as around(path, flags, act): act() opens the file.
#define RCNN_INTERPOSE_OPEN(name, around)                                 \
  int name(const char* path, int flags, ...) {                            \
    RCNN_OPTIONAL_MODE(mode, flags)                                       \
    static const auto next = Next<int (*)(const char*, int, ...)>(#name); \
    return around(path, flags, [&] { return next(path, flags, mode); });  \
  }

// The same for openat or openat64.
#define RCNN_INTERPOSE_OPENAT(name, around)                                    \
  int name(int directory, const char* path, int flags, ...) {                  \
    RCNN_OPTIONAL_MODE(mode, flags)                                            \
    static const auto next = Next<int (*)(int, const char*, int, ...)>(#name); \
    return around(PathAt(directory, path), flags,                              \
                  [&] { return next(directory, path, flags, mode); });         \
  }

#endif  // RCNN_TOOLS_CAMPAIGN_INTERPOSE_H_
