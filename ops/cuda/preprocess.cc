#include "rcnn/ops/preprocess.h"

#include <ATen/ops/empty.h>
#include <torch/library.h>

#include "rcnn/ops/cuda/preprocess.h"
#include "rcnn/ops/cuda/registration.h"
#include "rcnn/ops/cuda/resize_normalize_pixel.h"

namespace rcnn::ops {
namespace {

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
  CheckLaunch(
      LaunchPreprocess(height, MakeResizeNormalizePixel(rows, options, slot), CurrentStream()),
      "preprocess");
  return slot;
}

TORCH_LIBRARY_IMPL(rcnn, CUDA, m) { m.impl("preprocess", &PreprocessOnCuda); }

}  // namespace
}  // namespace rcnn::ops
