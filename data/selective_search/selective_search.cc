#include "rcnn/data/selective_search/selective_search.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>
#include <opencv2/ximgproc/segmentation.hpp>
#include <set>
#include <tuple>
#include <utility>

#include "absl/status/status.h"
#include "rcnn/base/standard_exception_status.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/data/selective_search/color_similarity.h"
#include "rcnn/data/selective_search/region_grouping.h"

#ifdef __SANITIZE_ADDRESS__
// OpenCV never frees its tables for L*a*b*. A cv::Mat that leaks is still reported, by its header.
extern "C" const char* __lsan_default_suppressions();
extern "C" const char* __lsan_default_suppressions() { return "leak:cv::fastMalloc\n"; }
#endif

namespace rcnn::data {
namespace {

namespace seg = cv::ximgproc::segmentation;
using configs::SelectiveSearchConfig;
using Similarity = cv::Ptr<seg::SelectiveSearchSegmentationStrategy>;

constexpr int kSmallestSidePx = 16;

struct RankedRect {
  double rank;
  cv::Rect box;
};

// The image in the colour spaces that are segmented.
std::vector<cv::Mat> ColorSpaces(const cv::Mat& rgb, SelectiveSearchConfig::Mode mode) {
  std::vector<cv::Mat> spaces(2);
  cv::cvtColor(rgb, spaces[0], cv::COLOR_RGB2HSV);
  cv::cvtColor(rgb, spaces[1], cv::COLOR_RGB2Lab);
  if (mode == SelectiveSearchConfig::FAST) return spaces;
  cv::Mat grey, hue, red_green_grey;
  cv::cvtColor(rgb, grey, cv::COLOR_RGB2GRAY);
  cv::extractChannel(spaces[0], hue, 0);
  rgb.copyTo(red_green_grey);
  cv::insertChannel(grey, red_green_grey, 2);
  spaces.insert(spaces.end(), {grey, hue, red_green_grey});
  return spaces;
}

// The similarities that group each segmentation. They share their computations on a
// segmentation.
std::vector<Similarity> Similarities(SelectiveSearchConfig::Mode mode) {
  const Similarity color = cv::makePtr<ColorSimilarity>();
  const Similarity fill = seg::createSelectiveSearchSegmentationStrategyFill();
  const Similarity texture = seg::createSelectiveSearchSegmentationStrategyTexture();
  const Similarity size = seg::createSelectiveSearchSegmentationStrategySize();
  std::vector<Similarity> similarities = {
      seg::createSelectiveSearchSegmentationStrategyMultiple(color, fill, texture, size),
      seg::createSelectiveSearchSegmentationStrategyMultiple(fill, texture, size)};
  if (mode == SelectiveSearchConfig::QUALITY) similarities.insert(similarities.end(), {fill, size});
  return similarities;
}

// The image scaled to the longest side that is segmented.
cv::Mat Shrink(const Image& image, int longest_side_px) {
  const cv::Mat rgb(static_cast<int>(image.height()), static_cast<int>(image.width()), CV_8UC3,
                    const_cast<uint8_t*>(image.data()));
  const int longest = std::max(rgb.rows, rgb.cols);
  if (longest_side_px == 0 || longest <= longest_side_px) return rgb;
  const double scale = static_cast<double>(longest_side_px) / longest;
  const cv::Size size(std::max(1, static_cast<int>(std::lround(rgb.cols * scale))),
                      std::max(1, static_cast<int>(std::lround(rgb.rows * scale))));
  cv::Mat small;
  cv::resize(rgb, small, size, 0, 0, cv::INTER_AREA);
  return small;
}

// Boxes of a hierarchy, whose last is the top, with their ranks.
void AppendRanked(const std::vector<cv::Rect>& boxes, RandomStream& stream,
                  std::vector<RankedRect>& ranked) {
  double position = static_cast<double>(boxes.size());
  for (const cv::Rect& box : boxes) ranked.push_back({stream.Uniform() * position--, box});
}

std::vector<RankedRect> Search(const cv::Mat& rgb, const SelectiveSearchConfig& config,
                               RandomStream& stream) {
  if (std::min(rgb.rows, rgb.cols) < kSmallestSidePx) return {{0, {0, 0, rgb.cols, rgb.rows}}};
  const std::vector<Similarity> similarities = Similarities(config.mode());
  const int scales = config.mode() == SelectiveSearchConfig::FAST ? 3 : 5;
  std::vector<RankedRect> ranked;
  int segmentation = 0;
  for (const cv::Mat& space : ColorSpaces(rgb, config.mode())) {
    for (int i = 0; i < scales; ++i, ++segmentation) {
      const float k = config.base_k() + static_cast<float>(i) * config.step_k();
      cv::Mat labels;
      seg::createGraphSegmentation(config.sigma(), k, config.min_region_px2())
          ->processImage(space, labels);
      const RegionGraph graph = FindRegions(labels);
      for (const Similarity& similarity : similarities) {
        AppendRanked(GroupRegions(space, labels, graph, *similarity, segmentation), stream, ranked);
      }
    }
  }
  return ranked;
}

// In pixels of the image as stored.
Box Enlarge(const cv::Rect& rect, double scale_x, double scale_y) {
  return {static_cast<float>(rect.x * scale_x), static_cast<float>(rect.y * scale_y),
          static_cast<float>((rect.x + rect.width) * scale_x),
          static_cast<float>((rect.y + rect.height) * scale_y)};
}

// Keeps the best of equal boxes, drops small ones, and applies the limit.
RankedBoxes Select(std::vector<RankedRect> ranked, const Image& image, const cv::Mat& small,
                   const SelectiveSearchConfig& config) {
  std::stable_sort(ranked.begin(), ranked.end(),
                   [](const RankedRect& a, const RankedRect& b) { return a.rank < b.rank; });
  const double scale_x = static_cast<double>(image.width()) / small.cols;
  const double scale_y = static_cast<double>(image.height()) / small.rows;
  std::set<std::array<int, 4>> seen;
  RankedBoxes found;
  for (const RankedRect& entry : ranked) {
    const cv::Rect& rect = entry.box;
    if (config.max_boxes() > 0 && found.boxes.size() == static_cast<size_t>(config.max_boxes())) {
      break;
    }
    if (!seen.insert({rect.x, rect.y, rect.width, rect.height}).second) continue;
    const Box box = Enlarge(rect, scale_x, scale_y);
    if (std::min(box.width(), box.height()) >= config.min_side_px()) found.boxes.push_back(box);
  }
  const float n = static_cast<float>(found.boxes.size());
  for (float i = 0; i < n; ++i) found.scores.push_back((n - i) / n);
  return found;
}

}  // namespace

absl::StatusOr<RankedBoxes> SelectiveSearch(const Image& image, const SelectiveSearchConfig& config,
                                            const StreamKey& key) {
  if (image.size_bytes() == 0) return absl::InvalidArgumentError("the image has no pixels");
  RCNN_ASSIGN_OR_RETURN(RankedBoxes boxes,
                        CatchStandardExceptions([&]() -> absl::StatusOr<RankedBoxes> {
                          const cv::Mat small = Shrink(image, config.max_longest_side_px());
                          RandomStream stream(key);
                          return Select(Search(small, config, stream), image, small, config);
                        }),
                        "selective search");
  return boxes;
}

}  // namespace rcnn::data
