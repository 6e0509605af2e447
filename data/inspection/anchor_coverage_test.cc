#include "rcnn/data/inspection/anchor_coverage.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "absl/status/status.h"
#include "gtest/gtest.h"
#include "rcnn/base/stream_key.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/data/core/sample.h"
#include "rcnn/ops/anchors.h"
#include "rcnn/ops/boxes.h"

namespace rcnn::data {
namespace {

// Every anchor of the grid, one after the other.
double BestOfAll(const Box& box, double width, double height, const AnchorGrid& grid) {
  double best = 0;
  for (int row = 0; row < std::ceil(height / grid.stride_px); ++row) {
    for (int column = 0; column < std::ceil(width / grid.stride_px); ++column) {
      for (double size : grid.sizes_px) {
        for (double ratio : grid.aspect_ratios) {
          const double w = size / std::sqrt(ratio);
          const double h = size * std::sqrt(ratio);
          const double cx = (column + grid.center_offset) * grid.stride_px;
          const double cy = (row + grid.center_offset) * grid.stride_px;
          const bool inside =
              cx - w / 2 >= 0 && cy - h / 2 >= 0 && cx + w / 2 <= width && cy + h / 2 <= height;
          if (grid.inside_only && !inside) continue;
          const double iw =
              std::min<double>(box.x2, cx + w / 2) - std::max<double>(box.x1, cx - w / 2);
          const double ih =
              std::min<double>(box.y2, cy + h / 2) - std::max<double>(box.y1, cy - h / 2);
          if (iw <= 0 || ih <= 0) continue;
          best = std::max(best, iw * ih / (box.width() * box.height() + w * h - iw * ih));
        }
      }
    }
  }
  return best;
}

TEST(BestAnchorIou, EqualsTheBestOfAllAnchors) {
  RandomStream stream({.seed = 4, .stage = "test", .step = 0, .purpose = "boxes"});
  for (int i = 0; i < 400; ++i) {
    AnchorGrid grid;
    grid.stride_px = stream.Uniform(5, 40);
    grid.sizes_px = {stream.Uniform(10, 40), stream.Uniform(40, 150)};
    grid.aspect_ratios = {0.5, 1, stream.Uniform(1, 4)};
    grid.center_offset = stream.Bernoulli(0.5) ? 0.5 : 0;
    grid.inside_only = stream.Bernoulli(0.5);
    const double width = stream.Uniform(60, 200);
    const double height = stream.Uniform(60, 200);
    const float x = static_cast<float>(stream.Uniform(0, width - 10));
    const float y = static_cast<float>(stream.Uniform(0, height - 10));
    const Box box = {x, y, static_cast<float>(x + stream.Uniform(5, width - x)),
                     static_cast<float>(y + stream.Uniform(5, height - y))};
    EXPECT_NEAR(BestAnchorIou(box, width, height, grid), BestOfAll(box, width, height, grid), 1e-6)
        << i;
  }
}

// The models' anchors, and their IoU.
TEST(BestAnchorIou, EqualsTheBestOfTheOperators) {
  RandomStream stream({.seed = 5, .stage = "test", .step = 0, .purpose = "boxes"});
  for (int i = 0; i < 30; ++i) {
    AnchorGrid grid;
    grid.center_offset = i % 2 == 0 ? 0 : 0.5;
    grid.inside_only = i % 3 == 0;
    ops::AnchorLevelOptions level;
    level.base_size_px = 1;
    level.scales = grid.sizes_px = {stream.Uniform(20, 60), stream.Uniform(60, 150)};
    level.aspect_ratios = grid.aspect_ratios = {0.5, 1, 2};
    level.center_offset = grid.center_offset;
    const int64_t width = 100 + stream.UniformInt(200);
    const int64_t height = 100 + stream.UniformInt(200);
    at::Tensor anchors =
        ops::AnchorGenerator({level}).Generate({{(height + 15) / 16, (width + 15) / 16}});
    if (grid.inside_only) {
      anchors = anchors.index({ops::InsideImage(anchors, {height, width})});
    }
    const float x = static_cast<float>(stream.Uniform(0, 60));
    const float y = static_cast<float>(stream.Uniform(0, 60));
    const Box box = {x, y, x + static_cast<float>(stream.Uniform(10, 90)),
                     y + static_cast<float>(stream.Uniform(10, 90))};
    const at::Tensor iou =
        ops::BoxIou(anchors, at::tensor({box.x1, box.y1, box.x2, box.y2}).view({1, 4}));
    EXPECT_NEAR(BestAnchorIou(box, static_cast<double>(width), static_cast<double>(height), grid),
                iou.numel() == 0 ? 0 : iou.max().item<double>(), 1e-5)
        << i;
  }
}

TEST(BestAnchorIou, IsOneForAnAnchorItself) {
  AnchorGrid grid;
  grid.sizes_px = {64};
  grid.aspect_ratios = {4};
  EXPECT_DOUBLE_EQ(BestAnchorIou({80, 32, 112, 160}, 320, 320, grid), 1);
}

TEST(BestAnchorIou, IsZeroWhereNoAnchorFits) {
  AnchorGrid grid;
  grid.inside_only = true;
  EXPECT_EQ(BestAnchorIou({10, 10, 20, 20}, 100, 100, grid), 0);
}

TEST(CheckAnchorGrid, RejectsNonPositiveValues) {
  EXPECT_THAT(CheckAnchorGrid({}), IsOk());
  AnchorGrid grid;
  grid.sizes_px = {};
  EXPECT_EQ(CheckAnchorGrid(grid), absl::InvalidArgumentError("anchors: no sizes"));
  grid.sizes_px = {32, -1};
  EXPECT_THAT(CheckAnchorGrid(grid), ::testing::Not(IsOk()));
  grid = {};
  grid.stride_px = std::nan("");
  EXPECT_THAT(CheckAnchorGrid(grid), ::testing::Not(IsOk()));
  grid = {};
  grid.aspect_ratios = {0};
  EXPECT_THAT(CheckAnchorGrid(grid), ::testing::Not(IsOk()));
}

}  // namespace
}  // namespace rcnn::data
