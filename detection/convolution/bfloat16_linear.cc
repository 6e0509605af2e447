// Rows of a tile are rows of x, columns are outputs. The depth is cut into parts, so that a part of
// all packed inputs stays in a core's second-level cache while the panels of weights, which are the
// larger operand, are read once. Sums between the parts are kept in y.

#include "rcnn/detection/convolution/bfloat16_linear.h"

#include <ATen/Parallel.h>

#include <algorithm>

#include "rcnn/detection/convolution/panel_product.h"
#include "rcnn/detection/convolution/part_tile.h"

namespace rcnn::detection {
namespace {

constexpr int64_t kLanes = kBfloat16Lanes;
// Limit on the bytes of a part of the packed inputs.
constexpr int64_t kPartBytes = 512 << 10;
constexpr int64_t kMinPartPairs = 64, kMaxPartPairs = 512;

// Pairs of a part, for `panels` panels of inputs.
int64_t PartPairs(int64_t panels) {
  const int64_t bytes = panels * Bfloat16PanelSize(1) * static_cast<int64_t>(sizeof(Bfloat16));
  return std::clamp(kPartBytes / bytes, kMinPartPairs, kMaxPartPairs);
}

}  // namespace

Bfloat16Linear::Bfloat16Linear(const float* weight, const float* bias, int64_t out_features,
                               int64_t in_features, const StoredPanels& stored,
                               const ReleaseMemory& release)
    : kernels_(GetBfloat16Kernels(CurrentInstructionLevel())),
      out_features_(out_features),
      in_features_(in_features),
      bias_(NumPanels(out_features, kLanes) * kLanes) {
  if (bias != nullptr) std::copy(bias, bias + out_features, bias_.begin());
  const int64_t count = NumPanels(out_features, kLanes) * Bfloat16PanelSize(NumPairs(in_features));
  weight_ = stored.data != nullptr
                ? PackedPanels<Bfloat16>(stored, count)
                : PackedPanels<Bfloat16>(PackWeights(weight, count, release), count);
}

AlignedBfloat16s Bfloat16Linear::PackWeights(const float* weight, int64_t count,
                                             const ReleaseMemory& release) const {
  const int64_t size = Bfloat16PanelSize(NumPairs(in_features_));
  const int64_t row_bytes = in_features_ * static_cast<int64_t>(sizeof(float));
  const int64_t part =
      std::max<int64_t>(1, kReleasedBytes / std::max<int64_t>(1, kLanes * row_bytes));
  AlignedBfloat16s packed = AllocateLastingBfloat16s(count);
  at::parallel_for(0, NumPanels(out_features_, kLanes), 1, [&](int64_t begin, int64_t end) {
    for (int64_t first = begin, last; first < end; first = last) {
      last = std::min(first + part, end);
      for (int64_t i = first; i < last; ++i) {
        kernels_.pack_rows(weight + i * kLanes * in_features_, in_features_,
                           std::min(kLanes, out_features_ - i * kLanes), in_features_,
                           &packed[i * size]);
      }
      const int64_t rows = std::min(last * kLanes, out_features_) - first * kLanes;
      if (release != nullptr) {
        release(weight + first * kLanes * in_features_, static_cast<size_t>(rows * row_bytes));
      }
    }
  });
  return packed;
}

AlignedBfloat16s Bfloat16Linear::PackInputs(const float* x, int64_t count) const {
  const int64_t size = Bfloat16PanelSize(NumPairs(in_features_)), panels = NumPanels(count, kLanes);
  AlignedBfloat16s inputs = AllocateBfloat16s(panels * size);
  at::parallel_for(0, panels, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      kernels_.pack_rows(x + i * kLanes * in_features_, in_features_,
                         std::min(kLanes, count - i * kLanes), in_features_, &inputs[i * size]);
    }
  });
  return inputs;
}

void Bfloat16Linear::MultiplyPart(const Bfloat16* inputs, int64_t count, int64_t panel,
                                  int64_t begin, int64_t end, bool relu, float* y) const {
  const int64_t size = Bfloat16PanelSize(NumPairs(in_features_)), offset = Bfloat16PanelSize(begin);
  const Bfloat16* columns = &weight_[panel * size + offset];
  const int64_t num_columns = std::min(kLanes, out_features_ - panel * kLanes);
  TileOptions options;
  options.relu = relu && end == NumPairs(in_features_);
  options.add = &bias_[panel * kLanes];  // one row of it for all
  for (int64_t r = 0; r < count; r += kLanes) {
    float* tile = y + r * out_features_ + panel * kLanes;
    if (begin > 0) options.add = tile, options.add_stride = out_features_;
    const int64_t num_rows = std::min(kLanes, count - r);
    const auto multiply = [&](const TileOptions& whole, float* out, int64_t stride) {
      kernels_.multiply(inputs + r / kLanes * size + offset, columns, end - begin, whole, out,
                        stride);
    };
    if (num_rows == kLanes && num_columns == kLanes) {
      multiply(options, tile, out_features_);
    } else {
      MultiplyPartTile(num_rows, num_columns, options, tile, out_features_, multiply);
    }
  }
}

void Bfloat16Linear::Run(const float* x, int64_t count, bool relu, float* y) const {
  if (count == 0) return;
  const AlignedBfloat16s inputs = PackInputs(x, count);
  const int64_t pairs = NumPairs(in_features_), part = PartPairs(NumPanels(count, kLanes));
  at::parallel_for(0, NumPanels(out_features_, kLanes), 1, [&](int64_t first, int64_t last) {
    int64_t begin = 0;
    do {
      const int64_t end = std::min(begin + part, pairs);
      for (int64_t panel = first; panel < last; ++panel) {
        MultiplyPart(&inputs[0], count, panel, begin, end, relu, y);
      }
      begin = end;
    } while (begin < pairs);
  });
}

}  // namespace rcnn::detection
