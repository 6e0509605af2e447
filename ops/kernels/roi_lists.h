// Bins RoIs to the squares of the maps that they read: a list of RoIs for each square, in the order
// of their index. roi_gather.h walks the lists of its tiles.
//
//   RankMap, a sort  put the RoIs of a map next to each other
//   SplitByMap       map_rois, and where the RoIs of each map begin there
//   ListRoisKernel   the list of each square of at most kMaxSquares of a map, from the RoIs of the
//                    map; then the list of each tile, from the list of the square around it
//
// A block makes one list. It walks the list that it comes from, kThreads RoIs at a time: each
// thread tests one RoI against the square, the hits become words of bits, and each hit has its
// place by counting the bits before it. So no list depends on the order of blocks and threads,
// nothing is added by an atomic operation, and nothing goes to the host.
//
// Memory: a list has room for all RoIs of its map. That is exact, since a RoI may cover the map,
// and bounded, since a RoI reads one map: num_rois times the most squares of a map, 4 bytes each.
// Squares of large maps are larger, so that these are at most 4 (kMaxSquares + kMaxTiles) bytes for
// a RoI, 8.7 kB; the bins of one with 256 channels of 7 x 7 take 25 kB in 16 bit.
//
// Tests: a RoI is tested against the at most 128 squares of its map, and against the tiles of those
// that it touches. Tiles of a map with more than kMaxTiles share lists.
//
// A rule (roi_gather.h) says where a RoI is:
//   struct Geometry;                              // of a RoI, trivially copyable
//   Geometry Load(const RoiTable<T>&, int64_t roi) const;
//   // Whether any pixel of the square may get a part; a false positive does no harm.
//   bool Touches(const Geometry&, int64_t row, int64_t column, int64_t side) const;

#ifndef RCNN_OPS_KERNELS_ROI_LISTS_H_
#define RCNN_OPS_KERNELS_ROI_LISTS_H_

#include <cstdint>
#include <initializer_list>

#include "rcnn/ops/kernels/kernel.h"
#include "rcnn/ops/kernels/merge_sort.h"
#include "rcnn/ops/kernels/roi_table.h"

namespace rcnn::ops {

// Pixels of a tile's side.
constexpr int64_t kTileSide = 8;
// Lists of a map, at most: of squares, and of tiles.
constexpr int64_t kMaxSquares = 128;
constexpr int64_t kMaxTiles = 2048;

// A square part of a map; it may extend beyond the map.
struct MapSquare {
  int64_t level;
  int64_t image;
  int64_t row;  // of its first pixel
  int64_t column;
  int64_t side;
};

struct RoiList {
  const int32_t* rois;
  int64_t count;
};

// The RoIs of whole maps.
struct MapRois {
  int64_t images;
  const int32_t* rois;       // by map, level * images + image
  const int64_t* map_begin;  // where each map's RoIs begin there, and the end of the last

  RCNN_HOST_DEVICE RoiList Find(const MapSquare& square) const {
    const int64_t map = square.level * images + square.image;
    return {rois + map_begin[map], map_begin[map + 1] - map_begin[map]};
  }
};

// A list for each square of each map. Squares are numbered by level, image, row and column.
struct RoiLists {
  int64_t num_levels;
  int64_t images;
  int64_t side[kMaxRoiLevels];       // pixels: 8, 16, 32, ...
  int64_t columns[kMaxRoiLevels];    // squares next to each other
  int64_t of_map[kMaxRoiLevels];     // squares of a map
  int64_t first[kMaxRoiLevels + 1];  // number of a level's first square, and of all
  int64_t most;                      // squares of a map, at most

  int32_t* rois;             // [num_rois * most]
  int32_t* counts;           // [NumSquares()]
  const int64_t* map_begin;  // as in MapRois

  RCNN_HOST_DEVICE int64_t NumSquares() const { return first[num_levels]; }

  RCNN_HOST_DEVICE MapSquare FindSquare(int64_t number) const {
    MapSquare square{};
    while (number >= first[square.level + 1]) ++square.level;
    number -= first[square.level];
    square.side = side[square.level];
    square.image = number / of_map[square.level];
    number %= of_map[square.level];
    square.row = number / columns[square.level] * square.side;
    square.column = number % columns[square.level] * square.side;
    return square;
  }

