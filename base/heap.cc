#include "rcnn/base/heap.h"

#include <malloc.h>

#include <climits>
#include <cstdlib>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace rcnn {
namespace {

constexpr int kTopPad = 64 << 20;

struct Setting {
  const char* name;      // as DescribeHeap calls it
  const char* variable;  // of the environment
  const char* wanted;    // the variable's value
  int mallopt_parameter;
  int mallopt_value;  // the nearest value an int can hold
};

const std::vector<Setting>& Settings() {
#ifdef __GLIBC__
  static const auto& settings = *new std::vector<Setting>{
      {"mmap_threshold", "MALLOC_MMAP_THRESHOLD_", "4294967296", M_MMAP_THRESHOLD, INT_MAX},
      {"trim_threshold", "MALLOC_TRIM_THRESHOLD_", "8589934592", M_TRIM_THRESHOLD, INT_MAX},
      {"top_pad", "MALLOC_TOP_PAD_", "67108864", M_TOP_PAD, kTopPad}};
#else
  static const auto& settings = *new std::vector<Setting>();
#endif
  return settings;
}

constexpr char kTunables[] = "GLIBC_TUNABLES";

bool kept_in_process = false;

}  // namespace

const std::vector<HeapVariable>& HeapEnvironment() {
  static const auto& variables = *[] {
    auto* all = new std::vector<HeapVariable>;
    for (const Setting& setting : Settings()) all->push_back({setting.variable, setting.wanted});
    if (!all->empty()) all->push_back({kTunables, "glibc.malloc.hugetlb=1"});
    return all;
  }();
  return variables;
}

void KeepHeap() {
#ifdef __GLIBC__
  for (const Setting& setting : Settings()) {
    if (std::getenv(setting.variable) == nullptr) {
      mallopt(setting.mallopt_parameter, setting.mallopt_value);
    }
  }
  kept_in_process = true;
#endif
}

void ReturnFreedMemory() {
#ifdef __GLIBC__
  malloc_trim(/*pad=*/0);
#endif
}

std::vector<std::string> DescribeHeap() {
  std::vector<std::string> lines;
  for (const Setting& setting : Settings()) {
    const char* value = std::getenv(setting.variable);
    const std::string inside =
        kept_in_process ? absl::StrCat(setting.mallopt_value) : std::string("default");
    lines.push_back(absl::StrCat(setting.name, "=", value != nullptr ? value : inside));
  }
  const char* tunables = std::getenv(kTunables);
  const bool huge = tunables != nullptr && absl::StrContains(tunables, "glibc.malloc.hugetlb=1");
  lines.push_back(absl::StrCat("huge_pages=", huge ? "on" : "off"));
  return lines;
}

}  // namespace rcnn
