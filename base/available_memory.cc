#include "rcnn/base/available_memory.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace rcnn {
namespace {

// Reads to the end: the kernel reports a size of 0 for these files.
std::string ReadKernelFile(const char* path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

// 0 for "max" and for a missing file.
int64_t ReadNumber(const char* path) {
  int64_t value = 0;
  return absl::SimpleAtoi(absl::StripAsciiWhitespace(ReadKernelFile(path)), &value) ? value : 0;
}

// Bytes below the limit of a version 2 control group; 0 without a limit.
int64_t LeftInControlGroup() {
  const int64_t limit = ReadNumber("/sys/fs/cgroup/memory.max");
  if (limit <= 0) return 0;
  return std::max<int64_t>(1, limit - ReadNumber("/sys/fs/cgroup/memory.current"));
}

}  // namespace

int64_t ParseMemAvailable(absl::string_view meminfo) {
  for (absl::string_view line : absl::StrSplit(meminfo, '\n')) {
    if (!absl::ConsumePrefix(&line, "MemAvailable:")) continue;
    const std::vector<absl::string_view> words =
        absl::StrSplit(line, absl::ByAnyChar(" \t"), absl::SkipEmpty());
    int64_t kilobytes = 0;
    if (!words.empty() && absl::SimpleAtoi(words[0], &kilobytes)) return kilobytes * 1024;
  }
  return 0;
}

int64_t AvailableMemoryBytes() {
  const int64_t machine = ParseMemAvailable(ReadKernelFile("/proc/meminfo"));
  const int64_t group = LeftInControlGroup();
  if (machine == 0 || group == 0) return std::max(machine, group);
  return std::min(machine, group);
}

std::string HumanBytes(int64_t bytes) {
  const double megabytes = static_cast<double>(bytes) / 1e6;
  return megabytes < 999.5 ? absl::StrFormat("%.0f MB", megabytes)
                           : absl::StrFormat("%.1f GB", megabytes / 1e3);
}

}  // namespace rcnn
