// Shared by the preloaded libraries of this folder: finds the function that a call would
// reach without them, and wraps open(), whose mode is an optional argument.
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
#include <sys/types.h>

// The function of that name after this library's own.
template <typename Function>
Function Next(const char* name) {
  return reinterpret_cast<Function>(dlsym(RTLD_NEXT, name));
}

// Defines `name`, open or open64, as around(path, flags, act): act() opens the file.
#define RCNN_INTERPOSE_OPEN(name, around)                                 \
  int name(const char* path, int flags, ...) {                            \
    mode_t mode = 0;                                                      \
    if (flags & (O_CREAT | O_TMPFILE)) {                                  \
      va_list arguments;                                                  \
      va_start(arguments, flags);                                         \
      mode = va_arg(arguments, mode_t);                                   \
      va_end(arguments);                                                  \
    }                                                                     \
    static const auto next = Next<int (*)(const char*, int, ...)>(#name); \
    return around(path, flags, [&] { return next(path, flags, mode); });  \
  }

#endif  // RCNN_TOOLS_CAMPAIGN_INTERPOSE_H_