  // The number within its map of the square that holds the first pixel of `part`.
  RCNN_HOST_DEVICE int64_t NumberInMap(const MapSquare& part) const {
    const int64_t level = part.level;
    return part.row / side[level] * columns[level] + part.column / side[level];
  }
  RCNN_HOST_DEVICE int64_t Number(const MapSquare& part) const {
    return first[part.level] + part.image * of_map[part.level] + NumberInMap(part);
  }
  // Where that square's list begins in `rois`.
  RCNN_HOST_DEVICE int64_t Begin(const MapSquare& part) const {
    const int64_t map = part.level * images + part.image;
    return most * map_begin[map] + NumberInMap(part) * (map_begin[map + 1] - map_begin[map]);
  }
  RCNN_HOST_DEVICE RoiList Find(const MapSquare& part) const {
    return {rois + Begin(part), counts[Number(part)]};
  }
};

// Lists of the squares of the maps of `table`, as small as at most `max_squares` of a map can be.
// Their pointers are null.
template <typename T>
RoiLists MakeRoiLists(const RoiTable<T>& table, int64_t max_squares) {
  RoiLists lists{};
  lists.num_levels = table.num_levels;
  lists.images = table.images;
  for (int64_t level = 0; level < table.num_levels; ++level) {
    const LevelMaps<T>& maps = table.levels[level];
    int64_t side = kTileSide;
    while (CeilDivide(maps.height, side) * CeilDivide(maps.width, side) > max_squares) side *= 2;
    lists.side[level] = side;
    lists.columns[level] = CeilDivide(maps.width, side);
    lists.of_map[level] = CeilDivide(maps.height, side) * lists.columns[level];
    lists.first[level + 1] = lists.first[level] + table.images * lists.of_map[level];
    lists.most = Greater(lists.most, lists.of_map[level]);
  }
  return lists;
}

// entries[roi]: the map that the RoI reads, level * images + image.
template <typename T>
struct RankMap {
  RCNN_HOST_DEVICE void operator()(int64_t roi) const {
    // A RoI that reads no map comes after all maps.
    const int64_t map =
        table.ReadsMap(roi) ? table.Level(roi) * table.images + table.Image(roi) : table.NumMaps();
    entries[roi] = {static_cast<uint64_t>(map), roi};
  }

  RoiTable<T> table;
  Ranked* entries;
};

// rois[i], and after them map_begin[map]: the number of sorted entries of earlier maps.
struct SplitByMap {
  RCNN_HOST_DEVICE void operator()(int64_t i) const {
    if (i < num_rois) {
      rois[i] = static_cast<int32_t>(entries[i].index);
    } else {
      map_begin[i - num_rois] = CountBefore(i - num_rois);
    }
  }
  RCNN_HOST_DEVICE int64_t CountBefore(int64_t map) const {
    int64_t low = 0;
    int64_t high = num_rois;
    while (low < high) {
      const int64_t middle = low + (high - low) / 2;
      if (entries[middle].key < static_cast<uint64_t>(map)) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low;
  }

  int64_t num_rois;
  const Ranked* entries;
  int32_t* rois;
  int64_t* map_begin;
};

// Makes the lists of `lists` from those of `parents`, MapRois or RoiLists with larger squares.
template <typename Rule, typename Parents>
struct ListRoisKernel {
  using T = typename Rule::Element;

  static constexpr int kThreads = 256;
  static constexpr int64_t kWordBits = 32;
  static constexpr int64_t kWords = kThreads / kWordBits;

  struct Shared {
    bool is_hit[kThreads];
    uint32_t hits[kWords];
  };
  struct Private {
    MapSquare square;
    RoiList from;
    int64_t to;       // where the list begins
    int64_t written;  // the same in all threads
    int32_t roi;      // the one that this thread tests
  };

  int64_t Blocks() const { return lists.NumSquares(); }
  RCNN_HOST_DEVICE static int64_t Batches(int64_t rois) { return CeilDivide(rois, kThreads); }

  // Three for each kThreads RoIs of the list that this one comes from, and one to write the count.
  RCNN_HOST_DEVICE int64_t Phases(int64_t block) const {
    return 3 * Batches(parents.Find(lists.FindSquare(block)).count) + 1;
  }

  RCNN_HOST_DEVICE void Run(int64_t phase, const Place& place, Shared& shared,
                            Private& mine) const {
    if (phase == 0) Begin(place.block, mine);
    if (phase == 3 * Batches(mine.from.count)) {
      if (place.thread == 0) lists.counts[place.block] = static_cast<int32_t>(mine.written);
    } else if (phase % 3 == 0) {
      Test(phase / 3 * kThreads + place.thread, place.thread, shared, mine);
    } else if (phase % 3 == 1) {
      if (place.thread < kWords) CollectHits(place.thread, shared);
    } else {
      Append(place.thread, shared, mine);
    }
  }

