// The idea: a tile of 4 x 4 outputs depends on 6 x 6 inputs d and a kernel g, and is a product of
// polynomials in two variables. Evaluated at 6 x 6 points, the product takes 36 multiplications
// instead of the 16 * 9 = 144 of the convolution itself.
//
//   Y = At [ (G g Gt) . (Bt d B) ] A            Lavin and Gray, Eq. 8; . is element by element
//
// Summed over C input channels the middle is, for each of the 36 points t, a matrix product
//
//   M[t] [K, P] = U[t] [K, C] V[t] [C, P]       U = G g Gt, V = Bt d B, P tiles
//
// and G, B and A (winograd_kernels.cc) are applied once per kernel, per input and per output. There
// are C K P multiplications per point but only (C + K) P transforms, so the products take most of
// the time.
//
// Layout and invariants:
//   U  Weights, row panels of outputs for each point: computed once, or in each Run
//   V  Inputs, column panels of kPanelColumns tiles for each point
//   M  Sums, of some row panels at a time
//   A block is at most kMaxTiles tiles of any rows and images, cut into segments of a row. Columns
//   of V beyond the last tile are computed and never written out; rows of U beyond K are zero.
//   A tile's results are the same bits in any block and on any thread.
//
// Two orders of the work. By tiles: a thread owns a block from input to output. V and M of a block,
// 36 * 32 floats = 4.5 KiB per channel each, stay in a core's share of the cache between the three
// steps, and all of U, 144 C K bytes, is streamed once per block. By outputs, where U is larger
// than the caches or there are few tiles to share its transform: V of a group of blocks is computed
// first; then a thread transforms the kernels of a few outputs, which stay in the cache, and
// multiplies them with all of V. This reads a quarter of the bytes, from kernels of 36 C K.
//
// The transforms of inputs and outputs work on sixteen tiles at once, one per lane.
//
// Source: Lavin and Gray, arXiv:1509.09308v2, Sec. 4.

#include "rcnn/detection/convolution/winograd.h"

#include <ATen/Parallel.h>

#include <algorithm>

namespace rcnn::detection {
namespace {

// Tiles that one thread processes at a time: their transforms stay in its share of the cache.
constexpr int64_t kMaxTiles = 32;
// Row panels of outputs whose sums are computed together, for the same reason.
constexpr int64_t kSumPanels = 8;
// A cache line. Points are one more line apart than they need: at a power of two they would map to
// the same cache sets.
constexpr int64_t kLine = 16;
// By outputs: bytes of the transformed inputs of a group of tiles, which all threads read.
constexpr int64_t kGroupBytes = int64_t{16} << 20;
// By outputs: rows whose kernels a thread transforms together.
constexpr int64_t kOutputRows = 32;
// Channels of a block that one task transforms.
constexpr int64_t kTaskChannels = 64;
// More tiles share all transformed kernels, unless these take more bytes.
constexpr int64_t kSharingTiles = 512;
constexpr int64_t kSharedBytes = int64_t{16} << 20;

int64_t RoundUp(int64_t count, int64_t unit) { return NumPanels(count, unit) * unit; }

// Tiles of a group: as many as kGroupBytes allow, and as many in each group.
int64_t TilesPerGroup(int64_t total, int64_t in_channels) {
  const int64_t bytes = kTilePoints * in_channels * static_cast<int64_t>(sizeof(float));
  const int64_t most = std::max(kMaxTiles, kGroupBytes / bytes / kMaxTiles * kMaxTiles);
  return RoundUp(NumPanels(total, NumPanels(total, most)), kMaxTiles);
}

// Element e of kernel r, of `count` that lie `stride` floats apart, to elements[e * rows + r].
// `turned`: by 180 degrees, which reverses the elements.
void CutKernels(const float* kernels, int64_t stride, int64_t count, bool turned, int64_t rows,
                float* elements) {
  for (int64_t r = 0; r < count; ++r, kernels += stride) {
    for (int64_t e = 0; e < 9; ++e) elements[e * rows + r] = kernels[turned ? 8 - e : e];
  }
}

}  // namespace

// Row panels [first, end) of transformed kernels; panel p of point t is at
// floats + t * stride + (p - first) * RowPanelSize().
struct WinogradConvolution::Weights {
  const float* floats;
  int64_t stride;
  int64_t first, end;
};

// The transformed inputs of a block: [36, panels, in_channels, kPanelColumns], with points `stride`
// floats apart.
struct WinogradConvolution::Inputs {
  std::vector<TileSegment> segments;
  int64_t panels;
  float* floats;
  int64_t stride;
};

// A thread's memory for the sums of up to `rows` outputs of up to `tiles` tiles, a multiple of
// kPanelColumns.
class WinogradConvolution::Sums {
 public:
  Sums(int64_t rows, int64_t tiles)
      : tiles(tiles),
        stride(rows * tiles + kLine),
        sums(AllocateFloats(kTilePoints * stride)),
        outputs(AllocateFloats(kTileOut * kTileOut * tiles)) {}

