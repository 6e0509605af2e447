#include "rcnn/ops/cpu/roi_pool_kernels.h"

#include <algorithm>

#include "rcnn/base/target_clones.h"
#include "rcnn/ops/cpu/channel_blocks.h"

// GCC 12 wrongly warns about initialised vectors that span two registers.
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"

// The loops below have clones for each instruction set.

namespace rcnn::ops {
namespace {

constexpr int64_t kVectorBytes = 32;
constexpr int64_t kVectors = 4;

// A vector of A in memory: any alignment that A has.
template <typename A>
struct ToVector {
  typedef A type __attribute__((vector_size(kVectorBytes), aligned(alignof(A)), may_alias));
};

template <typename A, bool kWithArgmax>
struct BlockMax {
  using Index = typename IndexType<A>::type;
  using Values = typename ToVector<A>::type;
  using Indices = typename ToVector<Index>::type;
  static constexpr int64_t kLanes = kVectorBytes / sizeof(A);
  static_assert(kLanes * kVectors == kChannelBlock<A>);

  Values best[kVectors] = {};
  Indices at[kVectors] = {};

  RCNN_LOOP void Start(const A* from, Index index) {
    const Indices indices = Indices{} + index;
    for (int64_t v = 0; v < kVectors; ++v) {
      best[v] = *reinterpret_cast<const Values*>(from + v * kLanes);
      at[v] = indices;
    }
  }
  // The first of equal values stays; the first NaN replaces any number and stays.
  RCNN_LOOP void Add(const A* from, Index index) {
    const Indices indices = Indices{} + index;
    for (int64_t v = 0; v < kVectors; ++v) {
      const Values value = *reinterpret_cast<const Values*>(from + v * kLanes);
      const auto wins = (value > best[v]) | (value != value);
      best[v] = wins ? value : best[v];
      if (kWithArgmax) at[v] = wins ? indices : at[v];
    }
  }
  RCNN_LOOP void Store(A* bin, Index* argmax) const {
    for (int64_t v = 0; v < kVectors; ++v) {
      *reinterpret_cast<Values*>(bin + v * kLanes) = best[v];
      if (kWithArgmax) *reinterpret_cast<Indices*>(argmax + v * kLanes) = at[v];
    }
  }
};

template <bool kWithArgmax, typename A, typename Index>
RCNN_LOOP void MaxOfBin(const MapWindow<A>& map, BinRange y, BinRange x, A* bin, Index* argmax) {
  constexpr int64_t kBlock = kChannelBlock<A>;
  if (y.begin >= y.end || x.begin >= x.end) {
    std::fill_n(bin, kBlock, A{0});
    if (kWithArgmax) std::fill_n(argmax, kBlock, Index{-1});
    return;
  }
  const auto pixel = [&](int64_t i, int64_t j) __attribute__((always_inline)) {
    return map.data + ((i - map.top) * map.width + j - map.left) * kBlock;
  };
  BlockMax<A, kWithArgmax> max;
  max.Start(pixel(y.begin, x.begin), static_cast<Index>(y.begin * map.map_width + x.begin));
  for (int64_t i = y.begin; i < y.end; ++i) {
    for (int64_t j = x.begin; j < x.end; ++j) {
      max.Add(pixel(i, j), static_cast<Index>(i * map.map_width + j));
    }
  }
  max.Store(bin, argmax);
}

template <bool kWithArgmax, typename A, typename Index>
RCNN_LOOP void MaxOfBins(const MapWindow<A>& map, const RoiBins& roi, A* bins, Index* argmax) {
  int64_t offset = 0;
  for (const BinRange& y : roi.y) {
    for (const BinRange& x : roi.x) {
      MaxOfBin<kWithArgmax>(map, y, x, bins + offset, kWithArgmax ? argmax + offset : nullptr);
      offset += kChannelBlock<A>;
    }
  }
}

template <typename A, typename Index>
RCNN_LOOP void MaxBlockLoop(const MapWindow<A>& map, const RoiBins& roi, A* bins, Index* argmax) {
  if (argmax == nullptr) {
    MaxOfBins<false>(map, roi, bins, argmax);
  } else {
    MaxOfBins<true>(map, roi, bins, argmax);
  }
}

}  // namespace

RCNN_TARGET_CLONES(void, MaxBlock, MaxBlockLoop,
                   (const MapWindow<float>& map, const RoiBins& roi, float* bins, int32_t* argmax),
                   (map, roi, bins, argmax));

RCNN_TARGET_CLONES(void, MaxBlock, MaxBlockLoop,
                   (const MapWindow<double>& map, const RoiBins& roi, double* bins,
                    int64_t* argmax),
                   (map, roi, bins, argmax));

}  // namespace rcnn::ops
