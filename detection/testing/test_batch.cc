#include "rcnn/detection/testing/test_batch.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cstdint>
#include <limits>

#include "rcnn/detection/counted_truths.h"

namespace rcnn::detection {

const std::vector<ops::ImageSize>& TestImageSizes() {
  static const auto& sizes = *new std::vector<ops::ImageSize>{{48, 112}, {104, 56}, {117, 124}};
  return sizes;
}

at::Tensor TestPixels(size_t image) {
  const auto [height, width] = TestImageSizes()[image];
  return at::randn({3, height, width}, at::detail::createCPUGenerator(10 + image));
}

TestBatch::TestBatch(const std::vector<size_t>& images, const c10::Device& device) {
  int64_t height = 0, width = 0;
  for (const size_t i : images) {
    height = std::max(height, TestImageSizes()[i].height);
    width = std::max(width, TestImageSizes()[i].width);
  }
  padded = at::full({static_cast<int64_t>(images.size()), 3, height, width},
                    std::numeric_limits<float>::quiet_NaN());
  for (size_t b = 0; b < images.size(); ++b) Add(images[b], padded[static_cast<int64_t>(b)]);
  if (device.is_cpu()) return;
  padded = padded.to(device);
  targets.counted = CountTruths(targets.truths, targets.sizes, device);
}

void TestBatch::Add(size_t image, const at::Tensor& slot) {
  const ops::ImageSize size = TestImageSizes()[image];
  slot.narrow(1, 0, size.height).narrow(2, 0, size.width).copy_(TestPixels(image));
  sizes.push_back(size);
  targets.sizes.push_back({static_cast<float>(size.height), static_cast<float>(size.width), 1});
  const auto offset = 8.f * static_cast<float>(image);
  targets.truths.push_back(
      {at::tensor({4.f, 6.f, 30.f, 34.f, 14.f, 8.f, 44.f, 42.f}).view({2, 4}) + offset,
       at::tensor({1, 3}, at::kLong), at::Tensor(), static_cast<int64_t>(image)});
}

}  // namespace rcnn::detection
