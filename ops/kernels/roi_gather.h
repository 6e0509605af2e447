// The gradient of a RoI operator with respect to its maps, without atomics.
//
// A RoI operator reads, for each RoI, pixels of one map (a level of one image) and writes bins.
// Its gradient scatters each bin's gradient over those pixels; here each pixel gathers its sum
// instead:
//
//   RankMap    and a stable sort put the RoIs of a map next to each other
//   Gather     a block owns a tile of kSide x kSide pixels and kTileChannels channels. It walks the
//              RoIs of its map kThreads at a time: each thread tests one RoI against the tile, the
//              hits become words of bits, and then all threads walk the hits in order. A thread
//              owns one pixel and keeps kPerThread channels in registers
//
// Every element is written once, and its sum has one order, that of the RoIs: results are
// bit-identical whatever the order of blocks and threads.
//
// Why it is fast: a RoI's gradient is read by the few tiles that it covers, about twice in all, and
// each map element is written once. A scatter adds to memory several times per bin, each time with
// an atomic operation.
//
// A rule says what a RoI's gradient is (RoiAlignRule, RoiPoolRule):
//
//   using Element = ...;                          // element_types.h
//   struct Geometry;                              // of a RoI, trivially copyable
//   Geometry Load(const RoiTable<T>&, int64_t roi) const;
//   // Whether any pixel of the tile may get a part; a false positive does no harm.
//   bool Touches(const Geometry&, int64_t row, int64_t column, int64_t side) const;
//   // Adds the parts of `roi` at a pixel for kPerThread channels from `channel`.
//   template <int64_t kPerThread>
//   void Add(const RoiTable<T>&, const Geometry&, int64_t roi, int64_t row, int64_t column,
//            int64_t channel, A (&sum)[kPerThread]) const;

#ifndef RCNN_OPS_KERNELS_ROI_GATHER_H_
#define RCNN_OPS_KERNELS_ROI_GATHER_H_

#include <cstdint>

#include "rcnn/ops/kernels/element_types.h"
#include "rcnn/ops/kernels/kernel.h"
#include "rcnn/ops/kernels/merge_sort.h"

namespace rcnn::ops {

constexpr int64_t kMaxRoiLevels = 8;

// Distances in elements of a tensor [N, C, H, W].
struct MapStrides {
  int64_t image;  // or RoI
  int64_t channel;
  int64_t row;
  int64_t column;
};

// One level: maps of all images.
template <typename T>
struct LevelMaps {
  T* data;
  int64_t height;
  int64_t width;
  MapStrides strides;
  double scale;  // map pixels per image pixel
};

// RoIs, the maps they read, and their bins.
template <typename T>
struct RoiTable {
  using A = typename ElementSum<T>::type;

  LevelMaps<T> levels[kMaxRoiLevels];  // read forward, written backward
  int64_t num_levels;
  int64_t images;
  int64_t channels;
  int64_t num_rois;
  const A* rois;              // [num_rois, 5], (image, x1, y1, x2, y2)
  const int64_t* roi_levels;  // [num_rois]; null: all 0
  int64_t pooled_height;
  int64_t pooled_width;
  T* bins;  // [num_rois, channels, pooled_height, pooled_width]; written forward, read backward
  MapStrides bin_strides;

  RCNN_HOST_DEVICE int64_t NumBins() const {
    return num_rois * channels * pooled_height * pooled_width;
  }
  RCNN_HOST_DEVICE int64_t Level(int64_t roi) const {
    return roi_levels == nullptr ? 0 : roi_levels[roi];
  }
  RCNN_HOST_DEVICE int64_t Image(int64_t roi) const { return static_cast<int64_t>(rois[5 * roi]); }
};

// Which bin an index into the bins' memory is.
struct BinPlace {
  int64_t roi;
  int64_t channel;
  int64_t row;
  int64_t column;
};

// Of element i in memory of dense bins, contiguous or channels-last: threads that run together read
// neighbouring bins or channels, and write whole lines.
template <typename T>
RCNN_HOST_DEVICE BinPlace FindBin(const RoiTable<T>& table, int64_t i) {
  const int64_t pooled = table.pooled_height * table.pooled_width;
  const bool is_channels_last = table.bin_strides.channel == 1 && pooled > 1;
  const int64_t rest = i % (table.channels * pooled);
  const int64_t bin = is_channels_last ? rest / table.channels : rest % pooled;
  return {i / (table.channels * pooled), is_channels_last ? rest % table.channels : rest / pooled,
          bin / table.pooled_width, bin % table.pooled_width};
}

// entries[roi]: the map that the RoI reads, level * images + image.
template <typename T>
struct RankMap {
  RCNN_HOST_DEVICE void operator()(int64_t roi) const {
    const int64_t map = table.Level(roi) * table.images + table.Image(roi);
    entries[roi] = {static_cast<uint64_t>(map), roi};
  }