  const int64_t tiles;
  const int64_t stride;   // floats between points
  AlignedFloats sums;     // [36, rows, tiles]
  AlignedFloats outputs;  // [4, 4 tiles], one channel
};

WinogradConvolution::WinogradConvolution(const float* bias, int64_t out_channels,
                                         int64_t in_channels, bool relu, WinogradWeights kept)
    : kernel_(CurrentPanelKernel()),
      transforms_(*GetWinogradKernels(CurrentInstructionLevel())),
      out_channels_(out_channels),
      in_channels_(in_channels),
      relu_(relu),
      kept_(kept),
      bias_(out_channels) {
  if (bias != nullptr) bias_.assign(bias, bias + out_channels);
}

WinogradConvolution::WinogradConvolution(const float* weight, const float* bias,
                                         int64_t out_channels, int64_t in_channels, bool relu,
                                         const StoredPanels& stored, WinogradWeights kept)
    : WinogradConvolution(bias, out_channels, in_channels, relu, kept) {
  const int64_t count = NumWeights();
  if (stored.data != nullptr) {
    weight_ = PackedPanels<float>(stored, count);
  } else if (kept == WinogradWeights::kTransformed) {
    weight_ = PackedPanels<float>(PackTransformed(weight), count);
  } else {
    weight_ = PackedPanels<float>(
        PackKernels(weight, KernelOrder::kForward, AllocateLastingFloats(count)), count);
  }
}

WinogradConvolution WinogradConvolution::ForOneRun(const float* weight, KernelOrder order,
                                                   const float* bias, int64_t out_channels,
                                                   int64_t in_channels, bool relu) {
  WinogradConvolution convolution(bias, out_channels, in_channels, relu, WinogradWeights::kKernels);
  const int64_t count = convolution.NumWeights();
  convolution.weight_ =
      PackedPanels<float>(convolution.PackKernels(weight, order, AllocateFloats(count)), count);
  return convolution;
}

int64_t WinogradConvolution::NumWeights() const {
  const int64_t numbers = kept_ == WinogradWeights::kTransformed ? kTilePoints : 9;
  return numbers * NumRowPanels() * RowPanelSize();
}

AlignedFloats WinogradConvolution::PackTransformed(const float* weight) const {
  const int64_t panel_rows = kernel_.rows, panels = NumRowPanels(), panel_size = RowPanelSize();
  AlignedFloats packed = AllocateLastingFloats(NumWeights());
  const int64_t stride = RoundUp(panel_size, 2 * kLine) + kLine;
  at::parallel_for(0, panels, 1, [&](int64_t begin, int64_t end) {
    const AlignedFloats transformed = AllocateFloats(kTilePoints * stride);
    for (int64_t panel = begin; panel < end; ++panel) {
      const int64_t rows = std::min(panel_rows, out_channels_ - panel * panel_rows);
      TransformKernels(weight + 9 * panel * panel_size, rows * in_channels_, &transformed[0],
                       stride);
      for (int64_t t = 0; t < kTilePoints; ++t) {
        PackRows(&transformed[t * stride], rows, in_channels_, in_channels_, panel_rows,
                 &packed[(t * panels + panel) * panel_size]);
      }
    }
  });
  return packed;
}

AlignedFloats WinogradConvolution::PackKernels(const float* weight, KernelOrder order,
                                               AlignedFloats packed) const {
  const int64_t rows = kernel_.rows;
  const bool turned = order == KernelOrder::kInputGradient;
  const int64_t of_output = turned ? 1 : in_channels_, of_input = turned ? out_channels_ : 1;
  at::parallel_for(0, NumRowPanels(), 1, [&](int64_t begin, int64_t end) {
    for (int64_t panel = begin; panel < end; ++panel) {
      const int64_t first = panel * rows, count = std::min(rows, out_channels_ - first);
      float* to = &packed[9 * panel * RowPanelSize()];
      float elements[9 * kMaxPanelRows] = {};  // missing rows are 0
      for (int64_t c = 0; c < in_channels_; ++c) {
        CutKernels(weight + 9 * (first * of_output + c * of_input), 9 * of_output, count, turned,
                   rows, elements);
        for (int64_t e = 0; e < 9; ++e) {
          std::copy_n(elements + e * rows, rows, to + (e * in_channels_ + c) * rows);
        }
      }
    }
  });
  return packed;
}

void WinogradConvolution::TransformPanels(int64_t first, int64_t end, float* weights,
                                          int64_t stride) const {
  const int64_t size = RowPanelSize();
  for (int64_t panel = first; panel < end; ++panel) {
    TransformKernelElements(&weight_[9 * panel * size], size, size,
                            weights + (panel - first) * size, stride);
  }
}

AlignedFloats WinogradConvolution::TransformAll() const {
  const int64_t panels = NumRowPanels(), size = RowPanelSize();
  AlignedFloats weights = AllocateFloats(kTilePoints * panels * size);
  at::parallel_for(0, panels, 1, [&](int64_t begin, int64_t end) {
    TransformPanels(begin, end, &weights[begin * size], panels * size);
  });
  return weights;
}

void WinogradConvolution::TransformInput(const TileJob& job, const Inputs& inputs, int64_t begin,
                                         int64_t end, TileInput& tile_input) const {
  const int64_t panel = in_channels_ * kPanelColumns;
  tile_input.SetTiles(job.grid, inputs.segments);
  for (int64_t c = begin; c < end; ++c) {
    tile_input.SetChannel(job.x, in_channels_, c);
    for (int64_t p = 0; p < inputs.panels; ++p) {
      tile_input.Transform(p, inputs.floats + p * panel + c * kPanelColumns, inputs.stride);
    }
  }
}

void WinogradConvolution::Multiply(const Weights& weights, const Inputs& inputs, Sums& sums) const {
  const int64_t rows = kernel_.rows, panel = in_channels_ * kPanelColumns;
  for (int64_t t = 0; t < kTilePoints; ++t) {
    const float* columns = inputs.floats + t * inputs.stride;
    const float* weight = weights.floats + t * weights.stride;
    float* out = &sums.sums[t * sums.stride];
    for (int64_t k = weights.first; k < weights.end; ++k) {
      for (int64_t p = 0; p < inputs.panels; ++p) {
        MultiplyPanels(kernel_, weight, columns + p * panel, in_channels_, {},
                       out + p * kPanelColumns, sums.tiles);
      }
      weight += RowPanelSize();
      out += rows * sums.tiles;
    }
  }
}

void WinogradConvolution::TransformOutput(const TileJob& job, const Weights& weights,
                                          const Inputs& inputs, Sums& sums) const {
  const int64_t row_stride = kTileOut * sums.tiles, first = weights.first * kernel_.rows;
  for (int64_t k = first; k < std::min(weights.end * kernel_.rows, out_channels_); ++k) {
    const float* row = &sums.sums[(k - first) * sums.tiles];
    for (int64_t p = 0; p < inputs.panels * kPanelColumns; p += kTileGroup) {
      transforms_.transform_output(row + p, sums.stride, bias_[k], relu_,
                                   &sums.outputs[kTileOut * p], row_stride);
    }
    WriteTiles(&sums.outputs[0], row_stride, out_channels_, k, job.grid, inputs.segments, job.y,
               job.mask);
  }
}

// Threads share panels of tiles rather than whole blocks: of a small map or band there are few
// blocks, and one more for one of the threads would cost it much.
void WinogradConvolution::RunByTiles(const TileJob& job, const float* weights) const {
  const int64_t total = job.end - job.begin, panels = NumRowPanels(), size = RowPanelSize();
  const int64_t block = std::min(kMaxTiles, RoundUp(total, kPanelColumns));
  at::parallel_for(0, NumPanels(total, kPanelColumns), 1, [&](int64_t begin, int64_t end) {
    const int64_t own = std::min(block, (end - begin) * kPanelColumns);
    const int64_t stride = in_channels_ * own + kLine;
    const AlignedFloats transformed = AllocateFloats(kTilePoints * stride);
    TileInput tile_input(transforms_, kMaxTiles);
    Sums sums(kSumPanels * kernel_.rows, own);
    const int64_t job_end = std::min(job.begin + end * kPanelColumns, job.end);
    for (int64_t first = job.begin + begin * kPanelColumns; first < job_end; first += own) {
      const int64_t last = std::min(first + own, job_end);
      const Inputs inputs = {job.grid.Segments(first, last), NumPanels(last - first, kPanelColumns),
                             &transformed[0], stride};
      TransformInput(job, inputs, 0, in_channels_, tile_input);
      for (int64_t k = 0; k < panels; k += kSumPanels) {
        const Weights some = {weights + k * size, panels * size, k,
                              std::min(k + kSumPanels, panels)};
        Multiply(some, inputs, sums);
        TransformOutput(job, some, inputs, sums);
      }
    }
  });
}

// The blocks of a job that is one group.
void WinogradConvolution::RunGroup(const TileJob& job, int64_t block, float* transformed) const {
  const int64_t stride = in_channels_ * block + kLine;
  std::vector<Inputs> blocks;
  for (int64_t first = job.begin; first < job.end; first += block) {
    const int64_t end = std::min(first + block, job.end);
    float* floats = transformed + static_cast<int64_t>(blocks.size()) * kTilePoints * stride;
    blocks.push_back(
        {job.grid.Segments(first, end), NumPanels(end - first, kPanelColumns), floats, stride});
  }
  const int64_t tasks = NumPanels(in_channels_, kTaskChannels);
  const auto count = static_cast<int64_t>(blocks.size());
  at::parallel_for(0, count * tasks, 1, [&](int64_t begin, int64_t end) {
    TileInput tile_input(transforms_, kMaxTiles);
    for (int64_t i = begin; i < end; ++i) {
      const int64_t channel = i % tasks * kTaskChannels;
      TransformInput(job, blocks[i / tasks], channel,
                     std::min(channel + kTaskChannels, in_channels_), tile_input);
    }
  });
  const int64_t panels = std::max<int64_t>(1, kOutputRows / kernel_.rows);
  at::parallel_for(0, NumRowPanels(), 1, [&](int64_t begin, int64_t end) {
    const int64_t points = panels * RowPanelSize() + kLine;
    const AlignedFloats weights = AllocateFloats(kTilePoints * points);
    Sums sums(panels * kernel_.rows, block);
    for (int64_t k = begin; k < end; k += panels) {
      const Weights some = {&weights[0], points, k, std::min(k + panels, end)};
      TransformPanels(some.first, some.end, &weights[0], points);
      for (const Inputs& inputs : blocks) {
        Multiply(some, inputs, sums);
        TransformOutput(job, some, inputs, sums);
      }
    }
  });
}

void WinogradConvolution::RunByOutputs(const TileJob& job) const {
  const int64_t group = TilesPerGroup(job.end - job.begin, in_channels_);
  const int64_t block =
      std::min(kMaxTiles, RoundUp(std::min(group, job.end - job.begin), kPanelColumns));
  const AlignedFloats transformed =
      AllocateFloats(NumPanels(group, block) * kTilePoints * (in_channels_ * block + kLine));
  for (int64_t begin = job.begin; begin < job.end; begin += group) {
    RunGroup({job.x, job.grid, begin, std::min(begin + group, job.end), job.y, job.mask}, block,
             &transformed[0]);
  }
}

void WinogradConvolution::RunJob(const TileJob& job) const {
  if (job.begin == job.end) return;
  if (kept_ == WinogradWeights::kTransformed) {
    RunByTiles(job, &weight_[0]);
    return;
  }
  const int64_t bytes =
      kTilePoints * NumRowPanels() * RowPanelSize() * static_cast<int64_t>(sizeof(float));
  if (job.end - job.begin > kSharingTiles && bytes <= kSharedBytes) {
    RunByTiles(job, &TransformAll()[0]);
  } else {
    RunByOutputs(job);
  }
}

void WinogradConvolution::Run(const float* x, int64_t batch, int64_t height, int64_t width,
                              float* y, const float* mask, const ChosenTiles& tiles) const {
  TileJob job = JobOfMaps(x, batch, height, width, y, tiles);
  job.mask = mask;
  RunJob(job);
}

AlignedFloats WinogradConvolution::TransformForRows() const {
  return kept_ == WinogradWeights::kTransformed ? AlignedFloats() : TransformAll();
}

void WinogradConvolution::RunRows(const float* x, int64_t height, int64_t width,
                                  const WinogradRows& rows, float* y,
                                  const float* transformed) const {
  const TileJob job = JobOfRows(x, height, width, rows, y);
  if (transformed == nullptr) {
    RunJob(job);
  } else if (job.begin < job.end) {
    RunByTiles(job, transformed);
  }
}

}  // namespace rcnn::detection
