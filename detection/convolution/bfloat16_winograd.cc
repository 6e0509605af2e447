// As winograd.cc, which explains the method and the order of the work. The differences: panels hold
// pairs of channels in bfloat16, so two channels are transformed together; and a block of 4 x 4
// outputs has one tile of F(4 x 4, 3 x 3) or four of F(2 x 2, 3 x 3). A point of a tile of a block
// is called a unit here: there are 36 or 4 * 16 of them, and the four tiles share their weights.
// Sums are computed and transformed for some of the outputs at a time.

#include "rcnn/detection/convolution/bfloat16_winograd.h"

#include <ATen/Parallel.h>

#include <algorithm>

#include "rcnn/detection/convolution/panel_product.h"
#include "rcnn/detection/convolution/tile_input.h"
#include "rcnn/detection/convolution/winograd_kernels.h"
#include "rcnn/detection/convolution/winograd_two_kernels.h"

namespace rcnn::detection {
namespace {

constexpr int64_t kLanes = kBfloat16Lanes;
// Blocks of 4 x 4 outputs that one thread processes at a time.
constexpr int64_t kMaxBlocks = 32;
// Outputs whose sums are computed together. Like the transformed inputs, they should stay in a
// core's second-level cache.
constexpr int64_t kSumRows = 128;
// Floats of a cache line, by which units are farther apart than they need, as in winograd.cc.
constexpr int64_t kLine = 16;

}  // namespace

Bfloat16Winograd::Method Bfloat16Winograd::GetMethod(WinogradTile tile) {
  const InstructionLevel level = CurrentInstructionLevel();
  if (tile == WinogradTile::kFour) {
    return {kTilePoints, 1, TransformKernels, *GetWinogradKernels(level)};
  }
  const WinogradKernels transforms = {level, TransformInputBlocksTwo, nullptr,
                                      TransformOutputBlocksTwo};
  return {kTwoPoints, kTwoTiles, TransformKernelsTwo, transforms};
}

// A thread's memory for up to `blocks` blocks, a multiple of 16.
class Bfloat16Winograd::Scratch {
 public:
  Scratch(const Method& method, int64_t pairs, int64_t sum_rows, int64_t blocks)
      : blocks(blocks),
        sum_rows(sum_rows),
        panel(Bfloat16PanelSize(pairs)),
        input_stride(panels() * panel + 2 * kLine),
        sum_stride(sum_rows * blocks + kLine),
        even(method.transforms, kMaxBlocks),
        odd(method.transforms, kMaxBlocks),
        even_points(AllocateFloats(method.units() * kLanes)),
        odd_points(AllocateFloats(method.units() * kLanes)),
        inputs(AllocateBfloat16s(method.units() * input_stride)),
        sums(AllocateFloats(method.units() * sum_stride)),
        outputs(AllocateFloats(kTileOut * kTileOut * blocks)) {
    std::fill_n(&odd_points[0], method.units() * kLanes, 0.0f);
  }

  int64_t panels() const { return blocks / kLanes; }

