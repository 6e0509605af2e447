// Bilinear resizing in two passes per output row: the source rows above and below it are resized
// along x into three float planes (ResizeRow), then blended along y, normalised and written to the
// slot (BlendRows). Neighbouring output rows mostly share their source rows, so each task keeps the
// last two resized ones (ResizedRows): every source row is resized about once per task, and what is
// read again comes from the cache.
//
// Invariant: an output row depends on its own source rows alone, so the result is the same for any
// number of threads.

#include "rcnn/ops/preprocess.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "rcnn/ops/check.h"
#include "rcnn/ops/cpu/preprocess_kernels.h"
#include "rcnn/ops/dispatch.h"

namespace rcnn::ops {
namespace {

constexpr int64_t kMaxSide = 1 << 28;
constexpr double kLargest = std::numeric_limits<float>::max();
// Output rows per task.
constexpr int64_t kRowsPerTask = 16;

void CheckOptions(const PreprocessOptions& options) {
  TORCH_CHECK(options.height > 0 && options.width > 0, "height, width: expected positive, got ",
              options.height, ", ", options.width);
  TORCH_CHECK(options.height <= kMaxSide && options.width <= kMaxSide,
              "height, width: expected at most 2^28, got ", options.height, ", ", options.width);
  TORCH_CHECK(std::isfinite(options.padding), "padding: expected finite, got ", options.padding);
  TORCH_CHECK(
      options.step == ResizeStep::kSizeRatio || (std::isfinite(options.scale) && options.scale > 0),
      "scale: expected a positive number for kInverseScale, got ", options.scale);
  for (int c = 0; c < 3; ++c) {
    TORCH_CHECK(std::isfinite(options.mean[c]), "mean: channel ", c, ": expected finite, got ",
                options.mean[c]);
    TORCH_CHECK(std::isfinite(options.std[c]) && options.std[c] > 0, "std: channel ", c,
                ": expected a positive number, got ", options.std[c]);
    TORCH_CHECK((255 + std::abs(options.mean[c])) / options.std[c] <= kLargest,
                "mean, std: channel ", c, ": the result overflows: ", options.mean[c], ", ",
                options.std[c]);
  }
}

void CheckImage(const at::Tensor& image, const char* name = "image") {
  CheckShape(image, name, {-1, -1, 3});
  CheckDtype(image, name, {at::kByte});
  TORCH_CHECK(image.size(0) > 0 && image.size(1) > 0, name, ": expected at least one pixel, got ",
              Describe(image));
  TORCH_CHECK(image.size(0) <= kMaxSide && image.size(1) <= kMaxSide, name,
              ": expected sides of at most 2^28 pixels, got ", Describe(image));
}

void CheckSlot(const at::Tensor& slot, const PreprocessOptions& options) {
  CheckShape(slot, "slot", {3, -1, -1});
  CheckDtype(slot, "slot", {at::kFloat});
  TORCH_CHECK(slot.size(1) >= options.height && slot.size(2) >= options.width,
              "slot: expected room for ", options.height, " x ", options.width, " pixels, got ",
              Describe(slot));
}

// Positions in a row of bytes, of the source or of its mirror image.
ResizeAxis ColumnsInBytes(const PreprocessOptions& options, int64_t width) {
  ResizeAxis axis =
      ComputeResizeAxis(options.width, ResizeStepPx(width, options.width, options), width);
  for (std::vector<int32_t>* pixels : {&axis.low, &axis.high}) {
    for (int32_t& pixel : *pixels) {
      if (options.flip_horizontally) pixel = static_cast<int32_t>(width - 1) - pixel;
      pixel *= 3;
    }
  }
  return axis;
}

struct Source {
  const uint8_t* data;
  int64_t row_stride;
  int64_t height;
  // A copy of the last row with an extra byte, which the kernel reads.
  std::vector<uint8_t> last_row;

  explicit Source(const at::Tensor& image)
      : data(image.data_ptr<uint8_t>()), row_stride(image.stride(0)), height(image.size(0)) {
    last_row.resize(image.size(1) * 3 + 1);
    std::memcpy(last_row.data(), data + (height - 1) * row_stride, image.size(1) * 3);
  }
  const uint8_t* Row(int64_t y) const {
    return y == height - 1 ? last_row.data() : data + y * row_stride;
  }
};

// The last two resized source rows, which neighbouring output rows share.
class ResizedRows {
 public:
  ResizedRows(const Source& source, const ResizeAxis& columns)
      : source_(source), columns_(columns), stride_(static_cast<int64_t>(columns.low.size())) {
    for (std::vector<float>& row : rows_) row.resize(3 * stride_);
  }

