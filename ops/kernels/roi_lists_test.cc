#include "rcnn/ops/kernels/roi_lists.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <random>
#include <utility>
#include <vector>

#include "rcnn/ops/testing/host_arrays.h"
#include "rcnn/ops/testing/host_grid.h"
#include "rcnn/ops/testing/test_seed.h"

namespace rcnn::ops {
namespace {

using ::rcnn::ops::testing::HostArrays;
using ::rcnn::ops::testing::HostGrid;
using ::rcnn::ops::testing::HostOrder;
using ::rcnn::ops::testing::kAllHostOrders;
using ::rcnn::ops::testing::TestSeed;
using ::testing::ElementsAreArray;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// A RoI touches the pixels x1 to x2 and y1 to y2 of its map, as they are in its row.
struct PixelRule {
  using Element = float;
  struct Geometry {
    int64_t first_row, last_row, first_column, last_column;
  };

  Geometry Load(const RoiTable<float>& table, int64_t roi) const {
    const float* row = table.rois + 5 * roi;
    return {static_cast<int64_t>(row[2]), static_cast<int64_t>(row[4]),
            static_cast<int64_t>(row[1]), static_cast<int64_t>(row[3])};
  }
  bool Touches(const Geometry& roi, int64_t row, int64_t column, int64_t side) const {
    ++*tests;
    return roi.first_row < row + side && roi.last_row >= row && roi.first_column < column + side &&
           roi.last_column >= column;
  }

  int64_t* tests;
};

// Only the sizes of the maps are known: lists need no pixel.
struct Problem {
  std::vector<std::pair<int64_t, int64_t>> sizes;  // height and width of each level
  int64_t images = 1;
  std::vector<float> rois = {};
  std::vector<int64_t> levels = {};

