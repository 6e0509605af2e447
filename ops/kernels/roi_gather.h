// The gradient of a RoI operator with respect to its maps, without atomics.
//
// A RoI operator reads, for each RoI, pixels of one map (a level of one image) and writes bins.
// Its gradient scatters each bin's gradient over those pixels. Here RoIs are binned to tiles of
// kTileSide x kTileSide pixels (roi_lists.h), and a block owns a tile and kTileChannels channels,
// whose sums it keeps in shared memory. It walks the tile's RoIs in the order of their index, a few
// at a time:
//   Prepare   kParts threads for each RoI find what its bins add to the tile, for all channels
//   Add       a thread for each channel adds the bins that touch the tile to its sums
// In the end the sums are written to the map: a thread for each channel where channels are next to
// each other in memory, else for each pixel.
//
// Every element is written once, and its sum has one order: results are bit-identical whatever the
// order of blocks and threads.
//
// Why it is fast: a bin's gradient is read once for each tile that it touches, about twice in all,
// and each map element is written once. All threads of a warp add the same bin to the same pixels,
// each in its own channel: none waits for another's branch, and neighbours in memory are read and
// written together where bins and maps are channels-last. A scatter adds to memory several times
// per bin, each time with an atomic operation.
//
// A rule says what a RoI's gradient is (RoiAlignRule, RoiPoolRule), besides what roi_lists.h asks:
//
//   using Element = ...;                          // element_types.h
//   struct Taps;                                  // of a RoI on a tile; trivially copyable
//   // How often a RoI is prepared and added, each time with some of its bins.
//   int64_t Rounds(const RoiTable<T>&) const;
//   // Part `part` of kParts of what Add needs; reads nothing that another part writes.
//   void Prepare(const RoiTable<T>&, int64_t roi, const MapTile&, int64_t round, int64_t part,
//                Taps&) const;
//   // Adds the RoI's part of one channel.
//   void Add(const RoiTable<T>&, const Taps&, int64_t roi, const MapTile&, int64_t round,
//            int64_t channel, TileSums<A>) const;

#ifndef RCNN_OPS_KERNELS_ROI_GATHER_H_
#define RCNN_OPS_KERNELS_ROI_GATHER_H_

#include <cstdint>

#include "rcnn/ops/kernels/element_types.h"
#include "rcnn/ops/kernels/kernel.h"
#include "rcnn/ops/kernels/roi_lists.h"
#include "rcnn/ops/kernels/roi_table.h"

namespace rcnn::ops {

// Channels of a block.
constexpr int64_t kTileChannels = 64;
// Threads that prepare a RoI.
constexpr int64_t kParts = 32;
// Between the sums of two pixels: one more than the channels, so that neither neighbouring channels
// nor neighbouring pixels have sums in the same bank of shared memory.
constexpr int64_t kTileSumStride = kTileChannels + 1;

// A tile of a map, and the first of its channels.
struct MapTile {
  int64_t level;
  int64_t image;
  int64_t channel;
  int64_t row;
  int64_t column;
};

// The sums of one channel of a tile.
template <typename A>
struct TileSums {
  A* first;

  RCNN_HOST_DEVICE A& At(int64_t row, int64_t column) const {
    return first[(row * kTileSide + column) * kTileSumStride];
  }
};

template <typename Rule>
struct GatherRoisKernel {
  using T = typename Rule::Element;
  using A = typename ElementSum<T>::type;

  static constexpr int64_t kPixels = kTileSide * kTileSide;
  static constexpr int kThreads = kTileChannels;
  static constexpr int64_t kTogether = kThreads / kParts;  // RoIs
  static_assert(kThreads == kPixels, "a thread writes the channels of a pixel, or the reverse");

  struct Shared {
    A sums[kPixels * kTileSumStride];
    typename Rule::Taps taps[kTogether];
  };
  struct Private {
    MapTile tile;
    RoiList list;
  };

  RCNN_HOST_DEVICE int64_t TileRows(int64_t level) const {
    return CeilDivide(table.levels[level].height, kTileSide);
  }
  RCNN_HOST_DEVICE int64_t TileColumns(int64_t level) const {
    return CeilDivide(table.levels[level].width, kTileSide);
  }
  RCNN_HOST_DEVICE int64_t ChannelTiles() const {
    return CeilDivide(table.channels, kTileChannels);
  }
  RCNN_HOST_DEVICE int64_t BlocksOnLevel(int64_t level) const {
    return table.images * TileRows(level) * TileColumns(level) * ChannelTiles();
  }
  int64_t Blocks() const {
    int64_t blocks = 0;
    for (int64_t level = 0; level < table.num_levels; ++level) blocks += BlocksOnLevel(level);
    return blocks;
  }

