#include "rcnn/ops/preprocess.h"

#include <ATen/ops/empty.h>
#include <torch/library.h>

#include "rcnn/ops/cuda/preprocess.h"
#include "rcnn/ops/cuda/registration.h"

namespace rcnn::ops {
namespace {

// `image` has rows of RGB bytes. The slot is the whole result.
ResizeNormalizePixel MakePixel(const at::Tensor& image, const PreprocessOptions& options,
                               const at::Tensor& slot) {
  ResizeNormalizePixel pixel{};
  pixel.image = image.data_ptr<uint8_t>();
  pixel.image_height = image.size(0);
  pixel.image_width = image.size(1);
  pixel.image_row_stride = image.stride(0);
  pixel.height = options.height;
  pixel.width = options.width;
  pixel.step_y = ResizeStepPx(image.size(0), options.height, options);
  pixel.step_x = ResizeStepPx(image.size(1), options.width, options);
  pixel.flip_horizontally = options.flip_horizontally;
  pixel.to_bgr = options.channel_order == ChannelOrder::kBgr;
  for (int c = 0; c < 3; ++c) {
    pixel.mean[c] = static_cast<float>(options.mean[c]);
    pixel.factor[c] = static_cast<float>(1 / options.std[c]);
  }
  pixel.padding = static_cast<float>(options.padding);
  pixel.slot = slot.data_ptr<float>();
  pixel.slot_width = slot.size(2);
  pixel.channel_stride = slot.stride(0);
  pixel.row_stride = slot.stride(1);
  pixel.column_stride = slot.stride(2);
  return pixel;
}

at::Tensor PreprocessOnCuda(const at::Tensor& image, int64_t height, int64_t width,
                            at::ArrayRef<double> mean, at::ArrayRef<double> std, bool to_bgr,
                            bool flip_horizontally, c10::optional<double> scale) {
  const PreprocessOptions options =
      ReadPreprocessOptions(height, width, mean, std, to_bgr, flip_horizontally, scale);
  CheckPreprocessArguments(image, options);
  const c10::cuda::CUDAGuard guard(image.device());
  const bool has_rows = image.stride(2) == 1 && image.stride(1) == 3;
  const at::Tensor rows = has_rows ? image : image.contiguous();
  const at::Tensor slot = at::empty({3, height, width}, image.options().dtype(at::kFloat));
  CheckLaunch(LaunchPreprocess(height, MakePixel(rows, options, slot), CurrentStream()),
              "preprocess");
  return slot;
}

TORCH_LIBRARY_IMPL(rcnn, CUDA, m) { m.impl("preprocess", &PreprocessOnCuda); }

}  // namespace
}  // namespace rcnn::ops
