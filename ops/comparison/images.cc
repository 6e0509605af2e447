#include "rcnn/ops/comparison/images.h"

#include <ATen/ATen.h>

#include "rcnn/ops/preprocess.h"

namespace rcnn::ops {
namespace {

constexpr int64_t kHeight = 800, kWidth = 1066;

// F.interpolate of the planes, then mean and standard deviation.
at::Tensor AtenPreprocess(const at::Tensor &image, const at::Tensor &mean, const at::Tensor &std) {
  const at::Tensor planes = image.permute({2, 0, 1}).unsqueeze(0).to(at::kFloat).contiguous();
  at::Tensor resized = at::upsample_bilinear2d(planes, {kHeight, kWidth},
                                               /*align_corners=*/false);
  return resized.sub_(mean).div_(std);
}

}  // namespace

void ComparePreprocess(Comparison *table) {
  at::Generator generator = at::detail::createCPUGenerator(1);
  const at::Tensor image =
      at::randint(0, 256, {960, 1280, 3}, generator, at::TensorOptions(at::kByte));
  PreprocessOptions options;
  options.height = kHeight;
  options.width = kWidth;
  options.mean = {123.675, 116.28, 103.53};
  options.std = {58.395, 57.12, 57.375};
  const at::Tensor mean = at::tensor({123.675, 116.28, 103.53}, at::kFloat).view({1, 3, 1, 1});
  const at::Tensor std = at::tensor({58.395, 57.12, 57.375}, at::kFloat).view({1, 3, 1, 1});
  const at::Tensor slot = at::empty({3, kHeight, kWidth});
  table->Add({"preprocess, 1280x960 RGB bytes -> 800x1066 normalised planes",
              0.4,
              {[&] { PreprocessInto(image, options, slot); }},
              {[&] { AtenPreprocess(image, mean, std); }}});
}

}  // namespace rcnn::ops
