#include "rcnn/base/repeated_flag.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace rcnn {
namespace {

// Ends each value: ASCII's record separator, which nobody types.
constexpr char kEnd = '\x1e';

// Whether `word` is --name or starts with --name=, which is then removed.
bool ConsumeFlag(absl::string_view name, absl::string_view& word, bool& has_value) {
  absl::string_view rest = word;
  if (!absl::ConsumePrefix(&rest, "-")) return false;
  absl::ConsumePrefix(&rest, "-");
  if (!absl::ConsumePrefix(&rest, name)) return false;
  has_value = absl::ConsumePrefix(&rest, "=");
  if (!has_value && !rest.empty()) return false;
  word = rest;
  return true;
}

}  // namespace

RepeatedFlag::RepeatedFlag(absl::string_view name, int* argc, char*** argv) {
  bool any = false, flags = true;
  joined_ = absl::StrCat("--", name, "=");
  for (int i = 0; i < *argc; ++i) {
    absl::string_view word = (*argv)[i];
    flags = flags && word != "--";
    bool has_value = false;
    const bool found = i > 0 && flags && ConsumeFlag(name, word, has_value);
    if (!found || (!has_value && i + 1 == *argc)) {
      words_.push_back((*argv)[i]);
      continue;
    }
    absl::StrAppend(&joined_, has_value ? word : absl::string_view((*argv)[++i]));
    joined_ += kEnd;
    any = true;
  }
  if (any) words_.insert(words_.begin() + 1, joined_.data());
  *argc = static_cast<int>(words_.size());
  words_.push_back(nullptr);
  *argv = words_.data();
}

std::vector<std::string> RepeatedFlagValues(absl::string_view flag) {
  return absl::StrSplit(flag, kEnd, absl::SkipWhitespace());
}

}  // namespace rcnn