  int64_t num_rois() const { return static_cast<int64_t>(levels.size()); }
  void Add(int64_t level, int64_t image, int64_t row, int64_t column, int64_t height,
           int64_t width) {
    levels.push_back(level);
    for (const int64_t value : {image, column, row, column + width - 1, row + height - 1}) {
      rois.push_back(static_cast<float>(value));
    }
  }
  RoiTable<float> Table() const {
    RoiTable<float> table{};
    for (const auto& [height, width] : sizes) {
      table.levels[table.num_levels].height = height;
      table.levels[table.num_levels++].width = width;
    }
    table.images = images;
    table.num_rois = num_rois();
    table.rois = rois.data();
    table.roi_levels = levels.data();
    return table;
  }
};

// `count` RoIs on any map, of up to `side` pixels, partly beyond its edges.
Problem RandomProblem(std::vector<std::pair<int64_t, int64_t>> sizes, int64_t images, int64_t count,
                      int64_t side, std::mt19937_64& random) {
  Problem problem = {std::move(sizes), images};
  const auto below = [&](int64_t end) {
    return static_cast<int64_t>(random() % static_cast<uint64_t>(end));
  };
  for (int64_t i = 0; i < count; ++i) {
    const int64_t level = below(static_cast<int64_t>(problem.sizes.size()));
    const auto [height, width] = problem.sizes[level];
    problem.Add(level, below(images), below(height + 10) - 5, below(width + 10) - 5,
                1 + below(side), 1 + below(side));
  }
  return problem;
}

struct Square {
  MapSquare place;
  std::vector<int64_t> rois;
};

// The lists of all tiles, and how often a RoI was tested.
struct Listed {
  std::vector<Square> squares;
  int64_t tests = 0;
};

Listed ListByGrid(const Problem& problem, HostOrder order) {
  Listed listed;
  const RoiTable<float> table = problem.Table();
  RoiListScratch scratch{};
  HostArrays arrays;
  PlanRoiLists(table, arrays, &scratch);
  HostGrid launch(order, TestSeed());
  const RoiLists tiles = ListRois(launch, table, PixelRule{&listed.tests}, scratch);
  EXPECT_EQ(launch.conflict(), "");
  for (int64_t i = 0; i < tiles.NumSquares(); ++i) {
    const MapSquare square = tiles.FindSquare(i);
    const RoiList list = tiles.Find(square);
    listed.squares.push_back({square, {list.rois, list.rois + list.count}});
  }
  return listed;
}

// All RoIs, one after another.
std::vector<int64_t> RoisOfSquare(const Problem& problem, const MapSquare& square) {
  const RoiTable<float> table = problem.Table();
  int64_t tests = 0;
  const PixelRule rule = {&tests};
  std::vector<int64_t> rois;
  for (int64_t roi = 0; roi < problem.num_rois(); ++roi) {
    if (table.Level(roi) == square.level && table.Image(roi) == square.image &&
        rule.Touches(rule.Load(table, roi), square.row, square.column, square.side)) {
      rois.push_back(roi);
    }
  }
  return rois;
}

void ExpectRight(const Problem& problem, const Listed& listed) {
  for (const Square& square : listed.squares) {
    EXPECT_THAT(square.rois, ElementsAreArray(RoisOfSquare(problem, square.place)))
        << "level " << square.place.level << ", image " << square.place.image << ", row "
        << square.place.row << ", column " << square.place.column;
  }
}

TEST(RoiListsTest, AListHoldsTheRoisOfItsTileInOrder) {
  std::mt19937_64 random(TestSeed());
  for (const int64_t count : {0, 1, 40, 256, 700}) {
    for (const HostOrder order : kAllHostOrders) {
      const Problem problem = RandomProblem({{70, 93}, {35, 47}, {1, 9}}, 2, count, 30, random);
      const Listed listed = ListByGrid(problem, order);
      EXPECT_THAT(listed.squares, SizeIs(2 * (9 * 12 + 5 * 6 + 1 * 2)));
      ExpectRight(problem, listed);
    }
  }
}

// A list has room for that, and for no more.
TEST(RoiListsTest, EveryRoiCoversTheMap) {
  Problem problem = {{{20, 30}}, 2};
  for (int64_t i = 0; i < 600; ++i) problem.Add(0, i % 2, 0, 0, 20, 30);
  const Listed listed = ListByGrid(problem, HostOrder::kForward);
  EXPECT_THAT(listed.squares, SizeIs(2 * 3 * 4));
  for (const Square& square : listed.squares) EXPECT_THAT(square.rois, SizeIs(300));
  ExpectRight(problem, listed);
}

TEST(RoiListsTest, RoisOutsideTheMapAreInNoList) {
  Problem problem = {{{20, 30}}};
  problem.Add(0, 0, -9, -9, 9, 9);
  problem.Add(0, 0, 24, 0, 5, 5);
  for (const Square& square : ListByGrid(problem, HostOrder::kReversed).squares) {
    EXPECT_THAT(square.rois, IsEmpty());
  }
}

TEST(RoiListsTest, WithoutMapsThereIsNothing) {
  EXPECT_THAT(ListByGrid({{}, 0}, HostOrder::kForward).squares, IsEmpty());
  EXPECT_THAT(ListByGrid({{{0, 4}, {3, 0}}, 2}, HostOrder::kForward).squares, IsEmpty());
}

// 7 x 11 squares of 32 x 32 pixels, and 25 x 42 tiles. A RoI of 16 pixels touches at most 4 squares
// with 16 tiles each.
TEST(RoiListsTest, ATileTestsOnlyTheRoisOfItsSquare) {
  std::mt19937_64 random(TestSeed());
  const int64_t count = 1000;
  const Problem problem = RandomProblem({{200, 336}}, 1, count, 16, random);
  const Listed listed = ListByGrid(problem, HostOrder::kForward);
  ASSERT_THAT(listed.squares, SizeIs(25 * 42));
  EXPECT_GE(listed.tests, count * 77);
  EXPECT_LE(listed.tests, count * (77 + 4 * 16));
}

// Of 2^31 pixels nearly, of which none exists here.
TEST(RoiListsTest, TilesOfALargeMapShareLists) {
  std::mt19937_64 random(TestSeed());
  const Problem problem = RandomProblem({{50000, 42949}}, 1, 300, 3000, random);
  const Listed listed = ListByGrid(problem, HostOrder::kForward);
  // 49 x 42 squares of 1,024 pixels are more than 2,048; 25 x 21 are not.
  EXPECT_THAT(listed.squares, SizeIs(25 * 21));
  EXPECT_EQ(listed.squares[0].place.side, 2048);
  ExpectRight(problem, listed);
}

TEST(RoiListsTest, LargerSquaresAreMadeOfWholeSmallerOnes) {
  for (const int64_t width : {1, 64, 65, 128, 500, 4000, 100000}) {
    const RoiTable<float> table = Problem{{{width, width}, {1, width}}}.Table();
    const RoiLists squares = MakeRoiLists(table, kMaxSquares),
                   tiles = MakeRoiLists(table, kMaxTiles);
    for (int64_t level = 0; level < 2; ++level) {
      EXPECT_EQ(squares.side[level] % tiles.side[level], 0);
      EXPECT_EQ(tiles.side[level] % kTileSide, 0);
      EXPECT_LE(squares.of_map[level], kMaxSquares);
      EXPECT_LE(tiles.of_map[level], kMaxTiles);
      EXPECT_GE(tiles.columns[level] * tiles.side[level], width);
    }
  }
}

}  // namespace
}  // namespace rcnn::ops