  // Row `y` as three planes, Stride() apart. The result of the previous call stays valid.
  const float* Get(int64_t y) {
    for (int i = 0; i < 2; ++i) {
      if (held_[i] == y) return Use(i);
    }
    const int other = 1 - last_used_;
    held_[other] = y;
    ResizeRow(source_.Row(y), columns_, stride_, rows_[other].data());
    return Use(other);
  }
  int64_t Stride() const { return stride_; }

 private:
  const float* Use(int i) {
    last_used_ = i;
    return rows_[i].data();
  }

  const Source& source_;
  const ResizeAxis& columns_;
  int64_t stride_;
  std::vector<float> rows_[2];
  int64_t held_[2] = {-1, -1};
  int last_used_ = 0;
};

// A slot in memory: rows of planes, or rows of pixels if `pixels`.
struct Target {
  float* data;
  int64_t height;
  int64_t width;
  int64_t plane_stride;
  int64_t row_stride;
  bool pixels;
};

class RowWriter {
 public:
  RowWriter(const PreprocessOptions& options, const Target& target)
      : options_(options), target_(target), padding_(static_cast<float>(options.padding)) {
    for (int c = 0; c < 3; ++c) {
      blend_[c] = {0, static_cast<float>(options.mean[c]), static_cast<float>(1 / options.std[c])};
      plane_[c] = options.channel_order == ChannelOrder::kRgb ? c : 2 - c;
    }
  }

  void Write(int64_t y, const float* low, const float* high, int64_t stride, float weight) const {
    BlendRow blend[3];
    const float* lows[3];
    const float* highs[3];
    for (int c = 0; c < 3; ++c) {
      blend[c] = {weight, blend_[c].mean, blend_[c].factor};
      lows[c] = low + plane_[c] * stride;
      highs[c] = high + plane_[c] * stride;
    }
    if (target_.pixels) {
      float* to = target_.data + y * target_.row_stride;
      BlendRowsToPixels(lows, highs, blend, options_.width, to);
      std::fill(to + 3 * options_.width, to + 3 * target_.width, padding_);
      return;
    }
    for (int c = 0; c < 3; ++c) {
      float* to = target_.data + c * target_.plane_stride + y * target_.row_stride;
      BlendRows(lows[c], highs[c], blend[c], options_.width, to);
      std::fill(to + options_.width, to + target_.width, padding_);
    }
  }

  void WritePadding(int64_t y) const {
    const int64_t rows = target_.pixels ? 1 : 3;
    for (int64_t c = 0; c < rows; ++c) {
      float* to = target_.data + c * target_.plane_stride + y * target_.row_stride;
      std::fill_n(to, target_.width * (target_.pixels ? 3 : 1), padding_);
    }
  }