  RoiTable<T> table;
  Ranked* entries;
};

// map_begin[map]: the number of sorted entries of earlier maps.
struct FindMapBegin {
  RCNN_HOST_DEVICE void operator()(int64_t map) const {
    int64_t low = 0;
    int64_t high = num_rois;
    while (low < high) {
      const int64_t middle = low + (high - low) / 2;
      if (static_cast<int64_t>(entries[middle].key) < map) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    map_begin[map] = low;
  }

  int64_t num_rois;
  const Ranked* entries;
  int64_t* map_begin;
};

template <typename Rule>
struct GatherRoisKernel {
  using T = typename Rule::Element;
  using A = typename ElementSum<T>::type;

  static constexpr int64_t kSide = 8;
  static constexpr int64_t kPixels = kSide * kSide;
  static constexpr int kThreads = 256;
  static constexpr int64_t kPerThread = 8;
  static constexpr int64_t kTileChannels = kThreads / kPixels * kPerThread;
  static constexpr int64_t kWords = kThreads / 32;

  struct Shared {
    typename Rule::Geometry geometry[kThreads];
    int64_t roi[kThreads];
    bool is_hit[kThreads];
    uint32_t hits[kWords];
  };
  // Which tile of which map a block owns.
  struct Tile {
    int64_t level;
    int64_t image;
    int64_t channel;
    int64_t row;
    int64_t column;
  };
  struct Private {
    Tile tile;
    int64_t begin;  // the map's RoIs in `entries`
    int64_t end;
    A sum[kPerThread];
  };

