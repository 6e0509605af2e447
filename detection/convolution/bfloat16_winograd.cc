// As winograd.cc, which explains the method and the two orders of the work. The differences:
// panels hold pairs of channels in bfloat16, so two channels are transformed together; and a block
// of 4 x 4 outputs has one tile of F(4 x 4, 3 x 3) or four of F(2 x 2, 3 x 3). A point of a tile of
// a block is called a unit here: there are 36 or 4 * 16 of them, and the four tiles share their
// weights. Sums are computed and transformed for some of the outputs at a time.
//
// By blocks, winograd.cc's order by tiles: a thread owns up to kMaxBlocks blocks from input to
// output and reads all transformed kernels U, 72 C K bytes. All of U is in memory if it is kept
// transformed, or if more than kSharingBlocks blocks share it and it takes at most kSharedBytes.
//
// By outputs, otherwise: the transformed inputs V of a group of blocks, 72 C bytes each, are
// computed first, in parts of kPartBlocks blocks. Then each thread takes its share of the row
// panels, transforms a few at a time (TransformPanels) and multiplies them with every part. The
// transformed kernels and the sums of a part, which it writes and reads again at once, are
// kOutputBytes at most and stay in its second-level cache. Threads share the channels of the inputs
// and the row panels of the outputs, which are many where the blocks are few: a map of 25 x 34 has
// 63 blocks.
//
// Kept kernels are halves (half.h) in the order in which TransformPanels reads them. Each is
// converted in a vector of sixteen output channels, with a vector of their scales, and lies in the
// first-level cache until it is transformed.
//
// Invariant: a sum runs over all pairs of channels in one call of `multiply`, and transforms do not
// depend on their neighbours, so both orders give the same bits.

#include "rcnn/detection/convolution/bfloat16_winograd.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "rcnn/detection/convolution/half.h"
#include "rcnn/detection/convolution/panel_product.h"
#include "rcnn/detection/convolution/tile_input.h"
#include "rcnn/detection/convolution/winograd_kernels.h"
#include "rcnn/detection/convolution/winograd_two_kernels.h"