  // Channels vary fastest: blocks that run together read the same bins.
  RCNN_HOST_DEVICE MapTile FindTile(int64_t block) const {
    MapTile tile{};
    while (block >= BlocksOnLevel(tile.level)) block -= BlocksOnLevel(tile.level++);
    tile.channel = block % ChannelTiles() * kTileChannels;
    block /= ChannelTiles();
    tile.column = block % TileColumns(tile.level) * kTileSide;
    block /= TileColumns(tile.level);
    tile.row = block % TileRows(tile.level) * kTileSide;
    tile.image = block / TileRows(tile.level);
    return tile;
  }

  RCNN_HOST_DEVICE RoiList FindList(const MapTile& tile) const {
    return lists.Find({tile.level, tile.image, tile.row, tile.column, kTileSide});
  }

  // Steps of a tile with `rois` RoIs, each of two phases.
  RCNN_HOST_DEVICE int64_t Steps(int64_t rois) const {
    return CeilDivide(rois, kTogether) * rule.Rounds(table);
  }

  // One to begin, and one to write.
  RCNN_HOST_DEVICE int64_t Phases(int64_t block) const {
    return 2 * Steps(FindList(FindTile(block)).count) + 2;
  }

  RCNN_HOST_DEVICE void Run(int64_t phase, const Place& place, Shared& shared,
                            Private& mine) const {
    if (phase == 0) {
      Begin(place, shared, mine);
    } else if (phase == 2 * Steps(mine.list.count) + 1) {
      Write(place.thread, shared, mine.tile);
    } else if (phase % 2 == 1) {
      Prepare(phase / 2, place.thread, shared, mine);
    } else {
      Add(phase / 2 - 1, place.thread, shared, mine);
    }
  }

  RCNN_HOST_DEVICE void Begin(const Place& place, Shared& shared, Private& mine) const {
    mine.tile = FindTile(place.block);
    mine.list = FindList(mine.tile);
    for (int64_t pixel = 0; pixel < kPixels; ++pixel) {
      shared.sums[pixel * kTileSumStride + place.thread] = A{0};
    }
  }

  RCNN_HOST_DEVICE void Prepare(int64_t step, int thread, Shared& shared,
                                const Private& mine) const {
    const int64_t rounds = rule.Rounds(table), slot = thread / kParts;
    const int64_t i = step / rounds * kTogether + slot;
    if (i >= mine.list.count) return;
    rule.Prepare(table, mine.list.rois[i], mine.tile, step % rounds, thread % kParts,
                 shared.taps[slot]);
  }

  RCNN_HOST_DEVICE void Add(int64_t step, int thread, Shared& shared, const Private& mine) const {
    const int64_t channel = mine.tile.channel + thread;
    if (channel >= table.channels) return;
    const int64_t rounds = rule.Rounds(table), first = step / rounds * kTogether;
    const int64_t count = Lesser(kTogether, mine.list.count - first);
    for (int64_t slot = 0; slot < count; ++slot) {
      rule.Add(table, shared.taps[slot], mine.list.rois[first + slot], mine.tile, step % rounds,
               channel, TileSums<A>{shared.sums + thread});
    }
  }

  RCNN_HOST_DEVICE void Write(int thread, const Shared& shared, const MapTile& tile) const {
    const bool is_channels_last = table.levels[tile.level].strides.channel == 1;
    for (int64_t i = 0; i < kPixels; ++i) {
      const int64_t pixel = is_channels_last ? i : thread;
      WriteSum(pixel, is_channels_last ? thread : i, shared, tile);
    }
  }

  RCNN_HOST_DEVICE void WriteSum(int64_t pixel, int64_t channel, const Shared& shared,
                                 const MapTile& tile) const {
    const LevelMaps<T>& level = table.levels[tile.level];
    const int64_t row = tile.row + pixel / kTileSide, column = tile.column + pixel % kTileSide;
    if (row >= level.height || column >= level.width) return;
    if (tile.channel + channel >= table.channels) return;
    FromSum(shared.sums[pixel * kTileSumStride + channel],
            level.data + tile.image * level.strides.image +
                (tile.channel + channel) * level.strides.channel + row * level.strides.row +
                column * level.strides.column);
  }

  RoiTable<T> table;
  Rule rule;
  RoiLists lists;  // of the tiles
};

// Writes every element of every level's maps. `scratch`: of PlanRoiLists.
template <typename Launch, typename Rule>
void GatherRois(Launch& launch, const RoiTable<typename Rule::Element>& table, const Rule& rule,
                const RoiListScratch& scratch) {
  launch(GatherRoisKernel<Rule>{table, rule, ListRois(launch, table, rule, scratch)});
}

}  // namespace rcnn::ops

#endif  // RCNN_OPS_KERNELS_ROI_GATHER_H_
