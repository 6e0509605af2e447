#include "rcnn/eval/html/loss_curves.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"

namespace rcnn::eval {
namespace {

using Points = std::vector<std::pair<double, double>>;

// Far more than a line of metrics has. ordered_json takes time quadratic in the number of
// fields.
constexpr size_t kLongestLine = 64 << 10;

// Means of runs of points, so that about `most` are left.
Points Thin(const Points& points, size_t most) {
  const size_t run = (points.size() + most - 1) / std::max<size_t>(most, 1);
  if (run <= 1) return points;
  Points thin;
  for (size_t begin = 0; begin < points.size(); begin += run) {
    const size_t end = std::min(begin + run, points.size());
    double sum = 0;
    for (size_t i = begin; i < end; ++i) sum += points[i].second;
    thin.push_back({points[end - 1].first, sum / static_cast<double>(end - begin)});
  }
  return thin;
}

}  // namespace

std::vector<TrainingCurve> LossCurves(const std::string& stage, absl::string_view lines,
                                      size_t most_points) {
  std::vector<std::string> names;
  std::map<std::string, Points> points;
  for (absl::string_view line : absl::StrSplit(lines, '\n', absl::SkipEmpty())) {
    if (line.size() > kLongestLine) continue;
    const auto json = nlohmann::ordered_json::parse(line.begin(), line.end(), nullptr,
                                                    /*allow_exceptions=*/false);
    if (!json.is_object() || !json.contains("iteration") || !json["iteration"].is_number())
      continue;
    const double iteration = json["iteration"].get<double>();
    for (const auto& [name, value] : json.items()) {
      if (!absl::StartsWith(name, "loss") || !value.is_number()) continue;
      Points& curve = points[name];
      if (curve.empty()) names.push_back(name);
      curve.push_back({iteration, value.get<double>()});
    }
  }
  std::vector<TrainingCurve> curves;
  for (const std::string& name : names) {
    const std::string shown = absl::StartsWith(name, "loss_") ? name.substr(5) : name;
    curves.push_back({stage, shown, Thin(points[name], most_points)});
  }
  return curves;
}

}  // namespace rcnn::eval
