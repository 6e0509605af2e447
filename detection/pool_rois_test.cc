#include "rcnn/detection/pool_rois.h"

#include <ATen/ATen.h>

#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/ops/error_message.h"
#include "rcnn/ops/roi_align.h"

namespace rcnn::detection {
namespace {

using ::testing::HasSubstr;

at::Tensor Align(const FeatureMaps& maps, const at::Tensor& rois) {
  return ops::RoiAlign(maps.levels[0], rois, {2, 2, 0.5});
}

// Maps of 3 x 6 and 5 x 2 cells at stride 2.
BatchFeatures TwoImages() {
  BatchFeatures maps;
  maps.parts = {{{at::randn({1, 4, 3, 6})}, 6, 12}, {{at::randn({1, 4, 5, 2})}, 10, 4}};
  return maps;
}

TEST(PoolRoisTest, EachRoiReadsTheMapsOfItsImage) {
  const BatchFeatures maps = TwoImages();
  // In no order of images; the second and the third reach the border of their map.
  const at::Tensor rois =
      at::tensor({1.f, 0.f, 0.f, 3.f, 3.f, 0.f, 6.f, 1.f, 12.f, 6.f, 1.f, 1.f, 4.f, 4.f, 10.f})
          .view({3, 5});
  const at::Tensor pooled = PoolRois(maps, rois, Align);
  ASSERT_EQ(pooled.sizes(), (at::IntArrayRef{3, 4, 2, 2}));
  for (int64_t r = 0; r < 3; ++r) {
    at::Tensor alone = rois.narrow(0, r, 1).clone();
    const auto image = static_cast<size_t>(alone[0][0].item<float>());
    alone[0][0] = 0;
    EXPECT_TRUE(at::equal(pooled.narrow(0, r, 1), Align(maps.parts[image], alone))) << r;
  }
}

TEST(PoolRoisTest, ImagesOfOneSizeArePooledInOneCall) {
  const FeatureMaps maps = {{at::randn({2, 4, 3, 6})}, 6, 12};
  const at::Tensor rois = at::tensor({1.f, 0.f, 0.f, 3.f, 3.f}).view({1, 5});
  int calls = 0;
  const auto pool = [&](const FeatureMaps& part, const at::Tensor& own) {
    ++calls;
    return Align(part, own);
  };
  EXPECT_TRUE(at::equal(PoolRois(maps, rois, pool), Align(maps, rois)));
  EXPECT_EQ(calls, 1);
}

TEST(PoolRoisTest, WithoutRoisTheResultIsEmpty) {
  EXPECT_EQ(PoolRois(TwoImages(), at::empty({0, 5}), Align).sizes(), (at::IntArrayRef{0, 4, 2, 2}));
}

TEST(PoolRoisTest, GradientsReachTheMapsOfTheirImage) {
  BatchFeatures maps = TwoImages();
  for (FeatureMaps& part : maps.parts) part.levels[0].requires_grad_();
  const at::Tensor rois = at::tensor({1.f, 0.f, 0.f, 3.f, 3.f}).view({1, 5});
  PoolRois(maps, rois, Align).sum().backward();
  EXPECT_GT(maps.parts[1].levels[0].grad().abs().max().item<double>(), 0);
  EXPECT_EQ(maps.parts[0].levels[0].grad().abs().max().item<double>(), 0);
}

// RoIs in the order of their images need no search.
TEST(PoolRoisTest, KnownNumbersGiveTheSame) {
  const BatchFeatures maps = TwoImages();
  const at::Tensor rois =
      at::tensor({0.f, 6.f, 1.f, 12.f, 6.f, 1.f, 1.f, 4.f, 4.f, 10.f, 1.f, 0.f, 0.f, 3.f, 3.f})
          .view({3, 5});
  EXPECT_TRUE(PoolRois(maps, rois, {1, 2}, Align).equal(PoolRois(maps, rois, Align)));
  EXPECT_TRUE(PoolRois(maps, rois.slice(0, 1), {0, 2}, Align)
                  .equal(PoolRois(maps, rois.slice(0, 1), Align)));
  EXPECT_THAT(ops::ErrorMessage([&] {
                PoolRois(maps, rois, {1, 1}, Align);
              }),
              HasSubstr("rois: 3 of images that have 2"));
  EXPECT_THAT(ops::ErrorMessage([&] {
                PoolRois(maps, rois, {1, 1, 1}, Align);
              }),
              HasSubstr("of 3 images for maps of 2; rois_of_image needs"));
  EXPECT_THAT(ops::ErrorMessage([&] { PoolRois(maps, rois, {3}, Align); }),
              HasSubstr("of 1 image for maps of 2; rois_of_image needs"));
}

TEST(PoolRoisTest, ARoiOfNoImageIsAnError) {
  const at::Tensor rois = at::tensor({2.f, 0.f, 0.f, 3.f, 3.f}).view({1, 5});
  EXPECT_THAT(ops::ErrorMessage([&] { PoolRois(TwoImages(), rois, Align); }),
              HasSubstr("of no image of a batch of 2"));
}

}  // namespace
}  // namespace rcnn::detection
