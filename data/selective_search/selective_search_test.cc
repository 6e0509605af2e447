#include "rcnn/data/selective_search/selective_search.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <iterator>
#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>
#include <opencv2/ximgproc/segmentation.hpp>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/stream_key.h"
#include "rcnn/base/testing/status_matchers.h"

namespace rcnn::data {
namespace {

using configs::SelectiveSearchConfig;
using ::testing::ElementsAre;

constexpr StreamKey kKey = {.seed = 3, .stage = "test", .step = 0, .purpose = "ranks"};

// Discs and rectangles of random colours on a noisy gradient.
Image Scene(int64_t height, int64_t width, uint64_t seed) {
  RandomStream stream({.seed = seed, .stage = "test", .step = 0, .purpose = "scene"});
  Image image(height, width);
  cv::Mat view(static_cast<int>(height), static_cast<int>(width), CV_8UC3, image.data());
  for (int y = 0; y < view.rows; ++y) {
    for (int x = 0; x < 3 * view.cols; ++x) {
      view.at<uint8_t>(y, x) = static_cast<uint8_t>((x / 6 + y / 2) % 64 + stream.UniformInt(32));
    }
  }
  const auto any = [&](int64_t n) { return static_cast<int>(stream.UniformInt(n)); };
  for (int i = 0; i < 8; ++i) {
    const cv::Scalar color(any(256), any(256), any(256));
    const cv::Point at(any(width), any(height));
    cv::circle(view, at, 5 + any(1 + width / 6), color, cv::FILLED);
    cv::rectangle(view, cv::Rect(any(width), any(height), 10 + any(40), 10 + any(40)), color,
                  cv::FILLED);
  }
  return image;
}

std::set<std::tuple<float, float, float, float>> MakeSet(const std::vector<Box>& boxes) {
  std::set<std::tuple<float, float, float, float>> set;
  for (const Box& box : boxes) set.emplace(box.x1, box.y1, box.x2, box.y2);
  return set;
}

// All boxes, without any selection.
SelectiveSearchConfig Everything(SelectiveSearchConfig::Mode mode) {
  SelectiveSearchConfig config;
  config.set_mode(mode);
  config.set_min_side_px(0);
  config.set_max_boxes(0);
  config.set_max_longest_side_px(0);
  return config;
}

// OpenCV's own selective search. Its quality mode is assembled by hand, because the
// built-in one overwrites the hue with the blue channel before segmenting it.
std::vector<Box> OpenCvBoxes(const Image& image, SelectiveSearchConfig::Mode mode) {
  const cv::Mat rgb(static_cast<int>(image.height()), static_cast<int>(image.width()), CV_8UC3,
                    const_cast<uint8_t*>(image.data()));
  cv::Mat bgr;
  cv::cvtColor(rgb, bgr, cv::COLOR_RGB2BGR);
  const auto search = cv::ximgproc::segmentation::createSelectiveSearchSegmentation();
  search->setBaseImage(bgr);
  if (mode == SelectiveSearchConfig::FAST) {
    search->switchToSelectiveSearchFast();
  } else {
    search->switchToSelectiveSearchQuality();
    cv::Mat hsv, lab, grey, hue, channels[3], red_green_grey;
    cv::cvtColor(bgr, hsv, cv::COLOR_BGR2HSV);
    cv::cvtColor(bgr, lab, cv::COLOR_BGR2Lab);
    cv::cvtColor(bgr, grey, cv::COLOR_BGR2GRAY);
    cv::extractChannel(hsv, hue, 0);
    cv::split(rgb, channels);
    channels[2] = grey;
    cv::merge(channels, 3, red_green_grey);
    search->clearImages();
    for (const cv::Mat& space : {hsv, lab, grey, hue, red_green_grey}) search->addImage(space);
  }
  std::vector<cv::Rect> rects;
  search->process(rects);
  std::vector<Box> boxes;
  for (const cv::Rect& rect : rects) {
    boxes.push_back({static_cast<float>(rect.x), static_cast<float>(rect.y),
                     static_cast<float>(rect.x + rect.width),
                     static_cast<float>(rect.y + rect.height)});
  }
  return boxes;
}

TEST(SelectiveSearchTest, FindsTheBoxesThatOpenCvFinds) {
  for (const auto mode : {SelectiveSearchConfig::FAST, SelectiveSearchConfig::QUALITY}) {
    const Image image = Scene(90, 120, 1);
    const auto ours = MakeSet(SelectiveSearch(image, Everything(mode), kKey)->boxes);
    const auto theirs = MakeSet(OpenCvBoxes(image, mode));
    std::vector<std::tuple<float, float, float, float>> both;
    std::set_intersection(ours.begin(), ours.end(), theirs.begin(), theirs.end(),
                          std::back_inserter(both));
    // The rest: equal similarities, and contact within the first row or column,
    // which OpenCV does not count.
    EXPECT_GT(ours.size(), 50u);
    EXPECT_GE(static_cast<double>(both.size()), 0.95 * static_cast<double>(ours.size()));
    EXPECT_GE(static_cast<double>(both.size()), 0.95 * static_cast<double>(theirs.size()));
  }
}

TEST(SelectiveSearchTest, AnObjectOnAPlainGroundIsFound) {
  Image image(100, 150);
  cv::Mat view(100, 150, CV_8UC3, image.data());
  view.setTo(cv::Scalar(30, 90, 200));
  cv::rectangle(view, cv::Rect(40, 20, 60, 50), cv::Scalar(220, 40, 30), cv::FILLED);
  const absl::StatusOr<RankedBoxes> found = SelectiveSearch(image, {}, kKey);
  ASSERT_THAT(found, IsOk());
  double best = 0;
  for (const Box& box : found->boxes) {
    const double width = std::min(box.x2, 100.f) - std::max(box.x1, 40.f);
    const double height = std::min(box.y2, 70.f) - std::max(box.y1, 20.f);
    const double overlap = std::max(0., width) * std::max(0., height);
    best = std::max(best, overlap / (box.width() * box.height() + 3000 - overlap));
  }
  EXPECT_GT(best, 0.85);
}

TEST(SelectiveSearchTest, BoxesAreDistinctInsideAndRanked) {
  const Image image = Scene(120, 160, 2);
  const absl::StatusOr<RankedBoxes> found = SelectiveSearch(image, {}, kKey);
  ASSERT_THAT(found, IsOk());
  EXPECT_EQ(MakeSet(found->boxes).size(), found->boxes.size());
  ASSERT_EQ(found->scores.size(), found->boxes.size());
  for (size_t i = 0; i < found->boxes.size(); ++i) {
    const Box& box = found->boxes[i];
    EXPECT_GE(box.x1, 0);
    EXPECT_GE(box.y1, 0);
    EXPECT_LE(box.x2, 160);
    EXPECT_LE(box.y2, 120);
    EXPECT_GE(std::min(box.width(), box.height()), 8);
    if (i > 0) {
      EXPECT_LT(found->scores[i], found->scores[i - 1]);
    }
  }
  EXPECT_EQ(found->scores.front(), 1);
  EXPECT_GT(found->scores.back(), 0);
}

TEST(SelectiveSearchTest, TheLimitKeepsTheBest) {
  const Image image = Scene(120, 160, 2);
  SelectiveSearchConfig config;
  const std::vector<Box> all = SelectiveSearch(image, config, kKey)->boxes;
  config.set_max_boxes(10);
  const std::vector<Box> few = SelectiveSearch(image, config, kKey)->boxes;
  ASSERT_EQ(few.size(), 10u);
  EXPECT_TRUE(std::equal(few.begin(), few.end(), all.begin()));
}

TEST(SelectiveSearchTest, OrderDependsOnlyOnTheKey) {
  const Image image = Scene(90, 120, 3);
  const std::vector<Box> boxes = SelectiveSearch(image, {}, kKey)->boxes;
  std::srand(99);
  EXPECT_EQ(SelectiveSearch(image, {}, kKey)->boxes, boxes);
  StreamKey other = kKey;
  other.step = 1;
  const std::vector<Box> reordered = SelectiveSearch(image, {}, other)->boxes;
  EXPECT_NE(reordered, boxes);
  EXPECT_EQ(MakeSet(reordered), MakeSet(boxes));
}

TEST(SelectiveSearchTest, QualityFindsMoreThanFast) {
  const Image image = Scene(90, 120, 4);
  EXPECT_GT(
      SelectiveSearch(image, Everything(SelectiveSearchConfig::QUALITY), kKey)->boxes.size(),
      2 * SelectiveSearch(image, Everything(SelectiveSearchConfig::FAST), kKey)->boxes.size());
}

TEST(SelectiveSearchTest, LargeImagesAreScaledDownAndBoxesScaledBack) {
  const Image image = Scene(400, 600, 5);
  SelectiveSearchConfig config;
  config.set_max_longest_side_px(150);
  const absl::StatusOr<RankedBoxes> found = SelectiveSearch(image, config, kKey);
  ASSERT_THAT(found, IsOk());
  float right = 0, bottom = 0;
  for (const Box& box : found->boxes) {
    right = std::max(right, box.x2);
    bottom = std::max(bottom, box.y2);
  }
  EXPECT_EQ(right, 600);
  EXPECT_EQ(bottom, 400);
}

TEST(SelectiveSearchTest, ImagesOfAnyShapeAreSearched) {
  SelectiveSearchConfig config;
  config.set_min_side_px(0);
  const std::vector<std::pair<int, int>> sizes = {{1, 1}, {3, 2}, {15, 200}, {16, 16}, {16, 300}};
  for (const auto& [height, width] : sizes) {
    const absl::StatusOr<RankedBoxes> found =
        SelectiveSearch(Scene(height, width, 6), config, kKey);
    ASSERT_THAT(found, IsOk());
    ASSERT_GE(found->boxes.size(), 1u) << height << " x " << width;
    if (height < 16) {
      EXPECT_THAT(found->boxes,
                  ElementsAre(Box{0, 0, static_cast<float>(width), static_cast<float>(height)}));
    }
  }
  EXPECT_THAT(SelectiveSearch(Image(), config, kKey), ::testing::Not(IsOk()));
}

TEST(SelectiveSearchTest, UniformImageIsOneRegion) {
  Image image(64, 64);
  std::fill_n(image.data(), image.size_bytes(), uint8_t{77});
  const absl::StatusOr<RankedBoxes> found = SelectiveSearch(image, {}, kKey);
  ASSERT_THAT(found, IsOk());
  EXPECT_THAT(found->boxes, ElementsAre(Box{0, 0, 64, 64}));
}

}  // namespace
}  // namespace rcnn::data