  const int64_t blocks;
  const int64_t sum_rows;
  const int64_t panel;  // numbers of a column panel
  // Numbers between units.
  const int64_t input_stride, sum_stride;
  TileInput even, odd;                    // of two channels
  AlignedFloats even_points, odd_points;  // [units, 16]
  AlignedBfloat16s inputs;                // [units, panels, pairs, 16, 2]
  AlignedFloats sums;                     // [units, sum_rows, blocks]
  AlignedFloats outputs;                  // [4, 4 blocks], one channel
};

Bfloat16Winograd::Bfloat16Winograd(const float* weight, const float* bias, int64_t out_channels,
                                   int64_t in_channels, bool relu, WinogradTile tile,
                                   const StoredPanels& stored, WinogradWeights kept)
    : kernels_(GetBfloat16Kernels(CurrentInstructionLevel())),
      method_(GetMethod(tile)),
      out_channels_(out_channels),
      in_channels_(in_channels),
      relu_(relu),
      kept_(kept),
      bias_(out_channels) {
  if (bias != nullptr) bias_.assign(bias, bias + out_channels);
  const bool is_stored = stored.data != nullptr;
  const int64_t size = NumRowPanels() * RowPanelSize();
  if (kept == WinogradWeights::kTransformed) {
    const int64_t count = method_.points * size;
    weight_ = is_stored ? PackedPanels<Bfloat16>(stored, count)
                        : PackedPanels<Bfloat16>(PackWeights(weight, count), count);
  } else {
    kept_kernels_ = is_stored ? PackedPanels<float>(stored, 9 * size)
                              : PackedPanels<float>(PackKernels(weight, 9 * size), 9 * size);
  }
}

AlignedFloats Bfloat16Winograd::PackKernels(const float* weight, int64_t count) const {
  const int64_t pairs = NumPairs(in_channels_), row = 9 * in_channels_;
  AlignedFloats packed = AllocateLastingFloats(count);
  float* to = &packed[0];
  for (int64_t first = 0; first < out_channels_; first += kLanes) {
    for (int64_t i = 0; i < 9 * 2 * pairs; ++i) {
      const int64_t e = i / (2 * pairs), c = i % pairs * 2 + i / pairs % 2;
      for (int64_t k = first; k < first + kLanes; ++k) {
        *to++ = k < out_channels_ && c < in_channels_ ? weight[k * row + 9 * c + e] : 0.0f;
      }
    }
  }
  return packed;
}

AlignedBfloat16s Bfloat16Winograd::TransformKept() const {
  const int64_t panels = NumRowPanels(), size = RowPanelSize(), pairs = NumPairs(in_channels_);
  AlignedBfloat16s weights = AllocateBfloat16s(method_.points * panels * size);
  at::parallel_for(0, panels, 1, [&](int64_t begin, int64_t end) {
    const int64_t stride = size + kLine;
    const AlignedFloats transformed = AllocateFloats(method_.points * stride);
    for (int64_t i = begin; i < end; ++i) {
      TransformKernelElements(&kept_kernels_[9 * i * size], size, size, &transformed[0], stride);
      for (int64_t t = 0; t < method_.points; ++t) {
        const float* even = &transformed[t * stride];
        kernels_.pack_pairs(even, even + size / 2, pairs, &weights[(t * panels + i) * size],
                            2 * kLanes);
      }
    }
  });
  return weights;
}

AlignedBfloat16s Bfloat16Winograd::PackWeights(const float* weight, int64_t count) const {
  const int64_t panels = NumPanels(out_channels_, kLanes);
  const int64_t size = Bfloat16PanelSize(NumPairs(in_channels_));
  AlignedBfloat16s packed = AllocateLastingBfloat16s(count);
  const int64_t stride = NumPanels(kLanes * in_channels_, 2 * kLine) * 2 * kLine + kLine;
  at::parallel_for(0, panels, 1, [&](int64_t begin, int64_t end) {
    const AlignedFloats transformed = AllocateFloats(method_.points * stride);
    for (int64_t i = begin; i < end; ++i) {
      const int64_t rows = std::min(kLanes, out_channels_ - i * kLanes);
      method_.transform_kernels(weight + 9 * i * kLanes * in_channels_, rows * in_channels_,
                                &transformed[0], stride);
      for (int64_t t = 0; t < method_.points; ++t) {
        kernels_.pack_rows(&transformed[t * stride], in_channels_, rows, in_channels_,
                           &packed[(t * panels + i) * size]);
      }
    }
  });
  return packed;
}

// Of the last pair of an odd number of channels only the first is transformed; the zeros of the
// other are multiplied by zeros of the weights.
void Bfloat16Winograd::TransformInput(const float* x, const TileGrid& tiles,
                                      const std::vector<TileSegment>& segments,
                                      Scratch& scratch) const {
  scratch.even.SetTiles(tiles, segments);
  scratch.odd.SetTiles(tiles, segments);
  for (int64_t c = 0; c < in_channels_; c += 2) {
    const bool has_odd = c + 1 < in_channels_;
    scratch.even.SetChannel(x, in_channels_, c);
    if (has_odd) scratch.odd.SetChannel(x, in_channels_, c + 1);
    for (int64_t p = 0; p < scratch.panels(); ++p) {
      scratch.even.Transform(p, &scratch.even_points[0], kLanes);
      if (has_odd) scratch.odd.Transform(p, &scratch.odd_points[0], kLanes);
      kernels_.pack_pairs(&scratch.even_points[0], &scratch.odd_points[0], method_.units(),
                          &scratch.inputs[p * scratch.panel + kLanes * c], scratch.input_stride);
    }
  }
}

void Bfloat16Winograd::Multiply(const Bfloat16* weights, int64_t first, Scratch& scratch) const {
  const int64_t pairs = NumPairs(in_channels_), panels = NumRowPanels();
  const int64_t end = std::min(first + scratch.sum_rows, panels * kLanes);
  for (int64_t t = 0; t < method_.points; ++t) {
    for (int64_t k = first; k < end; k += kLanes) {
      const Bfloat16* weight = weights + (t * panels + k / kLanes) * scratch.panel;
      for (int64_t unit = t; unit < method_.units(); unit += method_.points) {
        const Bfloat16* inputs = &scratch.inputs[unit * scratch.input_stride];
        float* sums = &scratch.sums[unit * scratch.sum_stride + (k - first) * scratch.blocks];
        for (int64_t p = 0; p < scratch.panels(); ++p) {
          kernels_.multiply(weight, inputs + p * scratch.panel, pairs, {}, sums + p * kLanes,
                            scratch.blocks);
        }
      }
    }
  }
}

void Bfloat16Winograd::TransformOutput(const TileGrid& tiles,
                                       const std::vector<TileSegment>& segments, int64_t first,
                                       Scratch& scratch, float* y) const {
  const int64_t row_stride = kTileOut * scratch.blocks;
  for (int64_t k = first; k < std::min(first + scratch.sum_rows, out_channels_); ++k) {
    const float* sums = &scratch.sums[(k - first) * scratch.blocks];
    for (int64_t p = 0; p < scratch.blocks; p += kTileGroup) {
      method_.transforms.transform_output(sums + p, scratch.sum_stride, bias_[k], relu_,
                                          &scratch.outputs[kTileOut * p], row_stride);
    }
    WriteTiles(&scratch.outputs[0], row_stride, out_channels_, k, tiles, segments, y);
  }
}

void Bfloat16Winograd::RunBlocks(const float* x, const TileGrid& tiles, int64_t first, int64_t last,
                                 float* y, const Bfloat16* transformed) const {
  if (first == last) return;
  const Bfloat16* weights = transformed != nullptr ? transformed : &weight_[0];
  const int64_t size = TilesPerBlock(last - first, std::max(1, at::get_num_threads()), kMaxBlocks);
  at::parallel_for(0, NumPanels(last - first, size), 1, [&](int64_t begin, int64_t end) {
    Scratch scratch(method_, NumPairs(in_channels_), kSumRows, size);
    for (int64_t i = begin; i < end; ++i) {
      const int64_t block = first + i * size;
      const auto segments = tiles.Segments(block, std::min(block + size, last));
      TransformInput(x, tiles, segments, scratch);
      for (int64_t k = 0; k < out_channels_; k += kSumRows) {
        Multiply(weights, k, scratch);
        TransformOutput(tiles, segments, k, scratch, y);
      }
    }
  });
}

void Bfloat16Winograd::Run(const float* x, int64_t batch, int64_t height, int64_t width,
                           float* y) const {
  const TileGrid tiles(batch, height, width);
  if (tiles.total == 0) return;
  const AlignedBfloat16s transformed = TransformForRows();
  RunBlocks(x, tiles, 0, tiles.total, y, transformed.get());
}

AlignedBfloat16s Bfloat16Winograd::TransformForRows() const {
  return kept_ == WinogradWeights::kTransformed ? AlignedBfloat16s() : TransformKept();
}

void Bfloat16Winograd::RunRows(const float* x, int64_t height, int64_t width,
                               const WinogradRows& rows, float* y,
                               const Bfloat16* transformed) const {
  TileGrid tiles(1, height, width);
  tiles.input_rows = rows.input;
  tiles.output_rows = rows.output;
  const AlignedBfloat16s own = transformed == nullptr ? TransformForRows() : AlignedBfloat16s();
  RunBlocks(x, tiles, rows.begin / kTileOut * tiles.columns,
            NumPanels(rows.end, kTileOut) * tiles.columns, y,
            transformed == nullptr ? own.get() : transformed);
}

}  // namespace rcnn::detection
