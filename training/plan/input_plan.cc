#include "rcnn/training/plan/input_plan.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "rcnn/data/inspection/anchor_coverage.h"

namespace rcnn::training {
namespace {

constexpr int kLeastSidePx = 224;
constexpr int kMostSidePx = 1000;
constexpr double kMostEnlarged = 1.5;
constexpr double kMostEnlargedForRecall = 2;
constexpr size_t kShapesForRecall = 4000;

int ToMultipleOf8(double value) {
  return std::max(8, static_cast<int>(std::lround(value / 8)) * 8);
}

// Without objects the images' own size.
int SideForObjects(const DataFingerprint& data) {
  // Sizes are proportional to the shortest side, since the longest one is proportional to it too.
  constexpr int kReferencePx = 600;
  const std::vector<double> sizes = ObjectSizes(data, ScaleWithSide(data, kReferencePx));
  const double small = Quantile(sizes, 0.05);
  const double median = Quantile(sizes, 0.5);
  if (small <= 0) return ToMultipleOf8(data.shortest_side_px);
  return ToMultipleOf8(kReferencePx * std::max(kSmallObjectPx / small, kMedianObjectPx / median));
}

int Limit(int side, const DataFingerprint& data, double enlarged) {
  const int most = ToMultipleOf8(std::min<double>(kMostSidePx, enlarged * data.shortest_side_px));
  return std::clamp(side, std::min(kLeastSidePx, std::max(most, kLeastSidePx)),
                    std::max(most, kLeastSidePx));
}

std::vector<double> HalfOctaves(double low, double high) {
  std::vector<double> sizes;
  const int first = static_cast<int>(std::lround(2 * std::log2(std::max(low, 4.0))));
  const int last = static_cast<int>(std::lround(2 * std::log2(std::max(high, 4.0))));
  for (int i = first; i <= std::max(first, last); ++i) {
    sizes.push_back(std::round(10 * std::pow(2.0, i / 2.0)) / 10);
  }
  return sizes;
}

std::vector<double> AspectRatios(const DataFingerprint& data) {
  std::vector<double> aspects;
  for (const ObjectShape& shape : data.shapes) {
    aspects.push_back(std::log2(static_cast<double>(shape.box.height()) / shape.box.width()));
  }
  std::sort(aspects.begin(), aspects.end());
  const double low = std::min(-1.0, std::round(Quantile(aspects, (1 - kWantedRecall) / 2)));
  const double high = std::max(1.0, std::round(Quantile(aspects, 1 - (1 - kWantedRecall) / 2)));
  std::vector<double> ratios;
  for (double octave = std::max(low, -4.0); octave <= std::min(high, 4.0); ++octave) {
    ratios.push_back(std::pow(2.0, octave));
  }
  return ratios;
}

double Recall(const DataFingerprint& data, const InputPlan& plan) {
  if (data.shapes.empty()) return 1;
  data::AnchorGrid grid;
  grid.stride_px = plan.stride_px;
  grid.sizes_px = plan.sizes_px;
  grid.aspect_ratios = plan.aspect_ratios;
  const size_t step = (data.shapes.size() + kShapesForRecall - 1) / kShapesForRecall;
  int64_t found = 0, all = 0;
  for (size_t i = 0; i < data.shapes.size(); i += step, ++all) {
    const ObjectShape& shape = data.shapes[i];
    const auto s = static_cast<float>(ScaleFactor(shape, plan.scale));
    const data::Box box = {shape.box.x1 * s, shape.box.y1 * s, shape.box.x2 * s, shape.box.y2 * s};
    found += data::BestAnchorIou(box, shape.image_width * s, shape.image_height * s, grid) >= 0.5;
  }
  return static_cast<double>(found) / static_cast<double>(all);
}

InputPlan WithAnchors(const DataFingerprint& data, int side, double stride_px) {
  InputPlan plan;
  plan.scale = ScaleWithSide(data, side);
  plan.stride_px = stride_px;
  const std::vector<double> sizes = ObjectSizes(data, plan.scale);
  plan.sizes_px =
      HalfOctaves(Quantile(sizes, 0.01) * kLeastJitter, Quantile(sizes, 0.99) * kMostJitter);
  plan.aspect_ratios = AspectRatios(data);
  plan.recall = Recall(data, plan);
  return plan;
}

}  // namespace

InputScale ScaleWithSide(const DataFingerprint& data, int shortest_side_px) {
  const double ratio = std::clamp(kMostJitter * data.elongation, 2.0, 3.0);
  return {shortest_side_px, ToMultipleOf8(shortest_side_px * ratio)};
}

InputPlan PlanInput(const DataFingerprint& data, const InputOptions& options) {
  const bool given = options.shortest_side_px > 0;
  int side = given ? options.shortest_side_px : Limit(SideForObjects(data), data, kMostEnlarged);
  InputPlan plan = WithAnchors(data, side, options.stride_px);
  while (plan.recall < kWantedRecall) {
    const int larger = Limit(ToMultipleOf8(1.1 * side), data, kMostEnlargedForRecall);
    if (larger <= side) break;
    side = larger;
    plan = WithAnchors(data, side, options.stride_px);
  }
  return plan;
}

std::vector<int> TrainingSides(const InputScale& scale) {
  std::vector<int> sides;
  for (const double factor : {kLeastJitter, 0.9, 1.0, 1.1, kMostJitter, 1.0}) {
    sides.push_back(ToMultipleOf8(scale.shortest_side_px * factor));
  }
  return sides;
}

}  // namespace rcnn::training
