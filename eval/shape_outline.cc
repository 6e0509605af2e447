#include "rcnn/eval/shape_outline.h"

#include <algorithm>
#include <cstdint>
#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>

#include "rcnn/eval/ground_truth.h"

namespace rcnn::eval {
namespace {

constexpr double kMostPixels = 1 << 27;
constexpr size_t kPeopleKeypoints = 17;
// COCO's "skeleton", counted from 0.
constexpr int kLimbs[][2] = {{15, 13}, {13, 11}, {16, 14}, {14, 12}, {11, 12}, {5, 11}, {6, 12},
                             {5, 6},   {5, 7},   {6, 8},   {7, 9},   {8, 10},  {1, 2},  {0, 1},
                             {0, 2},   {1, 3},   {2, 4},   {3, 5},   {4, 6}};

// The pixels of the mask inside its box.
cv::Mat Unpack(const Mask& mask, const cv::Rect& box) {
  cv::Mat pixels = cv::Mat::zeros(box.size(), CV_8UC1);
  int64_t at = 0;
  for (size_t i = 0; i < mask.runs.size(); ++i) {
    const int64_t end = at + mask.runs[i];
    if (i % 2 == 1) {
      for (int64_t p = at; p < end; ++p) {
        pixels.at<uint8_t>(static_cast<int>(p % mask.height) - box.y,
                           static_cast<int>(p / mask.height) - box.x) = 1;
      }
    }
    at = end;
  }
  return pixels;
}

}  // namespace

ShapeOutline OutlineMask(const Mask& mask) {
  const XywhBox box = BoxAround(mask);
  ShapeOutline outline;
  if (box.width <= 0) return outline;
  // Huge masks of malicious files: only the box, instead of gigabytes of pixels.
  if (box.width * box.height > kMostPixels) {
    const double right = box.x + box.width;
    const double bottom = box.y + box.height;
    outline.rings = {{{box.x, box.y}, {right, box.y}, {right, bottom}, {box.x, bottom}}};
    return outline;
  }
  const cv::Rect rect(static_cast<int>(box.x), static_cast<int>(box.y), static_cast<int>(box.width),
                      static_cast<int>(box.height));
  std::vector<std::vector<cv::Point>> contours;
  cv::findContours(Unpack(mask, rect), contours, cv::RETR_CCOMP, cv::CHAIN_APPROX_SIMPLE,
                   rect.tl());
  for (const std::vector<cv::Point>& contour : contours) {
    outline.rings.emplace_back();
    for (const cv::Point& point : contour) {
      outline.rings.back().push_back({point.x + 0.5, point.y + 0.5});
    }
  }
  return outline;
}

XywhBox BoxAround(const ShapeOutline& outline) {
  std::vector<OutlinePoint> all = outline.points;
  for (const auto& ring : outline.rings) all.insert(all.end(), ring.begin(), ring.end());
  for (const auto& line : outline.lines) all.insert(all.end(), line.begin(), line.end());
  if (all.empty()) return {};
  const auto by_y = [](const OutlinePoint& a, const OutlinePoint& b) {
    return a.second < b.second;
  };
  const auto [left, right] = std::minmax_element(all.begin(), all.end());
  const auto [top, bottom] = std::minmax_element(all.begin(), all.end(), by_y);
  return {left->first, top->second, right->first - left->first, bottom->second - top->second};
}

ShapeOutline OutlineKeypoints(absl::Span<const double> numbers, bool annotation) {
  ShapeOutline outline;
  const size_t count = numbers.size() / 3;
  const auto drawn = [&](size_t k) { return !annotation || numbers[3 * k + 2] > 0; };
  const auto point = [&](size_t k) { return OutlinePoint(numbers[3 * k], numbers[3 * k + 1]); };
  for (size_t k = 0; k < count; ++k) {
    if (drawn(k)) outline.points.push_back(point(k));
  }
  if (count != kPeopleKeypoints) return outline;
  for (const auto& [a, b] : kLimbs) {
    if (drawn(a) && drawn(b)) outline.lines.push_back({point(a), point(b)});
  }
  return outline;
}

}  // namespace rcnn::eval
