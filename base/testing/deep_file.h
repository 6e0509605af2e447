// Files whose path is longer than system calls take (PATH_MAX, 4096 bytes), for tests of programs
// that meet one.
//
// Example:
//   WriteDeepFile(DeepPath("in", 4100) + "/a.jpg", "x");

#ifndef RCNN_BASE_TESTING_DEEP_FILE_H_
#define RCNN_BASE_TESTING_DEEP_FILE_H_

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "gtest/gtest.h"

namespace rcnn {

// `path`, and as many folders of 250 bytes in each other below it as make it at least `bytes` long.
inline std::string DeepPath(std::string path, size_t bytes) {
  while (path.size() < bytes) absl::StrAppend(&path, "/", std::string(250, 'd'));
  return path;
}

// Writes a file, and makes its folders, however long the path is. The test fails if it cannot.
inline void WriteDeepFile(absl::string_view path, absl::string_view bytes) {
  const std::vector<std::string> names = absl::StrSplit(path, '/', absl::SkipEmpty());
  constexpr int kFolder = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
  int folder = open(absl::StartsWith(path, "/") ? "/" : ".", kFolder);
  for (size_t i = 0; i + 1 < names.size(); ++i) {
    mkdirat(folder, names[i].c_str(), 0755);  // unless it is there
    close(std::exchange(folder, openat(folder, names[i].c_str(), kFolder)));
  }
  const int file = openat(folder, names.back().c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
  const ssize_t written = write(file, bytes.data(), bytes.size());
  EXPECT_EQ(written, static_cast<ssize_t>(bytes.size())) << names.back();
  close(file);
  close(folder);
}

}  // namespace rcnn

#endif  // RCNN_BASE_TESTING_DEEP_FILE_H_
