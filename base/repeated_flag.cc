#include "rcnn/base/repeated_flag.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace rcnn {
namespace {

// Ends each value: the record separator of ASCII, which is not typed on a command line by accident.
// A value that contains it is split.
constexpr char kEnd = '\x1e';

// Whether `word` is -name or --name, alone or followed by "=" and a value. If so, leaves in `word`
// what follows the "=" (empty without one), and sets `has_value` to whether there is one.
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
  bool found_any = false;
  bool before_terminator = true;
  joined_ = absl::StrCat("--", name, "=");
  for (int i = 0; i < *argc; ++i) {
    absl::string_view word = (*argv)[i];
    before_terminator = before_terminator && word != "--";
    bool has_value = false;
    const bool found = i > 0 && before_terminator && ConsumeFlag(name, word, has_value);
    if (!found || (!has_value && i + 1 == *argc)) {
      arguments_.push_back((*argv)[i]);
      continue;
    }
    absl::StrAppend(&joined_, has_value ? word : absl::string_view((*argv)[++i]));
    joined_ += kEnd;
    found_any = true;
  }
  // First, so that it precedes a "--".
  if (found_any) arguments_.insert(arguments_.begin() + 1, joined_.data());
  *argc = static_cast<int>(arguments_.size());
  arguments_.push_back(nullptr);
  *argv = arguments_.data();
}

std::vector<std::string> RepeatedFlagValues(absl::string_view flag_value) {
  return absl::StrSplit(flag_value, kEnd, absl::SkipWhitespace());
}

}  // namespace rcnn