namespace rcnn::detection {
namespace {

constexpr int64_t kLanes = kBfloat16Lanes;
// Blocks of 4 x 4 outputs that one thread processes at a time.
constexpr int64_t kMaxBlocks = 32;
// Row panels of outputs whose sums are computed together. Like the transformed inputs, they should
// stay in a core's second-level cache.
constexpr int64_t kSumPanels = 8;
// Floats of a cache line, by which units are farther apart than they need, as in winograd.cc.
constexpr int64_t kLine = 16;
// The same for panels of bfloat16, which lie at multiples of 64 bytes.
constexpr int64_t kNumbersOfLine = 2 * kLine;
// By outputs: bytes of the transformed inputs of a group of blocks, which all threads read.
constexpr int64_t kGroupBytes = int64_t{12} << 20;
// By outputs: blocks of a group whose sums are computed together.
constexpr int64_t kPartBlocks = 64;
// By outputs: bytes of the transformed kernels and sums of a thread. Less than a second-level cache
// of a megabyte.
constexpr int64_t kOutputBytes = int64_t{896} << 10;
// By outputs: channels of a part that one task transforms; even.
constexpr int64_t kTaskChannels = 64;
// Pairs of channels whose kernels are transformed together.
constexpr int64_t kKernelPairs = 8;
// More blocks share all transformed kernels, unless these take more bytes.
constexpr int64_t kSharingBlocks = 512;
constexpr int64_t kSharedBytes = int64_t{8} << 20;

int64_t RoundUp(int64_t count, int64_t unit) { return NumPanels(count, unit) * unit; }

// Blocks of a group, whose transformed inputs take `bytes` each: as many as kGroupBytes allow, and
// as many in each group.
int64_t BlocksPerGroup(int64_t total, int64_t bytes) {
  const int64_t most = std::max(kPartBlocks, kGroupBytes / bytes / kPartBlocks * kPartBlocks);
  const int64_t even = NumPanels(total, NumPanels(total, most));
  return std::min(RoundUp(even, kPartBlocks), RoundUp(total, kLanes));
}

// Row panels of `size` numbers that a thread transforms together, by outputs, and multiplies with
// parts of `part` blocks.
int64_t OutputPanels(int64_t size, int64_t part) {
  const auto weights = size * static_cast<int64_t>(sizeof(Bfloat16));
  const auto sums = kLanes * part * static_cast<int64_t>(sizeof(float));
  return std::max<int64_t>(1, kOutputBytes / (kTilePoints * (weights + sums)));
}

// Of the finite numbers, so that an infinite one leaves the others theirs; 0 if there are none.
float LargestMagnitude(const float* numbers, int64_t count) {
  float largest = 0;
  for (int64_t i = 0; i < count; ++i) {
    if (std::isfinite(numbers[i])) largest = std::max(largest, std::abs(numbers[i]));
  }
  return largest;
}

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

// Row panels [first, end) of transformed kernels; panel p of point t is at
// numbers + t * stride + (p - first) * PanelSize().
struct Bfloat16Winograd::Weights {
  const Bfloat16* numbers;
  int64_t stride;
  int64_t first, end;
};

// The transformed inputs of some blocks: [units, panels, pairs, 16, 2], with units `stride` numbers
// apart.
struct Bfloat16Winograd::Inputs {
  std::vector<TileSegment> segments;
  int64_t panels;
  Bfloat16* numbers;
  int64_t stride;
};

// What a thread needs to transform the inputs of up to `blocks` blocks, a multiple of 16.
class Bfloat16Winograd::InputScratch {
 public:
  InputScratch(const Method& method, int64_t blocks)
      : even(method.transforms, blocks),
        odd(method.transforms, blocks),
        even_points(AllocateFloats(method.units() * kLanes)),
        odd_points(AllocateFloats(method.units() * kLanes)) {}

  TileInput even, odd;                    // of two channels
  AlignedFloats even_points, odd_points;  // [units, 16]
};

// A thread's memory for the sums of up to `rows` outputs of up to `blocks` blocks; `blocks` is a
// multiple of 16.
class Bfloat16Winograd::Sums {
 public:
  Sums(const Method& method, int64_t rows, int64_t blocks)
      : blocks(blocks),
        stride(rows * blocks + kLine),
        sums(AllocateFloats(method.units() * stride)),
        outputs(AllocateFloats(kTileOut * kTileOut * blocks)) {}

