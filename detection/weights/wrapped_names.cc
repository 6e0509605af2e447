#include "rcnn/detection/weights/wrapped_names.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "rcnn/detection/weights/known_name_maps.h"

namespace rcnn::detection::weights {
namespace {

constexpr int kMaxWrappers = 4;

// "module.", if every name with a dot begins with it; empty if there is none.
std::string CommonPrefix(const StateDict& state) {
  std::string prefix;
  for (const StateDict::Entry& entry : state) {
    const size_t dot = entry.name.find('.');
    if (dot == std::string::npos) continue;
    if (prefix.empty()) prefix = entry.name.substr(0, dot + 1);
    if (!absl::StartsWith(entry.name, prefix)) return "";
  }
  return prefix;
}

// False if two names would become one.
bool TakeOff(const std::string& prefix, StateDict& state) {
  StateDict shorter;
  shorter.metadata() = state.metadata();
  for (const StateDict::Entry& entry : state) {
    const bool has_it = absl::StartsWith(entry.name, prefix);
    if (!shorter.Add(has_it ? entry.name.substr(prefix.size()) : entry.name, entry.tensor)) {
      return false;
    }
  }
  state = std::move(shorter);
  return true;
}

}  // namespace

UnwrappedNames UnwrapNames(StateDict state) {
  if (DetectNameMap(state).ok()) return {std::move(state), ""};
  StateDict inner = state;
  std::string taken;
  for (int i = 0; i < kMaxWrappers; ++i) {
    const std::string prefix = CommonPrefix(inner);
    if (prefix.empty() || !TakeOff(prefix, inner)) break;
    absl::StrAppend(&taken, prefix);
    if (DetectNameMap(inner).ok()) return {std::move(inner), taken};
  }
  return {std::move(state), ""};
}

}  // namespace rcnn::detection::weights
