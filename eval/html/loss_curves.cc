#include "rcnn/eval/html/loss_curves.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

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

constexpr absl::string_view kValidation = "validation_";

bool IsShown(absl::string_view name) {
  return absl::StartsWith(name, "loss") || absl::StartsWith(name, kValidation);
}

// "head_box" of loss_head_box, "AP50" of validation_ap50, "ar_100" of validation_ar_100.
TrainingCurve NamedCurve(const std::string& stage, absl::string_view name) {
  TrainingCurve curve;
  curve.stage = stage;
  curve.validation = absl::ConsumePrefix(&name, kValidation);
  if (!curve.validation) absl::ConsumePrefix(&name, "loss_");
  const bool is_short = curve.validation && name.find('_') == absl::string_view::npos;
  curve.name = is_short ? absl::AsciiStrToUpper(name) : std::string(name);
  return curve;
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
      if (!IsShown(name) || !value.is_number()) continue;
      Points& curve = points[name];
      if (curve.empty()) names.push_back(name);
      curve.push_back({iteration, value.get<double>()});
    }
  }
  std::vector<TrainingCurve> curves;
  for (const std::string& name : names) {
    curves.push_back(NamedCurve(stage, name));
    curves.back().points = Thin(points[name], most_points);
  }
  return curves;
}

}  // namespace rcnn::eval
