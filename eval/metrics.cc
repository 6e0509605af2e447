#include "rcnn/eval/metrics.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "rcnn/eval/coco_summary.h"

namespace rcnn::eval {
namespace {

auto Named(absl::string_view name) {
  return [name](const Metric& metric) { return metric.name == name; };
}

std::string ListNames(const std::vector<Metric>& metrics) {
  return absl::StrJoin(metrics, ", ", [](std::string* out, const Metric& metric) {
    absl::StrAppend(out, metric.name);
  });
}

}  // namespace

std::vector<Metric> CocoMetrics(const CocoEvaluation& evaluation) {
  const bool keypoints = evaluation.options.iou_type == IouType::kKeypoints;
  const std::array<double, 12> stats = Summarize(evaluation).stats;
  std::vector<Metric> metrics = {{"ap", stats[0]}, {"ap50", stats[1]}, {"ap75", stats[2]}};
  if (!keypoints) metrics.push_back({"ap_small", stats[3]});
  metrics.push_back({"ap_medium", stats[keypoints ? 3 : 4]});
  metrics.push_back({"ap_large", stats[keypoints ? 4 : 5]});
  for (int64_t most : evaluation.options.max_detections) {
    metrics.push_back(
        {absl::StrCat("ar", most), AverageRecall(evaluation, {.max_detections = most})});
  }
  if (!keypoints) metrics.push_back({"ar_small", stats[9]});
  metrics.push_back({"ar_medium", stats[keypoints ? 8 : 10]});
  metrics.push_back({"ar_large", stats[keypoints ? 9 : 11]});
  return metrics;
}

absl::StatusOr<std::vector<Metric>> ParseFloors(absl::string_view text) {
  std::vector<Metric> floors;
  for (absl::string_view part : absl::StrSplit(text, ',', absl::SkipWhitespace())) {
    const std::pair<absl::string_view, absl::string_view> sides =
        absl::StrSplit(part, absl::MaxSplits('=', 1));
    Metric floor = {std::string(absl::StripAsciiWhitespace(sides.first)), 0};
    if (floor.name.empty() || !absl::SimpleAtod(sides.second, &floor.value) ||
        !std::isfinite(floor.value)) {
      return absl::InvalidArgumentError(
          absl::StrCat("'", part, "' is not NAME=NUMBER, as in ap50=0.9"));
    }
    if (std::any_of(floors.begin(), floors.end(), Named(floor.name))) {
      return absl::InvalidArgumentError(
          absl::StrCat("two minimums for ", floor.name, "; give one"));
    }
    floors.push_back(std::move(floor));
  }
  return floors;
}

absl::StatusOr<std::vector<std::string>> BelowFloor(const std::vector<Metric>& metrics,
                                                    const std::vector<Metric>& floors) {
  std::vector<std::string> failures;
  for (const Metric& floor : floors) {
    auto found = std::find_if(metrics.begin(), metrics.end(), Named(floor.name));
    if (found == metrics.end()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "unknown metric '", floor.name, "'; this evaluation has ", ListNames(metrics)));
    }
    const bool defined = !std::isnan(found->value) && found->value != -1;
    if (!defined) {
      failures.push_back(
          absl::StrCat(floor.name, " is not defined here; its minimum is ", floor.value));
    } else if (found->value < floor.value) {
      failures.push_back(
          absl::StrFormat("%s is %.6g; its minimum is %g", floor.name, found->value, floor.value));
    }
  }
  return failures;
}

}  // namespace rcnn::eval
