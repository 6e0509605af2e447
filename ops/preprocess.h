// Converts decoded bytes to the network's input in one pass: bilinear resize,
// channel order, mean, standard deviation and optional mirroring, written directly
// into the batch.
//
// Training and inference both use this routine. It is meant for photographs resized
// by a factor near 1: like cv::resize and F.interpolate it reads two source pixels
// per axis for any factor, so strong reduction aliases.
//
// Source: half-pixel bilinear arithmetic as cv::resize(INTER_LINEAR) of a float
// image and F.interpolate(mode="bilinear", align_corners=False).
//
// Example, two images in one batch, the smaller one padded with zeros:
//   at::Tensor batch = at::empty({2, 3, 608, 1000});
//   for (int i : {0, 1}) {
//     const Resized size = ResizedSize(images[i].size(0), images[i].size(1), {});
//     PreprocessInto(images[i], {.height = size.height, .width = size.width}, batch.select(0, i));
//   }

#ifndef RCNN_OPS_PREPROCESS_H_
#define RCNN_OPS_PREPROCESS_H_

#include <ATen/core/Tensor.h>
#include <c10/util/Optional.h>

#include <array>
#include <cstdint>

namespace rcnn::ops {

// Distance between neighbouring output pixels, in source pixels.
enum class ResizeStep {
  // Input side / output side, per axis: F.interpolate with a size, cv::resize with
  // a size. The borders of both images coincide.
  kSizeRatio,
  // 1 / scale on both axes: cv::resize with fx = fy = scale, F.interpolate with a
  // scale factor that it does not recompute. Differs from kSizeRatio if the sides
  // were rounded.
  kInverseScale,
};

enum class ChannelOrder { kRgb, kBgr };

struct PreprocessOptions {
  // Size of the resized image, >= 1; see resize_rule.h.
  int64_t height = 0;
  int64_t width = 0;
  ResizeStep step = ResizeStep::kSizeRatio;
  // For kInverseScale: output pixels per source pixel, > 0.
  double scale = 0;
  // Order of the output's channels.
  ChannelOrder channel_order = ChannelOrder::kRgb;
  // Output = (byte value - mean) / std, in the order of the output's channels and
  // in units of byte values: for a mean given for [0, 1], multiply by 255.
  std::array<double, 3> mean = {0, 0, 0};
  std::array<double, 3> std = {1, 1, 1};
  // Mirrors the source left to right before resizing.
  bool flip_horizontally = false;
  // Value of the slot to the right of and below the image.
  double padding = 0;
};

// Writes the image into the top left of a slot, and the padding around it.
//
//   image  [H, W, 3] uint8 RGB, H, W >= 1; rows may be any distance apart (a crop),
//          anything else that is not contiguous is copied first
//   slot   [3, H', W'] float32, H' >= height, W' >= width: batch.select(0, i) of a
//          contiguous or channels-last batch; every element is written, so the
//          batch may come from at::empty
// Output pixel x lies at (x + 0.5) * step - 0.5 of the source, moved to the nearest
// pixel centre if outside, positions in float64, weights and sums in float32. The
// result is the same for any number of threads.
// Both are on the CPU; preprocess_batch.h fills batches on any device.
// Throws c10::Error naming the argument on a wrong rank, dtype or size, an empty
// image, a size that the slot cannot hold, a std that is not positive, or results
// that float32 cannot hold.
// Time O(width * (source rows read + height)): bounded by writing the output and
// by two table look-ups per source row and output column; measured in
// preprocess_benchmark.cc. Memory: two output rows per thread.
void PreprocessInto(const at::Tensor& image, const PreprocessOptions& options,
                    const at::Tensor& slot);

// The same into a new tensor [3, height, width] on the image's device; there is no padding.
// Devices without a kernel use the fallback of dispatch.h.
at::Tensor Preprocess(const at::Tensor& image, const PreprocessOptions& options);

// Options from the arguments of the schema. Throws c10::Error unless mean and std have 3 elements;
// values are unchecked.
PreprocessOptions ReadPreprocessOptions(int64_t height, int64_t width, at::ArrayRef<double> mean,
                                        at::ArrayRef<double> std, bool to_bgr,
                                        bool flip_horizontally, c10::optional<double> scale);

// Throws c10::Error as Preprocess does, of an image called `name`. For kernels of other devices.
void CheckPreprocessArguments(const at::Tensor& image, const PreprocessOptions& options,
                              const char* name = "image");

// Returns the distance between neighbouring output pixels, in source pixels, along an axis of
// `from` source and `to` output pixels.
double ResizeStepPx(int64_t from, int64_t to, const PreprocessOptions& options);

}  // namespace rcnn::ops

#endif  // RCNN_OPS_PREPROCESS_H_
