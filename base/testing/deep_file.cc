#include "rcnn/base/testing/deep_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gtest/gtest.h"

namespace rcnn {

std::string DeepPath(std::string path, size_t bytes) {
  while (path.size() < bytes) absl::StrAppend(&path, "/", std::string(250, 'd'));
  return path;
}

void WriteDeepFile(absl::string_view path, absl::string_view bytes) {
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