 private:
  const PreprocessOptions& options_;
  const Target& target_;
  float padding_;
  BlendRow blend_[3];
  int64_t plane_[3];
};

void Resize(const at::Tensor& image, const PreprocessOptions& options, const Target& target) {
  const Source source(image);
  const ResizeAxis columns = ColumnsInBytes(options, image.size(1));
  const ResizeAxis rows = ComputeResizeAxis(
      options.height, ResizeStepPx(image.size(0), options.height, options), image.size(0));
  const RowWriter writer(options, target);
  at::parallel_for(0, target.height, kRowsPerTask, [&](int64_t begin, int64_t end) {
    ResizedRows resized(source, columns);
    for (int64_t y = begin; y < end; ++y) {
      if (y >= options.height) {
        writer.WritePadding(y);
        continue;
      }
      const float* low = resized.Get(rows.low[y]);
      const float* high = resized.Get(rows.high[y]);
      writer.Write(y, low, high, resized.Stride(), rows.weight[y]);
    }
  });
}

bool HasRowsOfPlanes(const at::Tensor& slot) { return slot.stride(2) == 1; }
bool HasRowsOfPixels(const at::Tensor& slot) { return slot.stride(0) == 1 && slot.stride(2) == 3; }

Target ReadTarget(const at::Tensor& slot) {
  return {slot.data_ptr<float>(), slot.size(1),   slot.size(2),
          slot.stride(0),         slot.stride(1), !HasRowsOfPlanes(slot)};
}

at::Tensor AsRows(const at::Tensor& image) {
  return image.stride(2) == 1 && image.stride(1) == 3 ? image : image.contiguous();
}

using Three = std::array<double, 3>;

Three ReadThree(at::ArrayRef<double> values, const char* name) {
  TORCH_CHECK(values.size() == 3, name, ": expected 3 numbers, got ", values.size());
  return {values[0], values[1], values[2]};
}

at::Tensor PreprocessOnCpu(const at::Tensor& image, int64_t height, int64_t width,
                           at::ArrayRef<double> mean, at::ArrayRef<double> std, bool to_bgr,
                           bool flip_horizontally, c10::optional<double> scale) {
  const PreprocessOptions options =
      ReadPreprocessOptions(height, width, mean, std, to_bgr, flip_horizontally, scale);
  CheckPreprocessArguments(image, options);
  const at::Tensor result = at::empty({3, height, width}, at::kFloat);
  PreprocessInto(image, options, result);
  return result;
}

at::Tensor PreprocessOnMeta(const at::Tensor& image, int64_t height, int64_t width,
                            at::ArrayRef<double> mean, at::ArrayRef<double> std, bool to_bgr,
                            bool flip_horizontally, c10::optional<double> scale) {
  CheckPreprocessArguments(
      image, ReadPreprocessOptions(height, width, mean, std, to_bgr, flip_horizontally, scale));
  return at::empty({3, height, width}, image.options().dtype(at::kFloat));
}

TORCH_LIBRARY_FRAGMENT(rcnn, m) {
  DefineOperator(m,
                 "preprocess(Tensor image, int height, int width, float[] mean=[0., 0., 0.], "
                 "float[] std=[1., 1., 1.], *, bool to_bgr=False, bool flip_horizontally=False, "
                 "float? scale=None) -> Tensor",
                 &PreprocessOnCpu, &PreprocessOnMeta);
}

}  // namespace

PreprocessOptions ReadPreprocessOptions(int64_t height, int64_t width, at::ArrayRef<double> mean,
                                        at::ArrayRef<double> std, bool to_bgr,
                                        bool flip_horizontally, c10::optional<double> scale) {
  PreprocessOptions options;
  options.height = height;
  options.width = width;
  options.mean = ReadThree(mean, "mean");
  options.std = ReadThree(std, "std");
  options.channel_order = to_bgr ? ChannelOrder::kBgr : ChannelOrder::kRgb;
  options.flip_horizontally = flip_horizontally;
  options.step = scale.has_value() ? ResizeStep::kInverseScale : ResizeStep::kSizeRatio;
  options.scale = scale.value_or(0);
  return options;
}

double ResizeStepPx(int64_t from, int64_t to, const PreprocessOptions& options) {
  if (options.step == ResizeStep::kInverseScale) return 1 / options.scale;
  return static_cast<double>(from) / static_cast<double>(to);
}

void CheckPreprocessArguments(const at::Tensor& image, const PreprocessOptions& options,
                              const char* name) {
  CheckOptions(options);
  CheckImage(image, name);
}

void PreprocessInto(const at::Tensor& image, const PreprocessOptions& options,
                    const at::Tensor& slot) {
  CheckOptions(options);
  CheckImage(image);
  CheckSlot(slot, options);
  TORCH_CHECK(image.is_cpu(), "image: expected on the CPU, got ", Describe(image));
  TORCH_CHECK(slot.is_cpu(), "slot: expected on the CPU, got ", Describe(slot));
  if (HasRowsOfPlanes(slot) || HasRowsOfPixels(slot)) {
    Resize(AsRows(image), options, ReadTarget(slot));
    return;
  }
  const at::Tensor planes = at::empty(slot.sizes(), slot.options());
  Resize(AsRows(image), options, ReadTarget(planes));
  slot.copy_(planes);
}

at::Tensor Preprocess(const at::Tensor& image, const PreprocessOptions& options) {
  CheckOptions(options);
  static const auto op = FindOperator<decltype(PreprocessOnCpu)>("preprocess");
  c10::optional<double> scale;
  if (options.step == ResizeStep::kInverseScale) scale = options.scale;
  return op.call(image, options.height, options.width, options.mean, options.std,
                 options.channel_order == ChannelOrder::kBgr, options.flip_horizontally, scale);
}

}  // namespace rcnn::ops
