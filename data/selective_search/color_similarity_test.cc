#include "rcnn/data/selective_search/color_similarity.h"

#include <algorithm>
#include <cstdint>
#include <opencv2/core.hpp>

#include "gtest/gtest.h"
#include "rcnn/base/stream_key.h"

namespace rcnn::data {
namespace {

using cv::ximgproc::segmentation::createSelectiveSearchSegmentationStrategyColor;

// Noise of any number of channels with regions in columns of `width` pixels.
struct Scene {
  cv::Mat image;
  cv::Mat regions;
  cv::Mat sizes;
};

Scene MakeScene(int channels, uint64_t seed) {
  constexpr int kHeight = 30, kWidth = 48, kRegionWidth = 8;
  RandomStream stream({.seed = seed, .stage = "test", .step = 0, .purpose = "pixels"});
  Scene scene;
  scene.image.create(kHeight, kWidth, CV_8UC(channels));
  std::generate_n(scene.image.data, kHeight * kWidth * channels,
                  [&] { return static_cast<uint8_t>(stream.UniformInt(256)); });
  scene.regions.create(kHeight, kWidth, CV_32S);
  for (int y = 0; y < kHeight; ++y) {
    for (int x = 0; x < kWidth; ++x) scene.regions.at<int>(y, x) = x / kRegionWidth;
  }
  scene.sizes = cv::Mat(kWidth / kRegionWidth, 1, CV_32S, cv::Scalar(kHeight * kRegionWidth));
  return scene;
}

TEST(ColorSimilarityTest, EqualsOpenCvBeforeAndAfterMerges) {
  for (const int channels : {1, 3}) {
    const Scene scene = MakeScene(channels, 7);
    ColorSimilarity ours;
    const auto theirs = createSelectiveSearchSegmentationStrategyColor();
    const cv::Mat our_sizes = scene.sizes.clone(), their_sizes = scene.sizes.clone();
    ours.setImage(scene.image, scene.regions, our_sizes, 0);
    theirs->setImage(scene.image, scene.regions, their_sizes, 0);
    for (int merges = 0; merges < 4; ++merges) {
      for (int a = 0; a < 6; ++a) {
        for (int b = 0; b < 6; ++b) {
          EXPECT_NEAR(ours.get(a, b), theirs->get(a, b), 1e-5) << channels << " " << a << " " << b;
        }
      }
      ours.merge(merges, merges + 1);
      theirs->merge(merges, merges + 1);
      for (const cv::Mat& sizes : {our_sizes, their_sizes}) {
        const int size = sizes.at<int>(merges) + sizes.at<int>(merges + 1);
        const_cast<cv::Mat&>(sizes).at<int>(merges) = size;
        const_cast<cv::Mat&>(sizes).at<int>(merges + 1) = size;
      }
    }
  }
}

TEST(ColorSimilarityTest, RegionIsMostSimilarToItself) {
  const Scene scene = MakeScene(3, 1);
  ColorSimilarity similarity;
  similarity.setImage(scene.image, scene.regions, scene.sizes, -1);
  EXPECT_NEAR(similarity.get(2, 2), 1, 1e-5);
}

TEST(ColorSimilarityTest, SameIdRestoresTheStateBeforeMerges) {
  const Scene scene = MakeScene(3, 1);
  ColorSimilarity similarity;
  similarity.setImage(scene.image, scene.regions, scene.sizes, 5);
  const float before = similarity.get(0, 1);
  similarity.merge(0, 1);
  EXPECT_NE(similarity.get(0, 1), before);
  similarity.setImage(scene.image, scene.regions, scene.sizes, 5);
  EXPECT_EQ(similarity.get(0, 1), before);
}

TEST(ColorSimilarityTest, AnotherIdRecomputes) {
  const Scene one = MakeScene(3, 1), other = MakeScene(1, 2);
  ColorSimilarity reused, fresh;
  reused.setImage(one.image, one.regions, one.sizes, 0);
  reused.setImage(other.image, other.regions, other.sizes, 1);
  fresh.setImage(other.image, other.regions, other.sizes, 0);
  EXPECT_EQ(reused.get(0, 1), fresh.get(0, 1));
}

}  // namespace
}  // namespace rcnn::data
