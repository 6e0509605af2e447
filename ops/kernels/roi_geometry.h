// Where the samples of RoIAlign lie on a map: one axis of a RoI, as ops/cpu/roi_align_taps.h has
// it.
//
// A bin's samples lie at bin_start + (i + 0.5) * bin_length / samples. Positions are computed in
// the order of operations of the CPU's, so that both agree on which samples are outside the map.
//
// On a device nobody has checked the RoIs. A coordinate that is NaN gives samples that are NaN, and
// reaches no pixel: nothing outside the map is read, and a bin with samples on the map is NaN, so
// that what has diverged is seen in the result.
//
// Source: He et al., Mask R-CNN, arXiv:1703.06870, Sec. 3 (RoIAlign).

#ifndef RCNN_OPS_KERNELS_ROI_GEOMETRY_H_
#define RCNN_OPS_KERNELS_ROI_GEOMETRY_H_

#include <cmath>
#include <cstdint>

#include "rcnn/ops/kernels/kernel.h"

namespace rcnn::ops {

// Where RoIAlign samples.
struct RoiSampling {
  int64_t sampling_ratio;  // samples per bin and axis; <= 0: ceil(bin length)
  bool aligned;
};

// A sample between two neighbouring pixels: (1 - fraction) * map[low] + fraction * map[low + 1].
template <typename A>
struct AxisSample {
  bool is_on_map;
  int64_t low;
  A fraction;
};

template <typename A>
struct RoiSpan {
  A start;       // of the first bin, in pixels; pixel i's centre lies at i
  A bin_length;  // >= 0
  int64_t bins;
  int64_t samples;  // per bin
  int64_t size;     // pixels of the map

  // Sample `i` of `bin`.
  RCNN_HOST_DEVICE AxisSample<A> Sample(int64_t bin, int64_t i) const {
    const A count = static_cast<A>(samples);
    const A bin_start = start + static_cast<A>(bin) * bin_length;
    A position = bin_start + (static_cast<A>(i) + A{0.5}) * bin_length / count;
    if (position != position) return {true, 0, position};
    if (position < A{-1} || position > static_cast<A>(size)) return {false, 0, A{0}};
    position = Clamped(position, A{0}, static_cast<A>(size - 1));
    const A low = std::floor(position);
    return {true, static_cast<int64_t>(low), position - low};
  }

  // The samples of `bin` that may lie on the map: [FirstSample, EndSample), perhaps a few more. A
  // RoI much larger than the map has no more of them than one of the map's size.
  RCNN_HOST_DEVICE int64_t FirstSample(int64_t bin) const { return SampleNear(bin, A{-1}, A{-1}); }
  RCNN_HOST_DEVICE int64_t EndSample(int64_t bin) const {
    return SampleNear(bin, static_cast<A>(size), A{1});
  }

  // Whether samples may touch a pixel of [first, first + count). Rounding moves them as in
  // SampleNear.
  RCNN_HOST_DEVICE bool Touches(int64_t first, int64_t count) const {
    const A slack = A{1} + std::abs(start) * A{1e-6};
    const A low = start - slack, high = start + static_cast<A>(bins) * bin_length + slack;
    // Of NaN too.
    if (!(low <= static_cast<A>(size) && high >= A{-1})) return false;
    const A last = static_cast<A>(size - 1);
    return static_cast<int64_t>(Clamped(std::floor(low), A{0}, last)) < first + count &&
           static_cast<int64_t>(Clamped(std::ceil(high), A{0}, last)) >= first;
  }

  // weights[p]: what pixel first_pixel + p, first_pixel < size, counts for in the mean of `bin`'s
  // samples, in the order of the samples.
  template <int64_t kPixels>
  RCNN_HOST_DEVICE void Weigh(int64_t bin, int64_t first_pixel, A (&weights)[kPixels]) const {
    for (int64_t p = 0; p < kPixels; ++p) weights[p] = A{0};
    // Only samples within a pixel of these matter, and those outside the map for the pixels at its
    // edges.
    const int64_t last_pixel = Lesser(first_pixel + kPixels, size) - 1;
    const A below = static_cast<A>(first_pixel) - A{1}, above = static_cast<A>(last_pixel) + A{1};
    const int64_t first = first_pixel == 0 ? FirstSample(bin) : SampleNear(bin, below, A{-1});
    const int64_t end = last_pixel == size - 1 ? EndSample(bin) : SampleNear(bin, above, A{1});
    const A count = static_cast<A>(samples);
    for (int64_t i = first; i < end; ++i) {
      const AxisSample<A> sample = Sample(bin, i);
      if (!sample.is_on_map) continue;
      const int64_t low = sample.low - first_pixel;
      if (low >= 0 && low < kPixels) weights[low] += (A{1} - sample.fraction) / count;
      if (low >= -1 && low < kPixels - 1) weights[low + 1] += sample.fraction / count;
    }
  }

  // The index of the sample of `bin` at `position`, and a few more in the given direction, which
  // cover what rounding moves.
  RCNN_HOST_DEVICE int64_t SampleNear(int64_t bin, A position, A direction) const {
    const A count = static_cast<A>(samples);
    if (!(bin_length > 0)) return direction < 0 ? 0 : samples;
    const A bin_start = start + static_cast<A>(bin) * bin_length;
    const A slack = A{2} + std::abs(bin_start) * A{1e-6};
    const A index = (position + direction * slack - bin_start) / bin_length * count;
    return static_cast<int64_t>(Clamped(std::floor(index + direction), A{0}, count));
  }
};

// From `begin` to `end` in pixels of the image, `scale` map pixels each.
template <typename A>
RCNN_HOST_DEVICE RoiSpan<A> SpanOnMap(A begin, A end, A scale, const RoiSampling& sampling,
                                      int64_t bins, int64_t size) {
  const A offset = sampling.aligned ? A{0.5} : A{0};
  const A start = begin * scale - offset;
  A length = end * scale - offset - start;
  if (!sampling.aligned) length = Greater(length, A{1});
  const A bin_length = length / static_cast<A>(bins);
  int64_t samples = sampling.sampling_ratio;
  if (samples <= 0) {
    samples = bin_length != bin_length ? 1 : static_cast<int64_t>(std::ceil(bin_length));
  }
  return {start, bin_length, bins, samples, size};
}

}  // namespace rcnn::ops

#endif  // RCNN_OPS_KERNELS_ROI_GEOMETRY_H_
