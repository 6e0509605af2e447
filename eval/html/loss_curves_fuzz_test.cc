// Any bytes as the metrics of a training stage in a report: a curve has at most the points that
// were asked for, and at most one for each line.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "absl/strings/string_view.h"
#include "rcnn/eval/html/loss_curves.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr size_t kMostPoints = 4;
  const absl::string_view lines(reinterpret_cast<const char*>(data), size);
  const auto count =
      static_cast<size_t>(std::count(lines.begin(), lines.end(), '\n')) + (size > 0 ? 1 : 0);
  for (const rcnn::eval::TrainingCurve& curve :
       rcnn::eval::LossCurves("joint", lines, kMostPoints)) {
    if (curve.points.empty() || curve.points.size() > std::min(count, kMostPoints)) std::abort();
  }
  return 0;
}
