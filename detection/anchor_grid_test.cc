#include "rcnn/detection/anchor_grid.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/zeros.h>

#include <cmath>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/configs/testing/parse_text.h"
#include "rcnn/ops/testing/far_device.h"
#include "rcnn/ops/testing/queue_device.h"

namespace rcnn::detection {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

configs::AnchorConfig Config(const std::string& text) {
  return configs::ParseTextOrDie<configs::AnchorConfig>(text);
}

absl::StatusOr<AnchorGrid> Create(const std::string& text, std::vector<FeatureLevel> levels) {
  return AnchorGrid::Create(Config(text), levels);
}

at::Tensor Map(int64_t height, int64_t width) { return at::zeros({1, 2, height, width}); }

std::vector<double> Row(const at::Tensor& anchors, int64_t i) {
  std::vector<double> row;
  for (int64_t j = 0; j < 4; ++j) row.push_back(anchors[i][j].item<double>());
  return row;
}

// The nine anchors that py-faster-rcnn's generate_anchors.py prints, at cell (0, 0).
TEST(AnchorGridTest, WholePixelsAreThoseOf2015) {
  const auto grid = Create("rounding: WHOLE_PIXELS", {{512, 16}}).value();
  EXPECT_EQ(grid.anchors_per_cell(), 9);
  const at::Tensor anchors = grid.Generate({Map(2, 3)}, 32, 48).front();
  ASSERT_EQ(anchors.sizes().vec(), (std::vector<int64_t>{54, 4}));
  EXPECT_THAT(Row(anchors, 0), ElementsAre(-84, -40, 99, 55));
  EXPECT_THAT(Row(anchors, 1), ElementsAre(-176, -88, 191, 103));
  EXPECT_THAT(Row(anchors, 2), ElementsAre(-360, -184, 375, 199));
  EXPECT_THAT(Row(anchors, 3), ElementsAre(-56, -56, 71, 71));
  EXPECT_THAT(Row(anchors, 4), ElementsAre(-120, -120, 135, 135));
  EXPECT_THAT(Row(anchors, 5), ElementsAre(-248, -248, 263, 263));
  EXPECT_THAT(Row(anchors, 6), ElementsAre(-36, -80, 51, 95));
  EXPECT_THAT(Row(anchors, 7), ElementsAre(-80, -168, 95, 183));
  EXPECT_THAT(Row(anchors, 8), ElementsAre(-168, -344, 183, 359));
  // Row 1, column 2 of a grid of three columns.
  EXPECT_THAT(Row(anchors, 9 * (3 + 2)), ElementsAre(-84 + 32, -40 + 16, 99 + 32, 55 + 16));
}

TEST(AnchorGridTest, ExactAnchorsHaveTheirAreaAndRatioAboutTheCenter) {
  const auto grid =
      Create("size_px: [24, 40] aspect_ratio: [0.25, 3] center_offset: 0.5", {{8, 8}}).value();
  const at::Tensor anchors = grid.Generate({Map(3, 4)}, 24, 32).front();
  ASSERT_EQ(anchors.size(0), 3 * 4 * 4);
  for (int64_t n = 0; n < anchors.size(0); ++n) {
    const std::vector<double> box = Row(anchors, n);
    const double width = box[2] - box[0], height = box[3] - box[1];
    const double size = n % 2 == 0 ? 24 : 40, ratio = n % 4 < 2 ? 0.25 : 3;
    EXPECT_NEAR(width * height, size * size, 1e-2);
    EXPECT_NEAR(height / width, ratio, 1e-4);
    EXPECT_NEAR((box[0] + box[2]) / 2, 8 * (n / 4 % 4) + 4, 1e-4);
    EXPECT_NEAR((box[1] + box[3]) / 2, 8 * (n / 16) + 4, 1e-4);
  }
}

TEST(AnchorGridTest, CornersAreRoundedHalfToEven) {
  // sides of 25: corners at -12.5 and 12.5
  const auto grid = Create("size_px: 25 aspect_ratio: 1 rounding: CORNERS", {{8, 8}}).value();
  EXPECT_THAT(Row(grid.Generate({Map(1, 1)}, 8, 8).front(), 0), ElementsAre(-12, -12, 12, 12));
}

TEST(AnchorGridTest, LevelsShareTheSizesInOrder) {
  const std::vector<FeatureLevel> levels = {{8, 4}, {8, 8}};
  const auto grid = Create("size_px: [10, 20, 30, 40] aspect_ratio: 1", levels).value();
  EXPECT_EQ(grid.anchors_per_cell(), 2);
  const auto anchors = grid.Generate({Map(2, 2), Map(1, 1)}, 8, 8);
  ASSERT_EQ(anchors.size(), 2u);
  EXPECT_THAT(Row(anchors[0], 0), ElementsAre(-5, -5, 5, 5));
  EXPECT_THAT(Row(anchors[0], 1), ElementsAre(-10, -10, 10, 10));
  EXPECT_THAT(Row(anchors[0], 2), ElementsAre(4 - 5, -5, 4 + 5, 5));
  EXPECT_THAT(Row(anchors[1], 0), ElementsAre(-15, -15, 15, 15));
  EXPECT_THAT(Row(anchors[1], 1), ElementsAre(-20, -20, 20, 20));
}

TEST(AnchorGridTest, DefaultSizesDependOnTheLevels) {
  const auto sizes = [](size_t levels) {
    const configs::AnchorConfig full = WithDefaults({}, levels);
    EXPECT_THAT(full.aspect_ratio(), ElementsAre(0.5, 1, 2));
    return std::vector<double>(full.size_px().begin(), full.size_px().end());
  };
  EXPECT_THAT(sizes(1), ElementsAre(128, 256, 512));
  EXPECT_THAT(sizes(5), ElementsAre(32, 64, 128, 256, 512));
  EXPECT_THAT(sizes(4), ElementsAre(32, 64, 128, 256));
  // Filling in defaults changes neither set values nor the generated anchors.
  const auto said = WithDefaults(Config("size_px: 9 aspect_ratio: 4 center_offset: 0.5"), 1);
  EXPECT_THAT(said.size_px(), ElementsAre(9));
  EXPECT_THAT(said.aspect_ratio(), ElementsAre(4));
  EXPECT_EQ(said.center_offset(), 0.5);
  const std::vector<FeatureLevel> levels(5, {8, 16});
  const std::vector<at::Tensor> maps(5, Map(2, 2));
  const auto plain = AnchorGrid::Create({}, levels).value().Generate(maps, 32, 32);
  const auto full = AnchorGrid::Create(WithDefaults({}, 5), levels).value().Generate(maps, 32, 32);
  for (size_t i = 0; i < 5; ++i) EXPECT_TRUE(plain[i].equal(full[i])) << i;
}

TEST(AnchorGridTest, StrideFollowsTheRule) {
  // 50 x 70 pixels on maps of 3 x 4: 16, or 50 / 3 and 70 / 4 rounded down.
  for (const auto& [stride, x, y] :
       {std::tuple("OF_BACKBONE", 16., 16.), std::tuple("INPUT_OVER_MAP", 17., 16.)}) {
    SCOPED_TRACE(stride);
    const auto grid =
        Create(std::string("size_px: 10 aspect_ratio: 1 stride: ") + stride, {{8, 16}}).value();
    const at::Tensor anchors = grid.Generate({Map(3, 4)}, 50, 70).front();
    EXPECT_THAT(Row(anchors, 1), ElementsAre(x - 5, -5, x + 5, 5));
    EXPECT_THAT(Row(anchors, 4), ElementsAre(-5, y - 5, 5, y + 5));
  }
}

TEST(AnchorGridTest, AnEmptyMapHasNoAnchors) {
  const auto grid = Create("stride: INPUT_OVER_MAP", {{8, 16}}).value();
  EXPECT_EQ(grid.Generate({Map(0, 3)}, 0, 48).front().size(0), 0);
}

// On a device anchors are placed once for each size of the maps.
TEST(AnchorGridTest, AnchorsStayOnTheDevice) {
  const auto grid = Create("", {{8, 16}}).value();
  const auto far = [](int64_t height, int64_t width) {
    return Map(height, width).to(ops::testing::FarDevice());
  };
  const at::Tensor first = grid.Generate({far(3, 4)}, 48, 64).front();
  EXPECT_EQ(first.device(), ops::testing::FarDevice());
  EXPECT_TRUE(first.cpu().equal(grid.Generate({Map(3, 4)}, 48, 64).front()));
  EXPECT_EQ(grid.Generate({far(4, 3)}, 64, 48).front().size(0), first.size(0));
  EXPECT_TRUE(grid.Generate({far(3, 4)}, 48, 64).front().is_same(first));
}

TEST(AnchorGridTest, ADeviceIsNotWaitedFor) {
  const auto grid = Create("", {{8, 16}}).value();
  const at::Tensor map = Map(3, 4).to(ops::testing::QueueDevice());
  ops::testing::TakeWaits();
  const at::Tensor anchors = grid.Generate({map}, 48, 64).front();
  EXPECT_THAT(ops::testing::TakeWaits(), ElementsAre());
  EXPECT_TRUE(anchors.cpu().equal(grid.Generate({Map(3, 4)}, 48, 64).front()));
}

TEST(AnchorGridTest, ErrorsNameTheValueOutOfRange) {
  const auto error = [](const std::string& text, size_t levels = 1) {
    const auto grid = Create(text, std::vector<FeatureLevel>(levels, {8, 16}));
    EXPECT_THAT(grid, StatusIs(absl::StatusCode::kInvalidArgument)) << text;
    return std::string(grid.status().message());
  };
  EXPECT_THAT(error("size_px: [1, 2, 3]", 2), HasSubstr("3 sizes, which 2 levels cannot share"));
  for (const char* bad : {"size_px: 0", "size_px: -8", "size_px: nan", "size_px: inf",
                          "aspect_ratio: 0", "aspect_ratio: nan"}) {
    EXPECT_THAT(error(bad), HasSubstr("must be > 0")) << bad;
  }
  EXPECT_THAT(error("center_offset: 1.5"), HasSubstr("center_offset is 1.5"));
  EXPECT_THAT(error("center_offset: nan"), HasSubstr("center_offset"));
  const auto grid = Create("", {{8, 16}}).value();
  EXPECT_THROW(grid.Generate({Map(1, 1), Map(1, 1)}, 16, 16), c10::Error);
}

}  // namespace
}  // namespace rcnn::detection
