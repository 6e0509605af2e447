#include "rcnn/base/nearest_names.h"

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <utility>

#include "absl/strings/str_join.h"

namespace rcnn {
namespace {

// Far more than any name has.
constexpr size_t kMostCompared = 100;
constexpr size_t kMostNear = 3;

// Levenshtein distance.
size_t EditDistance(absl::string_view a, absl::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 0; i < a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i + 1);
    for (size_t j = 0; j < b.size(); ++j) {
      const size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row.back();
}

}  // namespace

std::string NearestFirst(absl::string_view wanted, std::vector<std::string> names) {
  wanted = wanted.substr(0, kMostCompared);
  std::stable_sort(names.begin(), names.end(), [&](const std::string& a, const std::string& b) {
    return EditDistance(wanted, a) < EditDistance(wanted, b);
  });
  return absl::StrJoin(names, ", ");
}

std::vector<std::string> NearestNames(absl::string_view wanted,
                                      const std::vector<std::string>& names) {
  std::vector<std::pair<size_t, std::string>> near;
  for (const std::string& name : names) {
    const size_t distance = EditDistance(wanted, name);
    if (distance <= wanted.size() / 2) near.emplace_back(distance, name);
  }
  std::sort(near.begin(), near.end());
  if (near.size() > kMostNear) near.resize(kMostNear);
  std::vector<std::string> nearest;
  for (auto& [distance, name] : near) nearest.push_back(std::move(name));
  return nearest;
}

}  // namespace rcnn
