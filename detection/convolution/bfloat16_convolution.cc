#include "rcnn/detection/convolution/bfloat16_convolution.h"

#include <ATen/Parallel.h>

#include <algorithm>

#include "rcnn/detection/convolution/panel_product.h"
#include "rcnn/detection/convolution/part_tile.h"

namespace rcnn::detection {
namespace {

constexpr int64_t kLanes = kBfloat16Lanes;
// Limit on the bytes of a block of column panels, which are read once for each row panel: half of a
// core's second-level cache.
constexpr int64_t kBlockBytes = 512 << 10;
constexpr int64_t kMinBlockPanels = 4, kMaxBlockPanels = 32;

// Panels of a block: as many blocks for each thread, of sizes that differ little.
int64_t BlockPanels(int64_t panels, int64_t batch, int64_t panel_bytes) {
  const int64_t limit = std::clamp(kBlockBytes / panel_bytes, kMinBlockPanels, kMaxBlockPanels);
  const int64_t threads = std::max(1, at::get_num_threads());
  // Of one image; images share the threads.
  const int64_t shares = batch % threads == 0 ? 1 : threads;
  const int64_t rounds = NumPanels(panels, shares * limit);
  return NumPanels(panels, shares * rounds);
}

}  // namespace

// Outputs [begin, end) of one image.
struct Bfloat16Convolution::Block {
  const SlidingWindow& window;
  int64_t image, begin, end;

  int64_t width(int64_t first) const { return std::min(kLanes, end - first); }
};

Bfloat16Convolution::Bfloat16Convolution(const float* weight, const float* bias,
                                         const Bfloat16ConvolutionShape& shape,
                                         const StoredPanels& stored)
    : kernels_(GetBfloat16Kernels(CurrentInstructionLevel())),
      shape_(shape),
      bias_(NumPanels(shape.out_channels, kLanes) * kLanes) {
  if (bias != nullptr) std::copy(bias, bias + shape.out_channels, bias_.begin());
  const int64_t count = NumPanels(shape.out_channels, kLanes) * Bfloat16PanelSize(Pairs());
  weight_ = stored.data != nullptr ? PackedPanels<Bfloat16>(stored, count)
                                   : PackedPanels<Bfloat16>(PackWeights(weight, count), count);
}

AlignedBfloat16s Bfloat16Convolution::PackWeights(const float* weight, int64_t count) const {
  const int64_t positions = shape_.kernel * shape_.kernel, channels = shape_.in_channels;
  std::vector<float> rows(kLanes * channels);
  AlignedBfloat16s packed = AllocateLastingBfloat16s(count);
  Bfloat16* panel = &packed[0];
  for (int64_t k = 0; k < shape_.out_channels; k += kLanes) {
    const int64_t num_rows = std::min(kLanes, shape_.out_channels - k);
    for (int64_t t = 0; t < positions; ++t, panel += Bfloat16PanelSize(NumPairs(channels))) {
      for (int64_t i = 0; i < num_rows * channels; ++i) {
        rows[i] = weight[(k * channels + i) * positions + t];
      }
      kernels_.pack_rows(rows.data(), channels, num_rows, channels, panel);
    }
  }
  return packed;
}

int64_t Bfloat16Convolution::Pairs() const {
  return shape_.kernel * shape_.kernel * NumPairs(shape_.in_channels);
}

// Every pixel of a map without a neighbourhood is treated as one row.
SlidingWindow Bfloat16Convolution::Window(const MapsShape& maps) const {
  const bool single = shape_.kernel == 1 && shape_.stride == 1 && shape_.padding == 0;
  return {single ? 1 : maps.height, single ? maps.height * maps.width : maps.width, shape_.kernel,
          shape_.stride, shape_.padding};
}

void Bfloat16Convolution::PackBlock(const Block& block, const float* x, Bfloat16* columns) const {
  PlaneLanes lanes;
  lanes.plane_size = block.window.height * block.window.width;
  lanes.planes = x + block.image * shape_.in_channels * lanes.plane_size;
  lanes.count = shape_.in_channels;
  lanes.step = shape_.stride;
  const int64_t size = Bfloat16PanelSize(NumPairs(shape_.in_channels));
  for (int64_t at = block.begin; at < block.end; at += kLanes) {
    const LaneRows rows(block.window, at, block.width(at));
    for (int64_t t = 0; t < shape_.kernel * shape_.kernel; ++t, columns += size) {
      const PatchLanes patch(block.window, rows, t / shape_.kernel, t % shape_.kernel);
      lanes.segments = patch.segments();
      lanes.num_segments = patch.size();
      kernels_.pack_planes(lanes, columns);
    }
  }
}

void Bfloat16Convolution::MultiplyBlock(const Block& block, const float* add, bool relu,
                                        const Bfloat16* columns, float* y) const {
  const int64_t area = block.window.out_height * block.window.out_width;
  const int64_t pairs = Pairs(), panel = Bfloat16PanelSize(pairs);
  TileOptions options;
  options.add_stride = area;
  options.relu = relu;
  for (int64_t k = 0; k < shape_.out_channels; k += kLanes) {
    const int64_t num_rows = std::min(kLanes, shape_.out_channels - k);
    options.bias = &bias_[k];
    const Bfloat16* column = columns;
    for (int64_t at = block.begin; at < block.end; at += kLanes, column += panel) {
      const int64_t offset = (block.image * shape_.out_channels + k) * area + at;
      if (add != nullptr) options.add = add + offset;
      const auto multiply = [&](const TileOptions& whole, float* tile, int64_t stride) {
        kernels_.multiply(&weight_[k / kLanes * panel], column, pairs, whole, tile, stride);
      };
      if (num_rows == kLanes && block.width(at) == kLanes) {
        multiply(options, y + offset, area);
      } else {
        MultiplyPartTile(num_rows, block.width(at), options, y + offset, area, multiply);
      }
    }
  }
}

// A block is packed before it is written, and with a kernel of one pixel no other block is read: y
// may be x.
void Bfloat16Convolution::Run(const float* x, const MapsShape& maps, const float* add, bool relu,
                              float* y) const {
  const SlidingWindow window = Window(maps);
  const int64_t area = window.out_height * window.out_width, panel = Bfloat16PanelSize(Pairs());
  if (maps.batch == 0 || area == 0) return;
  const int64_t size =
      kLanes * BlockPanels(NumPanels(area, kLanes), maps.batch, panel * sizeof(Bfloat16));
  const int64_t blocks = NumPanels(area, size);
  at::parallel_for(0, maps.batch * blocks, 1, [&](int64_t begin, int64_t end) {
    const AlignedBfloat16s columns = AllocateBfloat16s(size / kLanes * panel);
    for (int64_t i = begin; i < end; ++i) {
      const int64_t first = i % blocks * size;
      const Block block = {window, i / blocks, first, std::min(first + size, area)};
      PackBlock(block, x, &columns[0]);
      MultiplyBlock(block, add, relu, &columns[0], y);
    }
  });
}

}  // namespace rcnn::detection
