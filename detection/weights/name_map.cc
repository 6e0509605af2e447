#include "rcnn/detection/weights/name_map.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace rcnn::detection::weights {
namespace {

constexpr char kNameMapKey[] = "name_map";

// The text matched by '*' if `name` matches; "" for a pattern without one.
std::optional<absl::string_view> Match(absl::string_view pattern, absl::string_view name) {
  const size_t star = pattern.find('*');
  if (star == absl::string_view::npos) {
    return pattern == name ? std::optional<absl::string_view>("") : std::nullopt;
  }
  if (!absl::ConsumePrefix(&name, pattern.substr(0, star))) return std::nullopt;
  if (!absl::ConsumeSuffix(&name, pattern.substr(star + 1))) return std::nullopt;
  return name.empty() ? std::nullopt : std::optional<absl::string_view>(name);
}

std::string Fill(absl::string_view pattern, absl::string_view text) {
  const size_t star = pattern.find('*');
  if (star == absl::string_view::npos) return std::string(pattern);
  return absl::StrCat(pattern.substr(0, star), text, pattern.substr(star + 1));
}

void AddFacts(const NameMap& map, StateDict& state) {
  auto& metadata = state.metadata();
  metadata.try_emplace(kNameMapKey, map.name);
  if (map.image.has_value() && !HasImageNormalization(metadata)) {
    SetImageNormalization(*map.image, metadata);
  }
}

}  // namespace

std::optional<std::string> OurName(const NameMap& map, absl::string_view theirs) {
  for (const NameRule& rule : map.rules) {
    if (const auto text = Match(rule.theirs, theirs)) return Fill(rule.ours, *text);
  }
  return std::nullopt;
}

std::optional<std::string> TheirName(const NameMap& map, absl::string_view ours) {
  for (const NameRule& rule : map.rules) {
    if (rule.ours.empty() || rule.only_to_ours) continue;
    if (const auto text = Match(rule.ours, ours)) return Fill(rule.theirs, *text);
  }
  return std::nullopt;
}

absl::StatusOr<MappedStateDict> ApplyNameMap(const NameMap& map, const StateDict& source,
                                             NameDirection direction) {
  const bool to_ours = direction == NameDirection::kToOurs;
  MappedStateDict mapped;
  mapped.state.metadata() = source.metadata();
  if (to_ours) AddFacts(map, mapped.state);
  for (const StateDict::Entry& entry : source) {
    const auto name = to_ours ? OurName(map, entry.name) : TheirName(map, entry.name);
    if (!name.has_value()) {
      mapped.unknown.push_back(entry.name);
    } else if (name->empty()) {
      mapped.left_out.push_back(entry.name);
    } else if (!mapped.state.Add(*name, entry.tensor)) {
      return absl::InvalidArgumentError(absl::StrCat("name map ", map.name, ": '", entry.name,
                                                     "' and another tensor both become '", *name,
                                                     "'"));
    }
  }
  return mapped;
}

}  // namespace rcnn::detection::weights
