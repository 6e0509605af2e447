#include "rcnn/detection/batch_map.h"

#include <ATen/TensorOperators.h>

#include <algorithm>
#include <cstdint>

#include "rcnn/base/counted.h"

namespace rcnn::detection {
namespace {

// The top left corner of every image of `padded`.
at::Tensor Corner(const at::Tensor& padded, const ops::ImageSize& size) {
  return padded.narrow(2, 0, size.height).narrow(3, 0, size.width);
}

bool IsSameSize(const ops::ImageSize& a, const ops::ImageSize& b) {
  return a.height == b.height && a.width == b.width;
}

}  // namespace

BatchMap operator+(const BatchMap& a, const BatchMap& b) {
  TORCH_CHECK(a.parts.size() == b.parts.size(), "maps: ", Counted(a.parts.size(), "part"), " plus ",
              Counted(b.parts.size(), "part"));
  BatchMap sum;
  for (size_t p = 0; p < a.parts.size(); ++p) sum.parts.push_back(a.parts[p] + b.parts[p]);
  return sum;
}

BatchMap CutImages(const at::Tensor& padded, const std::vector<ops::ImageSize>& sizes) {
  TORCH_CHECK(
      !sizes.empty() && padded.dim() == 4 && padded.size(0) == static_cast<int64_t>(sizes.size()),
      "images: ", Counted(sizes.size(), "size"), " for a tensor ", padded.sizes());
  const auto is_first = [&](const ops::ImageSize& size) { return IsSameSize(size, sizes.front()); };
  if (std::all_of(sizes.begin(), sizes.end(), is_first)) return Corner(padded, sizes.front());
  BatchMap images;
  for (size_t b = 0; b < sizes.size(); ++b) {
    images.parts.push_back(Corner(padded.narrow(0, static_cast<int64_t>(b), 1), sizes[b]));
  }
  return images;
}

}  // namespace rcnn::detection