  RCNN_HOST_DEVICE int64_t TileRows(int64_t level) const {
    return CeilDivide(table.levels[level].height, kSide);
  }
  RCNN_HOST_DEVICE int64_t TileColumns(int64_t level) const {
    return CeilDivide(table.levels[level].width, kSide);
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
  RCNN_HOST_DEVICE Tile FindTile(int64_t block) const {
    Tile tile{};
    while (block >= BlocksOnLevel(tile.level)) block -= BlocksOnLevel(tile.level++);
    tile.channel = block % ChannelTiles() * kTileChannels;
    block /= ChannelTiles();
    tile.column = block % TileColumns(tile.level) * kSide;
    block /= TileColumns(tile.level);
    tile.row = block % TileRows(tile.level) * kSide;
    tile.image = block / TileRows(tile.level);
    return tile;
  }

  RCNN_HOST_DEVICE static int64_t Batches(int64_t rois) { return CeilDivide(rois, kThreads); }

  // Three for each kThreads RoIs of the map, and one to write.
  RCNN_HOST_DEVICE int64_t Phases(int64_t block) const {
    const Tile tile = FindTile(block);
    const int64_t map = tile.level * table.images + tile.image;
    return 3 * Batches(map_begin[map + 1] - map_begin[map]) + 1;
  }

  RCNN_HOST_DEVICE void Run(int64_t phase, const Place& place, Shared& shared,
                            Private& mine) const {
    if (phase == 0) Begin(place.block, mine);
    if (phase == 3 * Batches(mine.end - mine.begin)) {
      Write(place.thread, mine);
    } else if (phase % 3 == 0) {
      const int64_t entry = mine.begin + phase / 3 * kThreads + place.thread;
      Test(mine.tile, entry, mine.end, place.thread, shared);
    } else if (phase % 3 == 1) {
      if (place.thread < kWords) CollectHits(place.thread, shared);
    } else {
      AddHits(place.thread, shared, mine);
    }
  }

  RCNN_HOST_DEVICE void Begin(int64_t block, Private& mine) const {
    mine.tile = FindTile(block);
    const int64_t map = mine.tile.level * table.images + mine.tile.image;
    mine.begin = map_begin[map];
    mine.end = map_begin[map + 1];
    RCNN_UNROLL
    for (int64_t c = 0; c < kPerThread; ++c) mine.sum[c] = A{0};
  }

  RCNN_HOST_DEVICE void Test(const Tile& tile, int64_t entry, int64_t end, int slot,
                             Shared& shared) const {
    shared.is_hit[slot] = false;
    if (entry >= end) return;
    shared.roi[slot] = entries[entry].index;
    shared.geometry[slot] = rule.Load(table, shared.roi[slot]);
    shared.is_hit[slot] = rule.Touches(shared.geometry[slot], tile.row, tile.column, kSide);
  }

  RCNN_HOST_DEVICE static void CollectHits(int word, Shared& shared) {
    uint32_t bits = 0;
    for (int i = 0; i < 32; ++i) {
      bits |= static_cast<uint32_t>(shared.is_hit[32 * word + i]) << i;
    }
    shared.hits[word] = bits;
  }

  RCNN_HOST_DEVICE static int64_t LowestBit(uint32_t bits) {
#if defined(__CUDA_ARCH__)
    return __ffs(static_cast<int>(bits)) - 1;
#else
    return __builtin_ctz(bits);
#endif
  }

  // A thread's pixel and its first channel.
  RCNN_HOST_DEVICE static int64_t Row(const Tile& tile, int thread) {
    return tile.row + thread % kPixels / kSide;
  }
  RCNN_HOST_DEVICE static int64_t Column(const Tile& tile, int thread) {
    return tile.column + thread % kSide;
  }
  RCNN_HOST_DEVICE static int64_t Channel(const Tile& tile, int thread) {
    return tile.channel + thread / kPixels * kPerThread;
  }
  RCNN_HOST_DEVICE bool IsOnMap(const Tile& tile, int thread) const {
    return Row(tile, thread) < table.levels[tile.level].height &&
           Column(tile, thread) < table.levels[tile.level].width;
  }

  RCNN_HOST_DEVICE void AddHits(int thread, const Shared& shared, Private& mine) const {
    if (!IsOnMap(mine.tile, thread)) return;
    for (int64_t word = 0; word < kWords; ++word) {
      for (uint32_t bits = shared.hits[word]; bits != 0; bits &= bits - 1) {
        const int64_t slot = 32 * word + LowestBit(bits);
        rule.template Add<kPerThread>(table, shared.geometry[slot], shared.roi[slot],
                                      Row(mine.tile, thread), Column(mine.tile, thread),
                                      Channel(mine.tile, thread), mine.sum);
      }
    }
  }

  RCNN_HOST_DEVICE void Write(int thread, const Private& mine) const {
    if (!IsOnMap(mine.tile, thread)) return;
    const LevelMaps<T>& level = table.levels[mine.tile.level];
    const int64_t channel = Channel(mine.tile, thread);
    T* to = level.data + mine.tile.image * level.strides.image + channel * level.strides.channel +
            Row(mine.tile, thread) * level.strides.row +
            Column(mine.tile, thread) * level.strides.column;
    RCNN_UNROLL
    for (int64_t c = 0; c < kPerThread; ++c) {
      if (channel + c < table.channels) FromSum(mine.sum[c], to + c * level.strides.channel);
    }
  }

  RoiTable<T> table;
  Rule rule;
  const Ranked* entries;     // [num_rois], sorted by map
  const int64_t* map_begin;  // where each map's RoIs begin in `entries`, and their end
};

// Scratch of GatherRois.
struct GatherScratch {
  Ranked* entries;       // [num_rois]
  Ranked* sort_scratch;  // [num_rois]
  int64_t* map_begin;    // [num_levels * images + 1]
};

// Writes every element of every level's maps.
template <typename Launch, typename Rule>
void GatherRois(Launch& launch, const RoiTable<typename Rule::Element>& table, const Rule& rule,
                const GatherScratch& scratch) {
  LaunchForEach(launch, table.num_rois, RankMap<typename Rule::Element>{table, scratch.entries});
  const Ranked* sorted = SortRows(launch, 1, table.num_rois, scratch.entries, scratch.sort_scratch);
  LaunchForEach(launch, table.num_levels * table.images + 1,
                FindMapBegin{table.num_rois, sorted, scratch.map_begin});
  launch(GatherRoisKernel<Rule>{table, rule, sorted, scratch.map_begin});
}

}  // namespace rcnn::ops

#endif  // RCNN_OPS_KERNELS_ROI_GATHER_H_
