#include "rcnn/ops/kernels/resize_normalize.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "rcnn/ops/cuda/resize_normalize_pixel.h"
#include "rcnn/ops/preprocess.h"
#include "rcnn/ops/testing/host_grid.h"
#include "rcnn/ops/testing/test_seed.h"

namespace rcnn::ops {
namespace {

using ::rcnn::ops::testing::HostGrid;
using ::rcnn::ops::testing::HostOrder;
using ::rcnn::ops::testing::kAllHostOrders;
using ::rcnn::ops::testing::TestSeed;

void PreprocessByGrid(const at::Tensor& image, const PreprocessOptions& options,
                      const at::Tensor& slot, HostOrder order) {
  HostGrid launch(order, TestSeed());
  ResizeAndNormalize(launch, slot.size(1), MakeResizeNormalizePixel(image, options, slot));
}

// Bit by bit: both blend in the same order.
TEST(ResizeNormalizeKernelTest, EqualsTheOperatorOverShapes) {
  std::mt19937_64 random(TestSeed());
  const auto pick = [&](std::vector<int64_t> values) { return values[random() % values.size()]; };
  const at::Generator bytes = at::detail::createCPUGenerator(TestSeed());
  for (int i = 0; i < 200; ++i) {
    const int64_t height = pick({1, 2, 17, 60}), width = pick({1, 3, 40, 81});
    const at::Tensor image =
        at::randint(0, 256, {height, width + 5, 3}, bytes, at::kByte).slice(1, 2, 2 + width);
    PreprocessOptions options;
    options.height = pick({1, 2, 30, 77});
    options.width = pick({1, 5, 41, 90});
    if (random() % 2 == 0) {
      options.step = ResizeStep::kInverseScale;
      options.scale = static_cast<double>(options.width) / static_cast<double>(width) * 1.01;
    }
    options.channel_order = random() % 2 == 0 ? ChannelOrder::kRgb : ChannelOrder::kBgr;
    options.mean = {123.675, 116.28, 103.53};
    options.std = {58.395, 57.12, 57.375};
    options.flip_horizontally = random() % 2 == 0;
    options.padding = random() % 2 == 0 ? 0 : -1.5;
    const at::MemoryFormat format =
        random() % 2 == 0 ? at::MemoryFormat::Contiguous : at::MemoryFormat::ChannelsLast;
    const std::vector<int64_t> sizes = {2, 3, options.height + pick({0, 1, 9}),
                                        options.width + pick({0, 1, 9})};
    const at::Tensor expected = at::full(sizes, 99, at::kFloat).contiguous(format);
    const at::Tensor actual = expected.clone();
    PreprocessInto(image, options, expected.select(0, 1));
    PreprocessByGrid(image, options, actual.select(0, 1), kAllHostOrders[i % 3]);
    ASSERT_TRUE(at::equal(actual, expected)) << "case " << i << ": " << image.sizes() << " to "
                                             << options.height << " x " << options.width;
  }
}

}  // namespace
}  // namespace rcnn::ops