  RCNN_HOST_DEVICE void Begin(int64_t block, Private& mine) const {
    mine.square = lists.FindSquare(block);
    mine.from = parents.Find(mine.square);
    mine.to = lists.Begin(mine.square);
    mine.written = 0;
  }

  RCNN_HOST_DEVICE void Test(int64_t i, int thread, Shared& shared, Private& mine) const {
    shared.is_hit[thread] = false;
    if (i >= mine.from.count) return;
    mine.roi = mine.from.rois[i];
    const MapSquare& square = mine.square;
    shared.is_hit[thread] =
        rule.Touches(rule.Load(table, mine.roi), square.row, square.column, square.side);
  }

  RCNN_HOST_DEVICE static void CollectHits(int word, Shared& shared) {
    uint32_t bits = 0;
    for (int64_t i = 0; i < kWordBits; ++i) {
      bits |= static_cast<uint32_t>(shared.is_hit[kWordBits * word + i]) << i;
    }
    shared.hits[word] = bits;
  }

  RCNN_HOST_DEVICE void Append(int thread, const Shared& shared, Private& mine) const {
    const int64_t own_word = thread / kWordBits;
    const uint32_t bits_before = (uint32_t{1} << thread % kWordBits) - 1;
    int64_t before = CountBits(shared.hits[own_word] & bits_before);
    int64_t all = 0;
    for (int64_t word = 0; word < kWords; ++word) {
      const int64_t hits = CountBits(shared.hits[word]);
      if (word < own_word) before += hits;
      all += hits;
    }
    if (shared.is_hit[thread]) lists.rois[mine.to + mine.written + before] = mine.roi;
    mine.written += all;
  }

  RoiTable<T> table;
  Rule rule;
  Parents parents;
  RoiLists lists;
};

// Arrays of ListRois.
struct RoiListScratch {
  Ranked* entries;       // [num_rois]
  Ranked* sort_scratch;  // [num_rois]
  int32_t* map_rois;     // [num_rois]
  int64_t* map_begin;    // [number of maps + 1]
  RoiLists squares;
  RoiLists tiles;
};

// Fills in `scratch` for RoIs and maps like those of `table`, fewer than 2^31 RoIs. Its arrays come
// from arrays.Add(T** pointer, int64_t count), which sets *pointer before they are used.
template <typename T, typename Arrays>
void PlanRoiLists(const RoiTable<T>& table, Arrays& arrays, RoiListScratch* scratch) {
  scratch->squares = MakeRoiLists(table, kMaxSquares);
  scratch->tiles = MakeRoiLists(table, kMaxTiles);
  arrays.Add(&scratch->entries, table.num_rois);
  arrays.Add(&scratch->sort_scratch, table.num_rois);
  arrays.Add(&scratch->map_rois, table.num_rois);
  arrays.Add(&scratch->map_begin, table.NumMaps() + 1);
  for (RoiLists* lists : {&scratch->squares, &scratch->tiles}) {
    arrays.Add(&lists->rois, table.num_rois * lists->most);
    arrays.Add(&lists->counts, lists->NumSquares());
  }
}

// Returns the lists of the tiles, in the arrays of `scratch`.
template <typename Launch, typename Rule>
RoiLists ListRois(Launch& launch, const RoiTable<typename Rule::Element>& table, const Rule& rule,
                  const RoiListScratch& scratch) {
  LaunchForEach(launch, table.num_rois, RankMap<typename Rule::Element>{table, scratch.entries});
  const Ranked* sorted = SortRows(launch, 1, table.num_rois, scratch.entries, scratch.sort_scratch);
  LaunchForEach(launch, table.num_rois + table.NumMaps() + 1,
                SplitByMap{table.num_rois, sorted, scratch.map_rois, scratch.map_begin});
  const MapRois maps = {table.images, scratch.map_rois, scratch.map_begin};
  RoiLists squares = scratch.squares;
  squares.map_begin = scratch.map_begin;
  launch(ListRoisKernel<Rule, MapRois>{table, rule, maps, squares});
  RoiLists tiles = scratch.tiles;
  tiles.map_begin = scratch.map_begin;
  launch(ListRoisKernel<Rule, RoiLists>{table, rule, squares, tiles});
  return tiles;
}

}  // namespace rcnn::ops

#endif  // RCNN_OPS_KERNELS_ROI_LISTS_H_
