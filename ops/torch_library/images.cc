// torch.ops.rcnn: preprocess.

#include <torch/library.h>

#include <algorithm>

#include "rcnn/ops/preprocess.h"

namespace rcnn::ops {
namespace {

void CopyThree(at::ArrayRef<double> values, const char *name, std::array<double, 3> *three) {
  TORCH_CHECK(values.size() == 3, name, ": has ", values.size(), " elements, not 3");
  std::copy_n(values.begin(), 3, three->begin());
}

at::Tensor PreprocessOp(const at::Tensor &image, int64_t height, int64_t width,
                        at::ArrayRef<double> mean, at::ArrayRef<double> std, bool to_bgr,
                        bool flip_horizontally) {
  PreprocessOptions options;
  options.height = height;
  options.width = width;
  options.channel_order = to_bgr ? ChannelOrder::kBgr : ChannelOrder::kRgb;
  CopyThree(mean, "mean", &options.mean);
  CopyThree(std, "std", &options.std);
  options.flip_horizontally = flip_horizontally;
  return Preprocess(image, options);
}

TORCH_LIBRARY_FRAGMENT(rcnn, m) {
  m.def(
      "preprocess(Tensor image, int height, int width, float[] mean=[0., 0., "
      "0.], "
      "float[] std=[1., 1., 1.], *, bool to_bgr=False, bool "
      "flip_horizontally=False) -> Tensor",
      &PreprocessOp);
}

}  // namespace
}  // namespace rcnn::ops
