#include "rcnn/ops/anchors.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <thread>
#include <vector>

#include "rcnn/ops/error_message.h"

namespace rcnn::ops {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

at::Tensor Boxes(const std::vector<float>& values) { return at::tensor(values).view({-1, 4}); }

std::vector<AnchorLevelOptions> OneLevel() { return std::vector<AnchorLevelOptions>(1); }

// The table printed by the code that the paper was published with, 0-based.
TEST(BaseAnchorsTest, EqualsTheNinePublishedAnchors) {
  const at::Tensor published = Boxes({
      -84, -40, 99, 55, -176, -88,  191, 103, -360, -184, 375, 199,  // ratio 0.5
      -56, -56, 71, 71, -120, -120, 135, 135, -248, -248, 263, 263,  // ratio 1
      -36, -80, 51, 95, -80,  -168, 95,  183, -168, -344, 183, 359,  // ratio 2
  });
  EXPECT_TRUE(at::equal(BaseAnchors({.rounding = AnchorRounding::kPixels2015}), published));
}

TEST(BaseAnchorsTest, RoundedCornersEqualTorchvisions) {
  const at::Tensor anchors = BaseAnchors({.rounding = AnchorRounding::kCorners});
  const at::Tensor expected = Boxes({
      -91, -45, 91, 45, -181, -91,  181, 91,  -362, -181, 362, 181,
      -64, -64, 64, 64, -128, -128, 128, 128, -256, -256, 256, 256,
      -45, -91, 45, 91, -91,  -181, 91,  181, -181, -362, 181, 362,
  });
  EXPECT_TRUE(at::equal(anchors, expected));
}

TEST(BaseAnchorsTest, ExactAnchorsHaveTheirAreaRatioAndCentre) {
  const AnchorLevelOptions options = {.base_size_px = 10,
                                      .scales = {1, 3.5},
                                      .aspect_ratios = {0.3, 1, 4},
                                      .stride_x_px = 8,
                                      .stride_y_px = 4,
                                      .center_offset = 0.5};
  const at::Tensor anchors = BaseAnchors(options).to(at::kDouble);
  ASSERT_EQ(anchors.size(0), 6);
  for (int64_t i = 0; i < 6; ++i) {
    const double w = (anchors[i][2] - anchors[i][0]).item<double>();
    const double h = (anchors[i][3] - anchors[i][1]).item<double>();
    const double size = 10 * options.scales[i % 2];
    EXPECT_NEAR(w * h, size * size, 1e-3) << "anchor " << i;
    EXPECT_NEAR(h / w, options.aspect_ratios[i / 2], 1e-5) << "anchor " << i;
    EXPECT_NEAR((anchors[i][0] + anchors[i][2]).item<double>(), 8, 1e-5);
    EXPECT_NEAR((anchors[i][1] + anchors[i][3]).item<double>(), 4, 1e-5);
  }
}

TEST(BaseAnchorsTest, ScaleMajorIsAPermutation) {
  const at::Tensor by_ratio = BaseAnchors({});
  const at::Tensor by_scale = BaseAnchors({.order = AnchorOrder::kScaleMajor});
  EXPECT_TRUE(at::equal(by_scale.view({3, 3, 4}), by_ratio.view({3, 3, 4}).transpose(0, 1)));
}

TEST(BaseAnchorsTest, NamesBadOptions) {
  const auto error_message = [](const AnchorLevelOptions& options) {
    return ErrorMessage([&] { BaseAnchors(options); });
  };
  EXPECT_THAT(error_message({.base_size_px = 0}), StartsWith("base_size_px: expected > 0"));
  EXPECT_THAT(error_message({.scales = {}}), StartsWith("scales: expected at least one value"));
  EXPECT_THAT(error_message({.scales = {8, -1}}), StartsWith("scales[1]: expected > 0"));
  EXPECT_THAT(error_message({.aspect_ratios = {NAN}}),
              StartsWith("aspect_ratios[0]: expected > 0"));
  EXPECT_THAT(error_message({.stride_x_px = 0}), StartsWith("stride_x_px: expected > 0"));
  EXPECT_THAT(error_message({.stride_y_px = INFINITY}), StartsWith("stride_y_px: expected > 0"));
  EXPECT_THAT(error_message({.center_offset = 2}), StartsWith("center_offset: expected in [0, 1]"));
  EXPECT_THAT(error_message({.base_size_px = 1e300}), HasSubstr("row 0 is (-inf"));
  EXPECT_THAT(error_message({.base_size_px = 0.1, .rounding = AnchorRounding::kPixels2015}),
              HasSubstr("x2 < x1"));
}

TEST(PlaceAnchorsTest, OrderIsRowColumnAnchor) {
  const at::Tensor base = Boxes({-1, -2, 1, 2, 0, 0, 5, 6});
  const at::Tensor anchors = PlaceAnchors(base, {.height = 3, .width = 4}, 10, 100);
  ASSERT_EQ(anchors.sizes(), at::IntArrayRef({3 * 4 * 2, 4}));
  for (int64_t h = 0; h < 3; ++h) {
    for (int64_t w = 0; w < 4; ++w) {
      const float x = 10.0f * static_cast<float>(w);
      const float y = 100.0f * static_cast<float>(h);
      const at::Tensor expected = base + at::tensor({x, y, x, y});
      EXPECT_TRUE(at::equal(anchors.slice(0, (h * 4 + w) * 2, (h * 4 + w) * 2 + 2), expected));
    }
  }
}

TEST(PlaceAnchorsTest, EmptyGridsAndBadArguments) {
  const at::Tensor base = BaseAnchors({});
  EXPECT_EQ(PlaceAnchors(base, {.height = 0, .width = 5}, 16, 16).sizes(), at::IntArrayRef({0, 4}));
  const auto error_message = [&](const GridSize& grid, double stride_x, double stride_y) {
    return ErrorMessage([&] { PlaceAnchors(base, grid, stride_x, stride_y); });
  };
  EXPECT_THAT(error_message({-1, 5}, 16, 16), StartsWith("grid: expected sizes >= 0, got -1 x 5"));
  EXPECT_THAT(error_message({1, 5}, 0, 16), StartsWith("stride_x_px: expected > 0"));
  EXPECT_THAT(error_message({1, 5}, 16, -1), StartsWith("stride_y_px: expected > 0"));
  constexpr int64_t kHuge = int64_t{1} << 33;
  EXPECT_THAT(error_message({kHuge, kHuge}, 16, 16), StartsWith("grid: too many cells"));
  EXPECT_EQ(PlaceAnchors(base.slice(0, 0, 0), {kHuge, kHuge}, 1, 1).size(0), 0);
  EXPECT_THAT(error_message({1, 5}, 1e300, 16), StartsWith("anchors of the last cell: row 0"));
  EXPECT_THAT(ErrorMessage([&] {
                PlaceAnchors(base.to(at::kDouble), {1, 1}, 1, 1);
              }),
              StartsWith("base: expected dtype float32"));
}

TEST(InsideImageTest, BordersOfBothAlgebras) {
  const at::Tensor anchors = Boxes({0, 0, 10, 10, -1, 0, 9, 9, 0, 0, 9, 9, 0, -3, 4, 12});
  const ImageSize image = {.height = 10, .width = 10};
  const auto mask = [](std::vector<int> values) { return at::tensor(values).to(at::kBool); };
  EXPECT_TRUE(at::equal(InsideImage(anchors, image), mask({1, 0, 1, 0})));
  EXPECT_TRUE(at::equal(InsideImage(anchors, image, {.inclusive = true}), mask({0, 0, 1, 0})));
  EXPECT_TRUE(at::equal(InsideImage(anchors, image, {.border_px = 1}), mask({1, 1, 1, 0})));
  EXPECT_TRUE(at::equal(InsideImage(anchors, image, {.border_px = 3}), mask({1, 1, 1, 1})));
  EXPECT_EQ(InsideImage(at::zeros({0, 4}), image).sizes(), at::IntArrayRef({0}));
  EXPECT_THAT(ErrorMessage([&] { InsideImage(anchors, {.height = -1, .width = 3}); }),
              StartsWith("image: expected sizes >= 0"));
  EXPECT_THAT(ErrorMessage([&] { InsideImage(anchors, image, {.border_px = -1}); }),
              StartsWith("border_px: expected >= 0"));
}

TEST(InsideImageTest, BothDtypesAndStridedAnchorsEqualTheDefinition) {
  const at::Tensor corners = at::randint(-30, 120, {500, 2}, at::kDouble);
  const at::Tensor wide =
      at::cat({corners, corners + at::randint(0, 60, {500, 2}, at::kDouble)}, 1).repeat({1, 2});
  const at::Tensor boxes = wide.slice(1, 0, 4);
  const at::Tensor low = boxes.slice(1, 0, 2).ge(-5).all(1);
  const at::Tensor expected =
      low.logical_and(boxes.select(1, 2).lt(105)).logical_and(boxes.select(1, 3).lt(85));
  const InsideImageOptions options = {.border_px = 5, .inclusive = true};
  const ImageSize image = {.height = 80, .width = 100};
  EXPECT_TRUE(at::equal(InsideImage(boxes, image, options), expected));
  EXPECT_TRUE(at::equal(InsideImage(boxes.to(at::kFloat), image, options), expected));
}

// "About 20,000 anchors, of which about 6,000 are left": Sec. 3.3 of the paper, 1000 x 600.
TEST(InsideImageTest, LeavesAboutSixThousandOfThePapersAnchors) {
  const AnchorGenerator generator({{.rounding = AnchorRounding::kPixels2015}});
  const at::Tensor anchors = generator.Generate({{.height = 38, .width = 63}});
  ASSERT_EQ(anchors.size(0), 38 * 63 * 9);
  const at::Tensor inside =
      InsideImage(anchors, {.height = 600, .width = 1000}, {.inclusive = true});
  const int64_t left = inside.sum().item<int64_t>();
  EXPECT_GT(left, 5000);
  EXPECT_LT(left, 9000);
}

// A pyramid: strides 4..64, one size per level, three ratios.
std::vector<AnchorLevelOptions> PyramidLevels() {
  std::vector<AnchorLevelOptions> levels;
  for (double stride = 4; stride <= 64; stride *= 2) {
    levels.push_back(
        {.base_size_px = stride, .scales = {8}, .stride_x_px = stride, .stride_y_px = stride});
  }
  return levels;
}

TEST(AnchorGeneratorTest, LevelsFollowEachOther) {
  const std::vector<AnchorLevelOptions> levels = PyramidLevels();
  const AnchorGenerator generator(levels);
  ASSERT_EQ(generator.num_levels(), 5);
  const std::vector<GridSize> grids = {{50, 68}, {25, 34}, {13, 17}, {7, 9}, {4, 5}};
  const at::Tensor anchors = generator.Generate(grids);
  int64_t begin = 0;
  for (size_t i = 0; i < grids.size(); ++i) {
    EXPECT_EQ(generator.anchors_per_cell(static_cast<int64_t>(i)), 3);
    const int64_t end = begin + grids[i].height * grids[i].width * 3;
    const at::Tensor alone = PlaceAnchors(BaseAnchors(levels[i]), grids[i], levels[i].stride_x_px,
                                          levels[i].stride_y_px);
    EXPECT_TRUE(at::equal(anchors.slice(0, begin, end), alone)) << "level " << i;
    begin = end;
  }
  EXPECT_EQ(anchors.size(0), begin);
}

TEST(AnchorGeneratorTest, KeepsRecentGrids) {
  const AnchorGenerator generator(OneLevel(), /*cached_grids=*/2);
  const auto address = [&](int64_t size) {
    return generator.Generate({{.height = size, .width = size}}).data_ptr();
  };
  const at::Tensor held = generator.Generate({{.height = 3, .width = 3}});
  EXPECT_EQ(address(3), held.data_ptr());
  const at::Tensor other = generator.Generate({{.height = 4, .width = 4}});
  EXPECT_EQ(address(3), held.data_ptr());
  generator.Generate({{.height = 5, .width = 5}});
  EXPECT_EQ(address(3), held.data_ptr()) << "used more recently than 4 x 4";
  EXPECT_NE(address(4), other.data_ptr()) << "dropped, and made again";
  EXPECT_TRUE(at::equal(generator.Generate({{.height = 4, .width = 4}}), other));
}

TEST(AnchorGeneratorTest, TellsHeightFromWidth) {
  const AnchorGenerator generator(OneLevel());
  const at::Tensor tall = generator.Generate({{.height = 6, .width = 2}});
  const at::Tensor wide = generator.Generate({{.height = 2, .width = 6}});
  EXPECT_FALSE(at::equal(tall, wide));
}

TEST(AnchorGeneratorTest, ThreadsSeeTheSameAnchors) {
  const AnchorGenerator generator(OneLevel(), /*cached_grids=*/3);
  std::vector<at::Tensor> expected;
  for (int64_t i = 0; i < 8; ++i) expected.push_back(PlaceAnchors(BaseAnchors({}), {i, 5}, 16, 16));
  std::vector<int> failures(4);
  std::vector<std::thread> threads;
  for (size_t t = 0; t < failures.size(); ++t) {
    threads.emplace_back([&, t] {
      for (int64_t i = 0; i < 400; ++i) {
        const int64_t height = (i * (static_cast<int64_t>(t) + 1)) % 8;
        failures[t] += !at::equal(generator.Generate({{height, 5}}), expected[height]);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(failures, ::testing::Each(0));
}

TEST(AnchorGeneratorTest, NamesBadArguments) {
  EXPECT_THAT(ErrorMessage([] { AnchorGenerator(std::vector<AnchorLevelOptions>{}); }),
              StartsWith("levels: expected at least one"));
  EXPECT_THAT(ErrorMessage([] { AnchorGenerator(OneLevel(), 0); }),
              StartsWith("cached_grids: expected >= 1"));
  const AnchorGenerator generator(PyramidLevels());
  EXPECT_THAT(ErrorMessage([&] {
                generator.Generate({{1, 1}});
              }),
              StartsWith("grids: expected 5, one per level, got 1"));
  EXPECT_THAT(ErrorMessage([&] { generator.anchors_per_cell(5); }),
              HasSubstr("expected in [0, 5)"));
  const AnchorGenerator one(OneLevel());
  EXPECT_THAT(ErrorMessage([&] {
                one.Generate({{-1, 1}});
              }),
              StartsWith("grid: expected sizes >= 0"));
}

}  // namespace
}  // namespace rcnn::ops
