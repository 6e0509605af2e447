#include "rcnn/ops/preprocess_batch.h"

#include <ATen/ops/empty.h>

#include <cstddef>
#include <string>

#include "rcnn/ops/check.h"
#include "rcnn/ops/dispatch.h"

namespace rcnn::ops {
namespace {

void CheckLength(const char* name, size_t length, size_t images) {
  TORCH_CHECK(length == 0 || length == images, name, ": expected length 0 or ", images, ", got ",
              length);
}

// What the schema cannot say.
void CheckOptions(at::TensorList images, at::ArrayRef<PreprocessOptions> options) {
  TORCH_CHECK(images.size() == options.size(), "options: expected ", images.size(), ", got ",
              options.size());
  for (size_t b = 0; b < options.size(); ++b) {
    const PreprocessOptions &one = options[b], &first = options[0];
    TORCH_CHECK(
        one.channel_order == first.channel_order && one.mean == first.mean && one.std == first.std,
        "options[", b, "]: channel_order, mean and std differ from those of options[0]");
    TORCH_CHECK(one.padding == 0, "options[", b, "]: padding: expected 0, got ", one.padding);
    TORCH_CHECK(one.step == ResizeStep::kSizeRatio || one.scale > 0, "options[", b,
                "]: scale: expected a positive number for kInverseScale, got ", one.scale);
  }
}

at::Tensor BatchOnCpu(at::TensorList images, at::IntArrayRef sizes, int64_t height, int64_t width,
                      at::ArrayRef<double> mean, at::ArrayRef<double> std, bool to_bgr,
                      at::IntArrayRef flipped, at::ArrayRef<double> scales) {
  const PreprocessBatchRequest request =
      ReadPreprocessBatch(images, sizes, height, width, mean, std, to_bgr, flipped, scales);
  for (size_t b = 0; b < images.size(); ++b) {
    PreprocessInto(images[b], request.options[b], request.batch.select(0, static_cast<int64_t>(b)));
  }
  return request.batch;
}

at::Tensor BatchOnMeta(at::TensorList images, at::IntArrayRef sizes, int64_t height, int64_t width,
                       at::ArrayRef<double> mean, at::ArrayRef<double> std, bool to_bgr,
                       at::IntArrayRef flipped, at::ArrayRef<double> scales) {
  return ReadPreprocessBatch(images, sizes, height, width, mean, std, to_bgr, flipped, scales)
      .batch;
}

TORCH_LIBRARY_FRAGMENT(rcnn, m) {
  DefineOperator(m,
                 "preprocess_batch(Tensor[] images, int[] sizes, int height, int width, "
                 "float[] mean=[0., 0., 0.], float[] std=[1., 1., 1.], *, bool to_bgr=False, "
                 "int[] flipped=[], float[] scales=[]) -> Tensor",
                 &BatchOnCpu, &BatchOnMeta);
}

}  // namespace

PreprocessBatchRequest ReadPreprocessBatch(at::TensorList images, at::IntArrayRef sizes,
                                           int64_t height, int64_t width, at::ArrayRef<double> mean,
                                           at::ArrayRef<double> std, bool to_bgr,
                                           at::IntArrayRef flipped, at::ArrayRef<double> scales) {
  const size_t count = images.size();
  TORCH_CHECK(count > 0, "images: expected at least one, got none");
  TORCH_CHECK(sizes.size() == 2 * count, "sizes: expected 2 x ", count, " numbers, got ",
              sizes.size());
  CheckLength("flipped", flipped.size(), count);
  CheckLength("scales", scales.size(), count);
  PreprocessBatchRequest request;
  for (size_t b = 0; b < count; ++b) {
    c10::optional<double> scale;
    if (!scales.empty() && scales[b] != 0) scale = scales[b];
    const bool is_flipped = !flipped.empty() && flipped[b] != 0;
    request.options.push_back(ReadPreprocessOptions(sizes[2 * b], sizes[2 * b + 1], mean, std,
                                                    to_bgr, is_flipped, scale));
    const std::string name = "images[" + std::to_string(b) + "]";
    CheckPreprocessArguments(images[b], request.options[b], name.c_str());
    CheckSameDevice(images[b], name.c_str(), images[0], "images[0]");
    TORCH_CHECK(sizes[2 * b] <= height && sizes[2 * b + 1] <= width, name, ": its ", sizes[2 * b],
                " x ", sizes[2 * b + 1], " pixels do not fit into ", height, " x ", width);
  }
  request.batch = at::empty(
      {static_cast<int64_t>(count), 3, height, width},
      images[0].options().dtype(at::kFloat).memory_format(at::MemoryFormat::ChannelsLast));
  return request;
}

at::Tensor PreprocessBatch(at::TensorList images, at::ArrayRef<PreprocessOptions> options,
                           int64_t height, int64_t width) {
  TORCH_CHECK(!images.empty(), "images: expected at least one, got none");
  CheckOptions(images, options);
  std::vector<int64_t> sizes, flipped;
  std::vector<double> scales;
  for (const PreprocessOptions& one : options) {
    sizes.insert(sizes.end(), {one.height, one.width});
    flipped.push_back(one.flip_horizontally ? 1 : 0);
    scales.push_back(one.step == ResizeStep::kInverseScale ? one.scale : 0);
  }
  static const auto op = FindOperator<decltype(BatchOnCpu)>("preprocess_batch");
  return op.call(images, sizes, height, width, options[0].mean, options[0].std,
                 options[0].channel_order == ChannelOrder::kBgr, flipped, scales);
}

}  // namespace rcnn::ops
