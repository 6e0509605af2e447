#include "rcnn/ops/cpu/roi_align_taps.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace rcnn::ops {
namespace {

// Samples [first, last) of a bin that starts at `start` with `step` between samples, without those
// that are certainly outside the map.
struct SampleRange {
  int64_t first;
  int64_t last;
};

SampleRange SamplesNearMap(double start, double step, int64_t samples, int64_t size) {
  const bool inside = start >= 0 && start + step * samples <= static_cast<double>(size);
  if (inside || !(step > 0)) return {0, samples};
  // In pixels: more than rounding moves a position, which is a few ulps of the start in float32.
  const double slack = 2 + std::abs(start) * 1e-6;
  const double first = std::floor((-1 - slack - start) / step);
  const double last = std::ceil((static_cast<double>(size) + slack - start) / step) + 1;
  const double count = static_cast<double>(samples);
  return {static_cast<int64_t>(std::clamp(first, 0.0, count)),
          static_cast<int64_t>(std::clamp(last, 0.0, count))};
}

template <typename A>
class TapBuilder {
 public:
  TapBuilder(const RoiAxis<A>& axis, AxisTaps<A>* taps) : size_(axis.size), taps_(taps) {}

  // Taps after this belong to a new bin.
  void StartBin() {
    bin_begin_ = taps_->slot.size();
    taps_->bin_begin.push_back(static_cast<int32_t>(bin_begin_));
  }

  // Adds weight `share` at `position`; positions come in ascending order.
  void AddSample(A position, A share) {
    const A last = static_cast<A>(size_ - 1);
    position = std::min(std::max(position, A{0}), last);
    const A low = std::floor(position);
    const A fraction = position - low;
    const int32_t pixel = static_cast<int32_t>(low);
    AddTap(pixel, (1 - fraction) * share);
    if (fraction > 0) AddTap(pixel + 1, fraction * share);
  }

 private:
  void AddTap(int32_t pixel, A weight) {
    const int32_t slot = FindOrAddSlot(pixel);
    for (size_t t = taps_->slot.size(); t > bin_begin_; --t) {
      if (taps_->slot[t - 1] < slot) break;
      if (taps_->slot[t - 1] == slot) {
        taps_->weight[t - 1] += weight;
        return;
      }
    }
    taps_->slot.push_back(slot);
    taps_->weight.push_back(weight);
  }

  // Positions ascend, so a known pixel is among the last two.
  int32_t FindOrAddSlot(int32_t pixel) {
    std::vector<int32_t>& pixels = taps_->pixels;
    for (size_t slot = pixels.size(); slot > 0 && pixels[slot - 1] >= pixel; --slot) {
      if (pixels[slot - 1] == pixel) return static_cast<int32_t>(slot - 1);
    }
    pixels.push_back(pixel);
    return static_cast<int32_t>(pixels.size() - 1);
  }

  int64_t size_;
  AxisTaps<A>* taps_;
  size_t bin_begin_ = 0;
};

}  // namespace

template <typename A>
AxisTaps<A> ComputeAxisTaps(const RoiAxis<A>& axis) {
  const A bin_length = axis.length / static_cast<A>(axis.bins);
  const int64_t samples =
      axis.samples_per_bin > 0 ? axis.samples_per_bin : static_cast<int64_t>(std::ceil(bin_length));
  const A count = static_cast<A>(samples);
  const A share = A{1} / count;
  AxisTaps<A> taps;
  // Two taps per sample are typical; long axes need a few more allocations.
  const int64_t usual = std::min<int64_t>(axis.bins * std::min<int64_t>(2 * samples, 8), 1024);
  taps.pixels.reserve(std::min(usual, axis.size));
  taps.bin_begin.reserve(axis.bins + 1);
  taps.slot.reserve(usual);
  taps.weight.reserve(usual);
  TapBuilder<A> builder(axis, &taps);
  A previous = std::numeric_limits<A>::lowest();
  for (int64_t bin = 0; bin < axis.bins; ++bin) {
    builder.StartBin();
    const A bin_start = axis.start + static_cast<A>(bin) * bin_length;
    const SampleRange range = SamplesNearMap(bin_start, bin_length / count, samples, axis.size);
    for (int64_t i = range.first; i < range.last; ++i) {
      const A offset = (static_cast<A>(i) + A{0.5}) * bin_length / count;
      // Ascending but for the rounding of the last bit.
      const A position = std::max(previous, bin_start + offset);
      previous = position;
      if (position < A{-1} || position > static_cast<A>(axis.size)) continue;
      builder.AddSample(position, share);
    }
  }
  taps.bin_begin.push_back(static_cast<int32_t>(taps.slot.size()));
  return taps;
}

template AxisTaps<float> ComputeAxisTaps(const RoiAxis<float>&);
template AxisTaps<double> ComputeAxisTaps(const RoiAxis<double>&);

}  // namespace rcnn::ops
