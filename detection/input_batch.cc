#include "rcnn/detection/input_batch.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "rcnn/base/batch_memory.h"
#include "rcnn/base/check_range.h"
#include "rcnn/base/counted.h"
#include "rcnn/base/exception_status.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/configs/pixel_normalization.h"
#include "rcnn/detection/config_options.h"
#include "rcnn/detection/device_copy.h"
#include "rcnn/ops/preprocess.h"
#include "rcnn/ops/preprocess_batch.h"
#include "rcnn/ops/resize_rule.h"

namespace rcnn::detection {
namespace {

ops::Resized ScaledSize(int64_t height, int64_t width, const configs::DetectorInputConfig& input) {
  if (input.shortest_side_px() == 0) return {height, width, 1.0};
  ops::ResizeRule rule;
  rule.shorter_side_px = input.shortest_side_px();
  rule.longer_side_px = input.longest_side_px() > 0 ? input.longest_side_px() : 1e9;
  rule.rounding = input.size_rounding() == configs::DetectorInputConfig::DOWN
                      ? ops::SizeRounding::kDown
                      : ops::SizeRounding::kHalfToEven;
  return ops::ResizedSize(height, width, rule);
}

ops::PreprocessOptions PixelOptions(const configs::PixelNormalization& pixels) {
  ops::PreprocessOptions options;
  options.channel_order = pixels.channel_order == configs::NormalizationConfig::BGR
                              ? ops::ChannelOrder::kBgr
                              : ops::ChannelOrder::kRgb;
  options.mean = pixels.mean;
  options.std = pixels.std;
  return options;
}

absl::Status CheckInput(const configs::DetectorInputConfig& input) {
  RCNN_RETURN_IF_ERROR(CheckRange("input.shortest_side_px", input.shortest_side_px(), 0, 1 << 20));
  RCNN_RETURN_IF_ERROR(CheckRange("input.longest_side_px", input.longest_side_px(), 0, 1 << 20));
  return CheckRange("input.pad_to_multiple_px", input.pad_to_multiple_px(), 1, 1 << 16);
}

absl::Status CheckImage(const at::Tensor& image, size_t index) {
  if (image.defined() && image.dim() == 3 && image.size(2) == 3 &&
      image.scalar_type() == at::kByte && image.numel() > 0) {
    return absl::OkStatus();
  }
  std::string found = "undefined";
  if (image.defined()) {
    found =
        absl::StrCat(c10::toString(image.scalar_type()), " of ", Counted(image.dim(), "dimension"),
                     " and ", Counted(image.numel(), "element"));
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "image ", index, " is ", found, "; expected a non-empty [height, width, 3] uint8"));
}

int64_t RoundUp(int64_t size, int64_t multiple) {
  return (size + multiple - 1) / multiple * multiple;
}

// A batch without images.
InputBatch MakeSizes(const std::vector<at::Tensor>& images, const std::vector<ops::Resized>& sizes,
                     int64_t multiple) {
  InputBatch batch;
  for (size_t i = 0; i < images.size(); ++i) {
    const ops::Resized& size = sizes[i];
    batch.padded_sizes.push_back({RoundUp(size.height, multiple), RoundUp(size.width, multiple)});
    batch.sizes.push_back({static_cast<float>(size.height), static_cast<float>(size.width),
                           static_cast<float>(size.scale)});
    batch.original_sizes.push_back({images[i].size(0), images[i].size(1)});
  }
  return batch;
}

// Of InputBatch::images: [B, 3, H, W].
std::vector<int64_t> MakeShape(const InputBatch& batch) {
  int64_t height = 0, width = 0;
  for (const ops::ImageSize& size : batch.padded_sizes) {
    height = std::max(height, size.height);
    width = std::max(width, size.width);
  }
  return {static_cast<int64_t>(batch.padded_sizes.size()), 3, height, width};
}

// InputBatch::images [B, 3, height, width] on `device`.
at::Tensor MakeInput(const std::vector<at::Tensor>& images, const std::vector<ops::Resized>& sizes,
                     const ops::PreprocessOptions& pixels, int64_t height, int64_t width,
                     const c10::Device& device) {
  std::vector<at::Tensor> bytes;
  std::vector<ops::PreprocessOptions> options(images.size(), pixels);
  for (size_t i = 0; i < images.size(); ++i) {
    options[i].height = sizes[i].height;
    options[i].width = sizes[i].width;
    bytes.push_back(device.is_cpu() ? images[i] : CopyToDevice(images[i].contiguous(), device));
  }
  return ops::PreprocessBatch(bytes, options, height, width);
}

}  // namespace

int64_t CountInputPixels(int64_t height, int64_t width, const configs::DetectorInputConfig& input) {
  const ops::Resized size = ScaledSize(height, width, input);
  return RoundUp(size.height, input.pad_to_multiple_px()) *
         RoundUp(size.width, input.pad_to_multiple_px());
}

absl::Status CheckInputConfig(const configs::DetectorInputConfig& input,
                              const configs::NormalizationConfig& normalization) {
  RCNN_RETURN_IF_ERROR(CheckInput(input));
  return configs::ReadNormalization(normalization).status();
}

absl::StatusOr<InputBatch> MakeInputBatch(const std::vector<at::Tensor>& images,
                                          const configs::DetectorInputConfig& input,
                                          const configs::NormalizationConfig& normalization,
                                          const c10::Device& device) {
  RCNN_RETURN_IF_ERROR(CheckInput(input));
  RCNN_ASSIGN_OR_RETURN(const configs::PixelNormalization pixels,
                        configs::ReadNormalization(normalization));
  if (images.empty()) return absl::InvalidArgumentError("the batch has no images");
  for (size_t i = 0; i < images.size(); ++i) RCNN_RETURN_IF_ERROR(CheckImage(images[i], i));
  std::vector<int64_t> shape;
  const auto make = [&]() -> absl::StatusOr<InputBatch> {
    std::vector<ops::Resized> sizes;
    for (const at::Tensor& image : images) {
      sizes.push_back(ScaledSize(image.size(0), image.size(1), input));
    }
    InputBatch batch = MakeSizes(images, sizes, input.pad_to_multiple_px());
    shape = MakeShape(batch);
    batch.images = MakeInput(images, sizes, PixelOptions(pixels), shape[2], shape[3], device);
    return batch;
  };
  absl::StatusOr<InputBatch> batch = CatchExceptions(make, absl::StatusCode::kInvalidArgument);
  if (batch.ok() || device.is_cpu() || shape.empty()) return batch;
  return WithBatch(batch.status(), device, shape, kBatchMemoryAdvice);
}

}  // namespace rcnn::detection
