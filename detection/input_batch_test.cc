#include "rcnn/detection/input_batch.h"

#include <ATen/ATen.h>

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/configs/testing/parse_text.h"
#include "rcnn/ops/testing/queue_device.h"

namespace rcnn::detection {
namespace {

using ops::testing::QueueDevice;
using ops::testing::TakeWaits;
using ::testing::DoubleNear;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

configs::DetectorInputConfig Input(const std::string& text) {
  return configs::ParseTextOrDie<configs::DetectorInputConfig>(text);
}

configs::NormalizationConfig Pixels(const std::string& text) {
  return configs::ParseTextOrDie<configs::NormalizationConfig>(text);
}

at::Tensor Image(int64_t height, int64_t width, uint64_t seed = 1) {
  return at::randint(0, 256, {height, width, 3}, at::detail::createCPUGenerator(seed), at::kByte);
}

InputBatch Make(const std::vector<at::Tensor>& images, const std::string& input,
                const std::string& pixels = "") {
  return MakeInputBatch(images, Input(input), Pixels(pixels)).value();
}

std::vector<double> SizeRow(const InputBatch& batch, int64_t i) {
  const ops::InputSize& size = batch.sizes[static_cast<size_t>(i)];
  return {size.height, size.width, size.scale};
}

TEST(InputBatchTest, PixelsAreScaledShiftedAndOrderedAsTheConfigSays) {
  const at::Tensor image = Image(4, 5);
  const struct {
    const char* text;
    double scale, mean[3], std[3];
    bool bgr;
  } cases[] = {{"", 1, {0, 0, 0}, {1, 1, 1}, false},
               {"scale: 0.00392156862745098 mean: [0.5, 0.4, 0.3] std: [0.2, 0.3, 0.25]",
                1 / 255.,
                {0.5, 0.4, 0.3},
                {0.2, 0.3, 0.25},
                false},
               {"channel_order: BGR mean: [103, 116, 123]", 1, {103, 116, 123}, {1, 1, 1}, true},
               {"channel_order: BGR scale: 0.5 std: [1, 2, 3]", 0.5, {0, 0, 0}, {1, 2, 3}, true}};
  for (const auto& pixels : cases) {
    SCOPED_TRACE(pixels.text);
    const InputBatch batch = Make({image}, "shortest_side_px: 0", pixels.text);
    ASSERT_EQ(batch.images.sizes().vec(), (std::vector<int64_t>{1, 3, 4, 5}));
    for (int64_t i = 0; i < 3 * 4 * 5; ++i) {
      const int64_t c = i / 20, y = i / 5 % 4, x = i % 5;
      const double value = image[y][x][pixels.bgr ? 2 - c : c].item<double>();
      EXPECT_NEAR(batch.images[0][c][y][x].item<double>(),
                  (value * pixels.scale - pixels.mean[c]) / pixels.std[c], 1e-4);
    }
    EXPECT_THAT(SizeRow(batch, 0), ElementsAre(4, 5, 1));
  }
}

// The resized sides of 100 x 301 with shortest side 31.
TEST(InputBatchTest, SidesAreScaledAndRounded) {
  const auto sides = [](const std::string& input) {
    const InputBatch batch = Make({Image(100, 301)}, input);
    EXPECT_EQ(batch.images.size(2), SizeRow(batch, 0)[0]);
    EXPECT_EQ(batch.images.size(3), SizeRow(batch, 0)[1]);
    EXPECT_EQ(batch.original_sizes[0].height, 100);
    EXPECT_EQ(batch.original_sizes[0].width, 301);
    return SizeRow(batch, 0);
  };
  // 301 * 0.31 = 93.31
  EXPECT_THAT(sides("shortest_side_px: 31"), ElementsAre(31, 93, DoubleNear(0.31, 1e-6)));
  // 301 * 0.25 = 75.25
  EXPECT_EQ(sides("shortest_side_px: 25 size_rounding: DOWN")[1], 75);
  // 301 * 0.52 = 156.52
  EXPECT_EQ(sides("shortest_side_px: 52")[1], 157);
  EXPECT_EQ(sides("shortest_side_px: 52 size_rounding: DOWN")[1], 156);
  // The longest side limits the size: 100 * 60 / 301 = 19.93.
  EXPECT_THAT(sides("shortest_side_px: 31 longest_side_px: 60"),
              ElementsAre(20, 60, DoubleNear(60. / 301, 1e-6)));
  EXPECT_EQ(sides("shortest_side_px: 31 longest_side_px: 60 size_rounding: DOWN")[0], 19);
  // 0: no limit.
  EXPECT_EQ(sides("shortest_side_px: 400 longest_side_px: 0")[1], 1204);
}

TEST(InputBatchTest, ResizingInterpolatesBetweenPixels) {
  const at::Tensor image = Image(40, 50);
  const InputBatch batch = Make({image}, "shortest_side_px: 60");
  const at::Tensor expected =
      at::upsample_bilinear2d(image.permute({2, 0, 1}).unsqueeze(0).to(at::kFloat), {60, 75},
                              /*align_corners=*/false);
  EXPECT_TRUE(at::allclose(batch.images, expected, 1e-4, 1e-2));
}

TEST(InputBatchTest, ImagesArePaddedWithZerosToTheLargestAndToAMultiple) {
  const std::vector<at::Tensor> images = {Image(20, 33, 1), Image(31, 10, 2)};
  const InputBatch batch =
      Make(images, "shortest_side_px: 0 pad_to_multiple_px: 16", "mean: [9, 9, 9]");
  ASSERT_EQ(batch.images.sizes().vec(), (std::vector<int64_t>{2, 3, 32, 48}));
  EXPECT_TRUE(batch.images.is_contiguous(at::MemoryFormat::ChannelsLast));
  EXPECT_EQ(batch.images.scalar_type(), at::kFloat);
  EXPECT_THAT(SizeRow(batch, 0), ElementsAre(20, 33, 1));
  EXPECT_THAT(SizeRow(batch, 1), ElementsAre(31, 10, 1));
  for (int64_t i = 0; i < 2; ++i) {
    const int64_t height = images[i].size(0), width = images[i].size(1);
    const at::Tensor image = batch.images[i];
    EXPECT_EQ(image.slice(1, height).abs().sum().item<double>(), 0);
    EXPECT_EQ(image.slice(2, width).abs().sum().item<double>(), 0);
    EXPECT_TRUE(image.slice(1, 0, height)
                    .slice(2, 0, width)
                    .equal(images[i].permute({2, 0, 1}).to(at::kFloat) - 9));
  }
  const InputBatch alone = Make({images[1]}, "shortest_side_px: 0");
  EXPECT_EQ(alone.images.sizes().vec(), (std::vector<int64_t>{1, 3, 31, 10}));
}

TEST(InputBatchTest, ReadsStridedImages) {
  const at::Tensor whole = Image(12, 14), crop = whole.slice(0, 2, 9).slice(1, 3, 12);
  ASSERT_FALSE(crop.is_contiguous());
  EXPECT_TRUE(Make({crop}, "shortest_side_px: 0")
                  .images.equal(Make({crop.contiguous()}, "shortest_side_px: 0").images));
}

// Two sizes with padding, a crop among them, and one size without.
TEST(InputBatchTest, ADeviceMakesTheBitsOfTheCpuAndWaitsForNothing) {
  const std::vector<at::Tensor> mixed = {Image(20, 33, 1),
                                         Image(40, 30, 2).slice(0, 2, 33).slice(1, 3, 20)};
  const configs::NormalizationConfig pixels =
      Pixels("channel_order: BGR mean: [103, 116, 123] std: [57, 58, 59]");
  const std::vector<at::Tensor> equal = {Image(24, 32, 1), Image(24, 32, 3)};
  for (const auto& images : {mixed, equal}) {
    const auto input = Input("shortest_side_px: 24 pad_to_multiple_px: 8");
    const InputBatch expected = MakeInputBatch(images, input, pixels).value();
    TakeWaits();
    const auto batch = MakeInputBatch(images, input, pixels, QueueDevice());
    EXPECT_THAT(TakeWaits(), IsEmpty());
    ASSERT_THAT(batch, IsOk());
    EXPECT_EQ(batch->images.device(), QueueDevice());
    EXPECT_TRUE(batch->images.is_contiguous(at::MemoryFormat::ChannelsLast));
    EXPECT_TRUE(batch->images.cpu().equal(expected.images));
    for (int64_t i = 0; i < 2; ++i) EXPECT_EQ(SizeRow(*batch, i), SizeRow(expected, i));
  }
}

TEST(InputBatchTest, ErrorsNameTheImageOrTheField) {
  const auto error = [](const std::vector<at::Tensor>& images, const std::string& input,
                        const std::string& pixels) {
    const auto batch = MakeInputBatch(images, Input(input), Pixels(pixels));
    EXPECT_THAT(batch, StatusIs(absl::StatusCode::kInvalidArgument)) << input << pixels;
    return std::string(batch.status().message());
  };
  const at::Tensor good = Image(8, 8);
  EXPECT_THAT(error({}, "", ""), HasSubstr("no images"));
  for (const at::Tensor& bad :
       {at::Tensor(), at::zeros({8, 8}, at::kByte), at::zeros({8, 8, 4}, at::kByte),
        at::zeros({8, 8, 3}), at::zeros({8, 0, 3}, at::kByte)}) {
    EXPECT_THAT(error({good, bad}, "", ""), HasSubstr("image 1 is"));
  }
  EXPECT_THAT(error({good}, "shortest_side_px: -1", ""), HasSubstr("input.shortest_side_px is -1"));
  EXPECT_THAT(error({good}, "longest_side_px: -1", ""), HasSubstr("input.longest_side_px is -1"));
  EXPECT_THAT(error({good}, "pad_to_multiple_px: 0", ""),
              HasSubstr("input.pad_to_multiple_px is 0"));
  EXPECT_THAT(error({good}, "", "scale: 0"), HasSubstr("normalization.scale is 0"));
  EXPECT_THAT(error({good}, "", "mean: [1, 2]"), HasSubstr("mean has 2 numbers, not 3"));
  EXPECT_THAT(error({good}, "", "std: [1, 2, 3, 4]"), HasSubstr("std has 4 numbers, not 3"));
  EXPECT_THAT(error({good}, "", "std: [1, 0, 1]"), HasSubstr("normalization.std is 0"));
  EXPECT_THAT(error({good}, "", "mean: [1, nan, 1]"), HasSubstr("mean"));
}

}  // namespace
}  // namespace rcnn::detection
