#include "rcnn/ops/preprocess_batch.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "rcnn/ops/error_message.h"
#include "rcnn/ops/testing/far_device.h"

namespace rcnn::ops {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

at::Tensor RandomImage(int64_t height, int64_t width, uint64_t seed) {
  at::Generator generator = at::detail::createCPUGenerator(seed);
  return at::randint(0, 256, {height, width, 3}, generator, at::kByte);
}

struct Images {
  std::vector<at::Tensor> bytes;
  std::vector<PreprocessOptions> options;
};

// Of different sizes; one mirrored, one a crop, one resized by a scale.
Images ThreeImages() {
  Images images;
  images.bytes = {RandomImage(20, 33, 1), RandomImage(40, 30, 2).slice(0, 3, 36).slice(1, 2, 27),
                  RandomImage(17, 21, 3)};
  images.options.resize(3);
  for (PreprocessOptions& options : images.options) {
    options.channel_order = ChannelOrder::kBgr;
    options.mean = {103, 116, 123};
    options.std = {57, 58, 59};
  }
  images.options[0].height = 24;
  images.options[0].width = 40;
  images.options[0].flip_horizontally = true;
  images.options[1].height = 33;
  images.options[1].width = 25;
  images.options[2].step = ResizeStep::kInverseScale;
  images.options[2].scale = 1.3;
  images.options[2].height = 22;
  images.options[2].width = 27;
  return images;
}

constexpr int64_t kHeight = 35, kWidth = 44;

// Image by image, on zeros.
at::Tensor OneByOne(const Images& images) {
  const auto count = static_cast<int64_t>(images.bytes.size());
  const at::Tensor batch = at::zeros({count, 3, kHeight, kWidth});
  for (int64_t b = 0; b < count; ++b) {
    const PreprocessOptions& options = images.options[static_cast<size_t>(b)];
    batch[b]
        .slice(1, 0, options.height)
        .slice(2, 0, options.width)
        .copy_(Preprocess(images.bytes[static_cast<size_t>(b)], options));
  }
  return batch;
}

TEST(PreprocessBatchTest, EachImageIsInItsPlaceAmongZeros) {
  const Images images = ThreeImages();
  const at::Tensor batch = PreprocessBatch(images.bytes, images.options, kHeight, kWidth);
  EXPECT_TRUE(at::equal(batch, OneByOne(images)));
  EXPECT_TRUE(batch.is_contiguous(at::MemoryFormat::ChannelsLast));
}

TEST(PreprocessBatchTest, OneImageFillsItsBatch) {
  const at::Tensor image = RandomImage(9, 11, 1);
  const PreprocessOptions options{.height = 9, .width = 11};
  EXPECT_TRUE(at::equal(PreprocessBatch(image, options, 9, 11)[0], Preprocess(image, options)));
}

TEST(PreprocessBatchTest, ADeviceWithoutAKernelGetsTheSame) {
  Images images = ThreeImages();
  const at::Tensor expected = OneByOne(images);
  for (at::Tensor& bytes : images.bytes) bytes = bytes.contiguous().to(testing::FarDevice());
  const at::Tensor batch = PreprocessBatch(images.bytes, images.options, kHeight, kWidth);
  EXPECT_EQ(batch.device(), testing::FarDevice());
  EXPECT_TRUE(batch.is_contiguous(at::MemoryFormat::ChannelsLast));
  EXPECT_TRUE(at::equal(batch.cpu(), expected));
}

TEST(PreprocessBatchTest, MetaTensorsHaveTheShapeAlone) {
  Images images = ThreeImages();
  for (at::Tensor& bytes : images.bytes) bytes = bytes.to(at::kMeta);
  const at::Tensor batch = PreprocessBatch(images.bytes, images.options, kHeight, kWidth);
  EXPECT_TRUE(batch.is_meta());
  EXPECT_EQ(batch.sizes(), at::IntArrayRef({3, 3, kHeight, kWidth}));
}

std::string ErrorWith(const Images& images, int64_t height = kHeight) {
  return ErrorMessage([&] { PreprocessBatch(images.bytes, images.options, height, kWidth); });
}

TEST(PreprocessBatchTest, ErrorsCountTheNumbersForOneImage) {
  const std::vector<at::Tensor> image = {ThreeImages().bytes[0]};
  const std::vector<int64_t> size = {4, 4}, flipped = {0, 1};
  const std::vector<double> ones = {1, 1, 1};
  EXPECT_EQ(
      ErrorMessage([&] { ReadPreprocessBatch(image, size, 4, 4, ones, ones, false, flipped, {}); }),
      "flipped: expected length 0 or 1, got 2");
}

TEST(PreprocessBatchTest, ErrorsNameTheArgumentAndTheImage) {
  EXPECT_THAT(ErrorWith({}), StartsWith("images: expected at least one"));
  EXPECT_THAT(ErrorWith(ThreeImages(), 32),
              StartsWith("images[1]: its 33 x 25 pixels do not fit into 32 x 44"));
  Images images = ThreeImages();
  images.bytes[2] = images.bytes[2].to(at::kFloat);
  EXPECT_THAT(ErrorWith(images), AllOf(StartsWith("images[2]:"), HasSubstr("float32")));
  images = ThreeImages();
  images.options.pop_back();
  EXPECT_THAT(ErrorWith(images), StartsWith("options: expected 3, got 2"));
  images = ThreeImages();
  images.options[1].mean[2] = 0;
  EXPECT_THAT(ErrorWith(images), HasSubstr("options[1]: channel_order, mean and std differ"));
  images = ThreeImages();
  images.options[2].padding = 1;
  EXPECT_THAT(ErrorWith(images), StartsWith("options[2]: padding: expected 0, got 1"));
  images = ThreeImages();
  images.options[2].scale = 0;
  EXPECT_THAT(ErrorWith(images), StartsWith("options[2]: scale: expected a positive number"));
}

}  // namespace
}  // namespace rcnn::ops