  const int64_t blocks;
  const int64_t stride;   // floats between units
  AlignedFloats sums;     // [units, rows, blocks]
  AlignedFloats outputs;  // [4, 4 blocks], one channel
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
  if (kept == WinogradWeights::kTransformed) {
    const int64_t count = method_.points * NumRowPanels() * PanelSize();
    weight_ = is_stored ? PackedPanels<Bfloat16>(stored, count)
                        : PackedPanels<Bfloat16>(PackWeights(weight, count), count);
  } else {
    kept_kernels_ = is_stored ? PackedPanels<Half>(stored, KeptSize())
                              : PackedPanels<Half>(PackKernels(weight), KeptSize());
  }
}

// Missing rows and channels are zeros.
void Bfloat16Winograd::PackKernelPanel(const float* weight, int64_t panel, Half* packed) const {
  const int64_t pairs = NumPairs(in_channels_), row = 9 * in_channels_, first = panel * kLanes;
  float scales[kLanes], inverses[kLanes];
  for (int64_t l = 0; l < kLanes; ++l) {
    const int64_t k = first + l;
    scales[l] = k < out_channels_ ? HalfScale(LargestMagnitude(weight + k * row, row)) : 1.0f;
    inverses[l] = 1 / scales[l];
  }
  static_assert(sizeof(inverses) == kScaleNumbers * sizeof(Half), "the room for the scales");
  std::memcpy(packed, inverses, sizeof(inverses));
  packed += kScaleNumbers;
  float vectors[9 * 2 * kKernelPairs * kLanes];
  for (int64_t p = 0; p < pairs; p += kKernelPairs) {
    const int64_t some = std::min(kKernelPairs, pairs - p), count = 9 * 2 * some;
    float* to = vectors;
    for (int64_t i = 0; i < count; ++i) {
      const int64_t e = i / (2 * some), c = 2 * (p + i % some) + i / some % 2;
      for (int64_t k = first; k < first + kLanes; ++k) {
        *to++ = k < out_channels_ && c < in_channels_ ? weight[k * row + 9 * c + e] : 0.0f;
      }
    }
    kernels_.pack_halves(vectors, scales, count, packed);
    packed += count * kLanes;
  }
}

AlignedBfloat16s Bfloat16Winograd::PackKernels(const float* weight) const {
  AlignedBfloat16s packed = AllocateLastingBfloat16s(KeptSize());
  at::parallel_for(0, NumRowPanels(), 1, [&](int64_t begin, int64_t end) {
    for (int64_t panel = begin; panel < end; ++panel) {
      PackKernelPanel(weight, panel, &packed[panel * KeptPanelSize()]);
    }
  });
  return packed;
}

// Some pairs at a time, whose transforms stay in the cache before they are rounded.
void Bfloat16Winograd::TransformPanels(int64_t first, int64_t end, Bfloat16* weights,
                                       int64_t stride) const {
  const int64_t pairs = NumPairs(in_channels_), points = 2 * kKernelPairs * kLanes + kLine;
  const AlignedFloats kernels = AllocateFloats(9 * 2 * kKernelPairs * kLanes);
  const AlignedFloats transformed = AllocateFloats(kTilePoints * points);
  for (int64_t panel = first; panel < end; ++panel, weights += PanelSize()) {
    const Half* kept = &kept_kernels_[panel * KeptPanelSize()];
    float scales[kLanes];
    std::memcpy(scales, kept, sizeof(scales));
    kept += kScaleNumbers;
    for (int64_t p = 0; p < pairs; p += kKernelPairs) {
      const int64_t some = std::min(kKernelPairs, pairs - p), count = 2 * some * kLanes;
      kernels_.unpack_halves(kept, scales, 9 * 2 * some, &kernels[0]);
      kept += 9 * count;
      TransformKernelElements(&kernels[0], count, count, &transformed[0], points);
      for (int64_t t = 0; t < kTilePoints; ++t) {
        const float* point = &transformed[t * points];
        kernels_.pack_pairs(point, point + count / 2, some, weights + t * stride + 2 * kLanes * p,
                            2 * kLanes);
      }
    }
  }
}

AlignedBfloat16s Bfloat16Winograd::TransformAll() const {
  const int64_t panels = NumRowPanels(), size = PanelSize();
  AlignedBfloat16s weights = AllocateBfloat16s(kTilePoints * panels * size);
  at::parallel_for(0, panels, 1, [&](int64_t begin, int64_t end) {
    TransformPanels(begin, end, &weights[begin * size], panels * size);
  });
  return weights;
}

AlignedBfloat16s Bfloat16Winograd::PackWeights(const float* weight, int64_t count) const {
  const int64_t panels = NumRowPanels(), size = PanelSize();
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

// Of the last pair of an odd number of channels the second is zeros: the numbers of an earlier
// channel might be NaN, whose products with the zeros of the weights are not zero.
void Bfloat16Winograd::TransformInput(const TileJob& job, const Inputs& inputs, int64_t begin,
                                      int64_t end, InputScratch& scratch) const {
  scratch.even.SetTiles(job.grid, inputs.segments);
  scratch.odd.SetTiles(job.grid, inputs.segments);
  for (int64_t c = begin; c < end; c += 2) {
    const bool has_odd = c + 1 < in_channels_;
    scratch.even.SetChannel(job.x, in_channels_, c);
    if (has_odd) {
      scratch.odd.SetChannel(job.x, in_channels_, c + 1);
    } else {
      std::fill_n(&scratch.odd_points[0], method_.units() * kLanes, 0.0f);
    }
    for (int64_t p = 0; p < inputs.panels; ++p) {
      scratch.even.Transform(p, &scratch.even_points[0], kLanes);
      if (has_odd) scratch.odd.Transform(p, &scratch.odd_points[0], kLanes);
      kernels_.pack_pairs(&scratch.even_points[0], &scratch.odd_points[0], method_.units(),
                          inputs.numbers + p * PanelSize() + kLanes * c, inputs.stride);
    }
  }
}

void Bfloat16Winograd::Multiply(const Weights& weights, const Inputs& inputs, Sums& sums) const {
  const int64_t pairs = NumPairs(in_channels_), size = PanelSize();
  for (int64_t t = 0; t < method_.points; ++t) {
    const Bfloat16* weight = weights.numbers + t * weights.stride;
    for (int64_t row = 0; row < (weights.end - weights.first) * kLanes; row += kLanes) {
      for (int64_t unit = t; unit < method_.units(); unit += method_.points) {
        const Bfloat16* columns = inputs.numbers + unit * inputs.stride;
        float* out = &sums.sums[unit * sums.stride + row * sums.blocks];
        for (int64_t p = 0; p < inputs.panels; ++p) {
          kernels_.multiply(weight, columns + p * size, pairs, {}, out + p * kLanes, sums.blocks);
        }
      }
      weight += size;
    }
  }
}

void Bfloat16Winograd::TransformOutput(const TileJob& job, const Weights& weights,
                                       const Inputs& inputs, Sums& sums) const {
  const int64_t row_stride = kTileOut * sums.blocks, first = weights.first * kLanes;
  for (int64_t k = first; k < std::min(weights.end * kLanes, out_channels_); ++k) {
    const float* row = &sums.sums[(k - first) * sums.blocks];
    for (int64_t p = 0; p < inputs.panels * kLanes; p += kTileGroup) {
      method_.transforms.transform_output(row + p, sums.stride, bias_[k], relu_,
                                          &sums.outputs[kTileOut * p], row_stride);
    }
    WriteTiles(&sums.outputs[0], row_stride, out_channels_, k, job.grid, inputs.segments, job.y);
  }
}

void Bfloat16Winograd::RunByBlocks(const TileJob& job, const Bfloat16* weights) const {
  const int64_t total = job.end - job.begin, panels = NumRowPanels(), size = PanelSize();
  const int64_t blocks = TilesPerBlock(total, std::max(1, at::get_num_threads()), kMaxBlocks);
  at::parallel_for(0, NumPanels(total, blocks), 1, [&](int64_t begin, int64_t end) {
    const int64_t stride = NumPanels(blocks, kLanes) * size + kNumbersOfLine;
    const AlignedBfloat16s transformed = AllocateBfloat16s(method_.units() * stride);
    InputScratch scratch(method_, kMaxBlocks);
    Sums sums(method_, kSumPanels * kLanes, blocks);
    for (int64_t i = begin; i < end; ++i) {
      const int64_t first = job.begin + i * blocks, last = std::min(first + blocks, job.end);
      const Inputs inputs = {job.grid.Segments(first, last), NumPanels(last - first, kLanes),
                             &transformed[0], stride};
      TransformInput(job, inputs, 0, in_channels_, scratch);
      for (int64_t k = 0; k < panels; k += kSumPanels) {
        const Weights some = {weights + k * size, panels * size, k,
                              std::min(k + kSumPanels, panels)};
        Multiply(some, inputs, sums);
        TransformOutput(job, some, inputs, sums);
      }
    }
  });
}

// The blocks of a job that is one group. A task of the first step is some channels of a part, and
// those of all parts follow each other, so that threads share the channels.
void Bfloat16Winograd::RunGroup(const TileJob& job, int64_t part, Bfloat16* transformed) const {
  const int64_t size = PanelSize();
  std::vector<Inputs> parts;
  for (int64_t first = job.begin; first < job.end; first += part) {
    const int64_t end = std::min(first + part, job.end), panels = NumPanels(end - first, kLanes);
    const int64_t stride = panels * size + kNumbersOfLine;
    parts.push_back({job.grid.Segments(first, end), panels, transformed, stride});
    transformed += kTilePoints * stride;
  }
  const auto count = static_cast<int64_t>(parts.size());
  const int64_t tasks = count * NumPanels(in_channels_, kTaskChannels);
  at::parallel_for(0, tasks, 1, [&](int64_t begin, int64_t end) {
    InputScratch scratch(method_, kPartBlocks);
    for (int64_t i = begin; i < end; ++i) {
      const int64_t channel = i / count * kTaskChannels;
      TransformInput(job, parts[i % count], channel,
                     std::min(channel + kTaskChannels, in_channels_), scratch);
    }
  });
  const int64_t panels = OutputPanels(size, part);
  at::parallel_for(0, NumRowPanels(), 1, [&](int64_t begin, int64_t end) {
    const int64_t stride = panels * size + kNumbersOfLine;
    const AlignedBfloat16s weights = AllocateBfloat16s(kTilePoints * stride);
    Sums sums(method_, panels * kLanes, part);
    for (int64_t k = begin; k < end; k += panels) {
      const Weights some = {&weights[0], stride, k, std::min(k + panels, end)};
      TransformPanels(some.first, some.end, &weights[0], stride);
      for (const Inputs& inputs : parts) {
        Multiply(some, inputs, sums);
        TransformOutput(job, some, inputs, sums);
      }
    }
  });
}

void Bfloat16Winograd::RunByOutputs(const TileJob& job) const {
  const int64_t size = PanelSize(), panel_bytes = size * static_cast<int64_t>(sizeof(Bfloat16));
  const int64_t group = BlocksPerGroup(job.end - job.begin, kTilePoints * panel_bytes / kLanes);
  const int64_t part = std::min(kPartBlocks, group);
  const AlignedBfloat16s transformed = AllocateBfloat16s(
      kTilePoints * (NumPanels(group, kLanes) * size + NumPanels(group, part) * kNumbersOfLine));
  for (int64_t begin = job.begin; begin < job.end; begin += group) {
    RunGroup({job.x, job.grid, begin, std::min(begin + group, job.end), job.y}, part,
             &transformed[0]);
  }
}

void Bfloat16Winograd::RunJob(const TileJob& job) const {
  if (job.begin == job.end) return;
  if (kept_ == WinogradWeights::kTransformed) {
    RunByBlocks(job, &weight_[0]);
    return;
  }
  const int64_t bytes =
      kTilePoints * NumRowPanels() * PanelSize() * static_cast<int64_t>(sizeof(Bfloat16));
  if (job.end - job.begin > kSharingBlocks && bytes <= kSharedBytes) {
    RunByBlocks(job, &TransformAll()[0]);
  } else {
    RunByOutputs(job);
  }
}

void Bfloat16Winograd::Run(const float* x, int64_t batch, int64_t height, int64_t width,
                           float* y) const {
  RunJob(JobOfMaps(x, batch, height, width, y));
}

AlignedBfloat16s Bfloat16Winograd::TransformForRows() const {
  return kept_ == WinogradWeights::kTransformed ? AlignedBfloat16s() : TransformAll();
}

void Bfloat16Winograd::RunRows(const float* x, int64_t height, int64_t width,
                               const WinogradRows& rows, float* y,
                               const Bfloat16* transformed) const {
  const TileJob job = JobOfRows(x, height, width, rows, y);
  if (transformed == nullptr) {
    RunJob(job);
  } else if (job.begin < job.end) {
    RunByBlocks(job, transformed);
  }
}

}  // namespace rcnn::detection
