// Row e of the last convolution needs row e + 1 of the one before it, and so on to the first. Each
// stage computes rows up to a multiple of four, as Winograd's tiles do, or to the end of the
// map, and keeps those that its successor still needs:
//
//   rows in memory        [end of the successor - 1, end), at the front of the stage's tensor
//   end of a stage        min(height, (end of the successor + 1) rounded up to a multiple of four)
//
// Of the last convolution those rows are kept that windows need which are not complete yet. A row
// is computed once.

#include "rcnn/detection/convolve_and_pool.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "rcnn/detection/conv_chain.h"
#include "rcnn/detection/convolution/packed_convolution.h"
#include "rcnn/detection/layer_calls.h"

namespace rcnn::detection {
namespace {

// Rows of a Winograd tile.
constexpr int64_t kTileRows = 4;

using Convolutions = std::vector<const PackedConvolution*>;

int64_t RoundUp(int64_t rows) { return (rows + kTileRows - 1) / kTileRows * kTileRows; }

// One convolution and the rows of its result that are in memory: from rows.first to end - 1.
struct Stage {
  const PackedConvolution* convolution;
  PackedConvolution::RowWeights weights;
  MapRows rows;
  int64_t end;
};

// Moves the rows from `first` on to the front.
void KeepFrom(int64_t first, Stage& stage) {
  const at::Tensor& rows = stage.rows.rows;
  const int64_t width = rows.size(3), plane = rows.size(2) * width;
  const int64_t offset = (first - stage.rows.first) * width, kept = (stage.end - first) * width;
  if (offset == 0) return;
  float* numbers = rows.data_ptr<float>();
  for (int64_t c = 0; c < rows.size(1); ++c, numbers += plane) {
    std::memmove(numbers, numbers + offset, static_cast<size_t>(kept) * sizeof(float));
  }
  stage.rows.first = first;
}

struct MapSize {
  int64_t height, width;
};

MapSize OutputSize(const MapSize& in, const ConvOptions& options) {
  const auto size = [&](int64_t cells) {
    return (cells + 2 * options.padding - options.kernel) / options.stride + 1;
  };
  return {size(in.height), size(in.width)};
}

class Bands {
 public:
  // `rows` at a time of the last convolution, of which fewer than `kept` are kept.
  Bands(const std::vector<std::shared_ptr<Conv>>& convs, const Convolutions& convolutions,
        const at::Tensor& x, int64_t rows, int64_t kept)
      : x_{x, 0, x.size(2)} {
    MapSize size = {x.size(2), x.size(3)};
    for (size_t i = 0; i < convs.size(); ++i) {
      const auto later = static_cast<int64_t>(convs.size() - 1 - i);
      const int64_t capacity = rows + (later > 0 ? kTileRows * later + 1 : kept);
      const ConvOptions& options = convs[i]->options();
      size = OutputSize(size, options);
      stages_.push_back({convolutions[i],
                         convolutions[i]->PrepareRows(),
                         {at::empty({1, options.out_channels, capacity, size.width}, x.options()),
                          0, size.height},
                         0});
    }
  }

  // The rows of the last convolution from `first`, which have been kept, to `end` - 1.
  at::Tensor Next(int64_t first, int64_t end) {
    Stage& last = stages_.back();
    KeepFrom(first, last);
    ComputeTo(end, stages_.size() - 1);
    return last.rows.rows.narrow(2, 0, end - first);
  }

 private:
  void ComputeTo(int64_t end, size_t i) {
    Stage& stage = stages_[i];
    if (i > 0) {
      Stage& before = stages_[i - 1];
      const int64_t needed = std::min(RoundUp(end + 1), before.rows.height);
      if (before.end < needed) {
        KeepFrom(std::max<int64_t>(stage.end - 1, 0), before);
        ComputeTo(needed, i - 1);
      }
    }
    stage.convolution->RunRows(i > 0 ? stages_[i - 1].rows : x_, stage.end, end, stage.rows,
                               stage.weights);
    stage.end = end;
  }

