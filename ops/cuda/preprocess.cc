#include "rcnn/ops/preprocess.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <torch/library.h>

#include "rcnn/ops/cuda/preprocess.h"
#include "rcnn/ops/cuda/registration.h"
#include "rcnn/ops/cuda/resize_normalize_pixel.h"
#include "rcnn/ops/preprocess_batch.h"

namespace rcnn::ops {
namespace {

// Queues the launch that fills `slot` [3, H, W] on the current device.
void FillSlot(const at::Tensor& image, const PreprocessOptions& options, const at::Tensor& slot,
              const char* op) {
  const bool has_rows = image.stride(2) == 1 && image.stride(1) == 3;
  const at::Tensor rows = has_rows ? image : image.contiguous();
  CheckLaunch(LaunchPreprocess(slot.size(1), MakeResizeNormalizePixel(rows, options, slot),
                               CurrentStream()),
              op);
}

at::Tensor PreprocessOnCuda(const at::Tensor& image, int64_t height, int64_t width,
                            at::ArrayRef<double> mean, at::ArrayRef<double> std, bool to_bgr,
                            bool flip_horizontally, c10::optional<double> scale) {
  const PreprocessOptions options =
      ReadPreprocessOptions(height, width, mean, std, to_bgr, flip_horizontally, scale);
  CheckPreprocessArguments(image, options);
  const c10::cuda::CUDAGuard guard(image.device());
  const at::Tensor slot = at::empty({3, height, width}, image.options().dtype(at::kFloat));
  FillSlot(image, options, slot, "preprocess");
  return slot;
}

at::Tensor PreprocessBatchOnCuda(at::TensorList images, at::IntArrayRef sizes, int64_t height,
                                 int64_t width, at::ArrayRef<double> mean, at::ArrayRef<double> std,
                                 bool to_bgr, at::IntArrayRef flipped,
                                 at::ArrayRef<double> scales) {
  const PreprocessBatchRequest request =
      ReadPreprocessBatch(images, sizes, height, width, mean, std, to_bgr, flipped, scales);
  const c10::cuda::CUDAGuard guard(request.batch.device());
  for (size_t b = 0; b < images.size(); ++b) {
    FillSlot(images[b], request.options[b], request.batch.select(0, static_cast<int64_t>(b)),
             "preprocess_batch");
  }
  return request.batch;
}

TORCH_LIBRARY_IMPL(rcnn, CUDA, m) {
  m.impl("preprocess", &PreprocessOnCuda);
  m.impl("preprocess_batch", &PreprocessBatchOnCuda);
}

}  // namespace
}  // namespace rcnn::ops
