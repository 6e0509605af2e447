#include "rcnn/eval/coco_options.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"

namespace rcnn::eval {
namespace {

absl::Status Invalid(absl::string_view what) { return absl::InvalidArgumentError(what); }

// `count` numbers from start to stop, as numpy.linspace rounds them.
std::vector<double> Linspace(double start, double stop, int64_t count) {
  const double step = (stop - start) / static_cast<double>(count - 1);
  std::vector<double> values;
  for (int64_t i = 0; i + 1 < count; ++i) values.push_back(static_cast<double>(i) * step + start);
  values.push_back(stop);
  return values;
}

}  // namespace

std::vector<double> CocoIouThresholds() { return Linspace(0.5, 0.95, 10); }

std::vector<double> CocoRecallThresholds() { return Linspace(0.0, 1.0, 101); }

std::vector<AreaRange> CocoAreaRanges() {
  return {{"all", 0, 1e10}, {"small", 0, 1024}, {"medium", 1024, 9216}, {"large", 9216, 1e10}};
}

CocoEvalOptions CocoKeypointOptions() {
  CocoEvalOptions options;
  options.iou_type = IouType::kKeypoints;
  options.areas.erase(options.areas.begin() + 1);  // small
  options.max_detections = {20};
  return options;
}

absl::Status CheckOptions(const CocoEvalOptions& options) {
  if (options.iou_thresholds.empty()) return Invalid("iou_thresholds is empty");
  for (double t : options.iou_thresholds) {
    if (!(t >= 0 && t <= 1)) return Invalid(absl::StrCat("IoU threshold ", t, " is not in [0, 1]"));
  }
  if (options.recall_thresholds.empty()) return Invalid("recall_thresholds is empty");
  for (double t : options.recall_thresholds) {
    if (std::isnan(t)) return Invalid("a recall threshold is NaN");
  }
  if (!std::is_sorted(options.recall_thresholds.begin(), options.recall_thresholds.end())) {
    return Invalid("recall_thresholds are not ascending");
  }
  if (options.areas.empty()) return Invalid("areas is empty");
  for (const AreaRange& range : options.areas) {
    if (range.low <= range.high) continue;
    return Invalid(absl::StrCat("area range ", range.name, ": ", range.low, " > ", range.high));
  }
  if (options.max_detections.empty()) return Invalid("max_detections is empty");
  for (int64_t count : options.max_detections) {
    if (count < 1) return Invalid(absl::StrCat("max_detections has ", count, ", which is < 1"));
  }
  return absl::OkStatus();
}

}  // namespace rcnn::eval