  MapRows x_;
  std::vector<Stage> stages_;
};

// Returns the size of the last convolution's map.
MapSize RecordCalls(const std::vector<std::shared_ptr<Conv>>& convs, const at::Tensor& x) {
  MapSize size = {x.size(2), x.size(3)};
  for (const auto& conv : convs) {
    RecordLayerCall(*conv, {x.size(0), conv->options().in_channels, size.height, size.width});
    size = OutputSize(size, conv->options());
  }
  return size;
}

// The pooled rows that depend on none of a map's rows from `end` on.
int64_t CompleteRows(int64_t end, int64_t height, const MaxPoolOptions& pool) {
  if (end == height) return PooledSize(height, pool);
  const int64_t last = end + pool.padding - pool.kernel;
  return last < 0 ? 0 : last / pool.stride + 1;
}

at::Tensor ComputeInBands(const std::vector<std::shared_ptr<Conv>>& convs,
                          const Convolutions& convolutions, const MaxPoolOptions& pool,
                          const at::Tensor& x, int64_t rows) {
  const auto [height, width] = RecordCalls(convs, x);
  at::Tensor y = at::empty(
      {1, convs.back()->options().out_channels, PooledSize(height, pool), PooledSize(width, pool)},
      x.options());
  Bands bands(convs, convolutions, x, rows, pool.kernel);
  int64_t pooled = 0;
  for (int64_t begin = 0; begin < height; begin += rows) {
    const int64_t end = std::min(begin + rows, height);
    const int64_t first = std::max<int64_t>(pooled * pool.stride - pool.padding, 0);
    const at::Tensor band = bands.Next(first, end);
    const int64_t count = CompleteRows(end, height, pool) - pooled;
    if (count <= 0) continue;
    MaxPoolRows(band, first, height, pool, pooled, y.narrow(2, pooled, count));
    pooled += count;
  }
  return y;
}

bool IsThreeByThree(const Conv& conv) {
  const ConvOptions& options = conv.options();
  return options.kernel == 3 && options.stride == 1 && options.padding == 1;
}

// Windows without gaps, so that no row is skipped, and not of padding alone.
bool HasPlainWindows(const MaxPoolOptions& pool) {
  return pool.stride > 0 && pool.kernel >= pool.stride && pool.padding >= 0 &&
         2 * pool.padding <= pool.kernel;
}

// Empty unless all convolutions and the pool can be computed in bands.
Convolutions FindConvolutions(const std::vector<std::shared_ptr<Conv>>& convs,
                              const MaxPoolOptions& pool, const BatchMap& x) {
  if (!HasPlainWindows(pool)) return {};
  Convolutions convolutions;
  for (const auto& conv : convs) {
    const bool fits = convolutions.empty() || IsThreeByThree(*conv);
    const PackedConvolution* packed = fits ? conv->Packed(x) : nullptr;
    if (packed == nullptr || !packed->CanRunRows()) return {};
    convolutions.push_back(packed);
  }
  return convolutions;
}

bool HasBands(const std::vector<std::shared_ptr<Conv>>& convs, const MaxPoolOptions& pool,
              const at::Tensor& x, int64_t rows) {
  const ConvOptions& first = convs.front()->options();
  const bool is_map = x.dim() == 4 && x.size(0) == 1 && x.is_contiguous() && x.device().is_cpu() &&
                      x.scalar_type() == at::kFloat && x.size(1) == first.in_channels &&
                      x.size(3) > 1 &&
                      std::min(x.size(2), x.size(3)) + 2 * first.padding >= first.kernel;
  if (!is_map) return false;
  // The other convolutions keep the size.
  const MapSize size = OutputSize({x.size(2), x.size(3)}, first);
  return size.height >= 4 * rows && PooledSize(size.height, pool) > 0 &&
         PooledSize(size.width, pool) > 0;
}

}  // namespace

BatchMap ConvolveAndPool(const std::vector<std::shared_ptr<Conv>>& convs,
                         const MaxPoolOptions& pool, BatchMap x, int64_t band_rows) {
  const Convolutions convolutions = FindConvolutions(convs, pool, x);
  const bool bands = !convolutions.empty() &&
                     std::any_of(x.parts.begin(), x.parts.end(), [&](const at::Tensor& part) {
                       return HasBands(convs, pool, part, band_rows);
                     });
  if (!bands) {
    // Together: a norm in training looks at all parts.
    MaxPoolOptions options = pool;
    options.masks_gradient = LinksChain(convs, x);
    return MaxPool(ForwardChain(convs, std::move(x), options.masks_gradient), options);
  }
  for (at::Tensor& part : x.parts) {
    part = HasBands(convs, pool, part, band_rows)
               ? ComputeInBands(convs, convolutions, pool, part, band_rows)
               : ConvolveAndPool(convs, pool, BatchMap(part), band_rows).parts.front();
  }
  return x;
}

}  // namespace rcnn::detection
