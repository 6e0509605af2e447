#include "rcnn/ops/kernels/nms_tiles.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <numeric>
#include <random>
#include <set>
#include <vector>

#include "rcnn/ops/cpu/greedy_suppression.h"
#include "rcnn/ops/cpu/score_order.h"
#include "rcnn/ops/kernels/nms_options.h"
#include "rcnn/ops/testing/box_rows.h"
#include "rcnn/ops/testing/host_grid.h"
#include "rcnn/ops/testing/test_seed.h"

namespace rcnn::ops {
namespace {

using ::rcnn::ops::testing::BoxRowOptions;
using ::rcnn::ops::testing::HostGrid;
using ::rcnn::ops::testing::HostOrder;
using ::rcnn::ops::testing::kAllHostOrders;
using ::rcnn::ops::testing::RandomBoxRows;
using ::rcnn::ops::testing::RandomScores;
using ::rcnn::ops::testing::TestSeed;
using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using ::testing::IsEmpty;

// Rows of candidates, all of one capacity.
template <typename T>
struct Problem {
  int64_t rows = 1;
  int64_t capacity = 0;
  std::vector<T> boxes;
  std::vector<T> scores;
  std::vector<int64_t> counts;  // empty: all
  std::vector<int64_t> groups;  // empty: one

  int64_t Count(int64_t row) const { return counts.empty() ? capacity : counts[row]; }
};

template <typename T>
Problem<T> RandomProblem(int64_t rows, int64_t capacity, const BoxRowOptions& options,
                         std::mt19937_64& random) {
  return {rows,
          capacity,
          RandomBoxRows<T>(rows * capacity, options, random),
          RandomScores<T>(rows * capacity, random() % 2 == 0 ? 0 : 40, random),
          {},
          {}};
}

// The operators' CPU code, row by row; groups one after another, merged by score.
template <typename T>
std::vector<int64_t> KeptByCpu(const Problem<T>& problem, int64_t row, const NmsOptions& options) {
  const T* boxes = problem.boxes.data() + 4 * row * problem.capacity;
  const T* scores = problem.scores.data() + row * problem.capacity;
  const std::vector<int64_t> order = BestFirst(scores, problem.Count(row), problem.Count(row));
  std::vector<int64_t> groups = {0};
  if (!problem.groups.empty()) groups = problem.groups;
  std::sort(groups.begin(), groups.end());
  groups.erase(std::unique(groups.begin(), groups.end()), groups.end());
  std::vector<bool> is_kept(problem.capacity);
  NmsOptions all = options;
  all.max_keep = std::numeric_limits<int64_t>::max();
  for (const int64_t group : groups) {
    std::vector<T> sorted;
    std::vector<int64_t> members;
    for (const int64_t i : order) {
      const int64_t at = row * problem.capacity + i;
      if (!problem.groups.empty() && problem.groups[at] != group) continue;
      members.push_back(i);
      sorted.insert(sorted.end(), boxes + 4 * i, boxes + 4 * i + 4);
    }
    for (const int64_t i :
         SuppressGreedily(sorted.data(), static_cast<int64_t>(members.size()), all)) {
      is_kept[members[i]] = true;
    }
  }
  std::vector<int64_t> kept;
  for (const int64_t i : order) {
    if (is_kept[i] && static_cast<int64_t>(kept.size()) < options.max_keep) kept.push_back(i);
  }
  return kept;
}

// A copy of the first `count` values, behind which a page cannot be read.
template <typename T>
class Guarded {
 public:
  Guarded(const std::vector<T>& values, int64_t count) {
    const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    const size_t bytes = static_cast<size_t>(count) * sizeof(T);
    size_ = (bytes + page - 1) / page * page + page;
    base_ = static_cast<char*>(
        mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    char* const end = base_ + size_ - page;
    EXPECT_EQ(mprotect(end, page, PROT_NONE), 0);
    data_ = reinterpret_cast<T*>(end - bytes);
    if (count > 0) std::memcpy(data_, values.data(), bytes);
  }
  ~Guarded() { munmap(base_, size_); }
  Guarded(const Guarded&) = delete;
  Guarded& operator=(const Guarded&) = delete;

  const T* data() const { return data_; }

 private:
  char* base_;
  size_t size_;
  T* data_;
};

// What lies behind the last box that counts cannot be read.
template <int64_t kSlab, typename T>
std::vector<std::vector<int64_t>> KeptByGrid(const Problem<T>& problem, const NmsOptions& options,
                                             HostOrder order) {
  const int64_t last = (problem.rows - 1) * problem.capacity + problem.Count(problem.rows - 1);
  const Guarded<T> boxes(problem.boxes, 4 * last), scores(problem.scores, last);
  const Guarded<int64_t> groups(problem.groups, problem.groups.empty() ? 0 : last);
  NmsWork<T, kSlab> work{};
  work.rows = problem.rows;
  work.capacity = problem.capacity;
  work.boxes = boxes.data();
  work.scores = scores.data();
  work.counts = problem.counts.empty() ? nullptr : problem.counts.data();
  work.groups = problem.groups.empty() ? nullptr : groups.data();
  work.threshold = LargestAllowed<T>(options.iou_threshold, options.suppress_equal);
  work.extra = options.inclusive ? T{1} : T{0};
  work.max_keep = options.max_keep;
  const int64_t all = problem.rows * problem.capacity;
  const int64_t kept_rows = problem.rows * work.KeptCapacity();
  std::vector<int64_t> kept(kept_rows, -1), counts(problem.rows), sorted_group(all),
      kept_group(kept_rows);
  std::vector<Ranked> entries(all), scratch(all);
  std::vector<AreaBox<T>> sorted(all), kept_boxes(kept_rows);
  std::vector<uint64_t> suppressed(problem.rows * work.Chunks() * work.SlabWords(),
                                   0x5555555555555555u);
  std::vector<uint64_t> nonzero(problem.rows * work.SlabWords() * work.SlabWords(),
                                0x5555555555555555u);
  std::vector<uint64_t> mask(problem.rows * work.SlabRows() * work.SlabWords(),
                             0x5555555555555555u);
  work.kept = kept.data();
  work.kept_count = counts.data();
  work.entries = entries.data();
  work.sort_scratch = scratch.data();
  work.sorted = sorted.data();
  work.sorted_group = sorted_group.data();
  work.kept_boxes = kept_boxes.data();
  work.kept_group = kept_group.data();
  work.suppressed = suppressed.data();
  work.nonzero = nonzero.data();
  work.mask = mask.data();
  HostGrid launch(order, TestSeed());
  SuppressRows(launch, work);
  EXPECT_EQ(launch.conflict(), "");
  std::vector<std::vector<int64_t>> result;
  for (int64_t row = 0; row < problem.rows; ++row) {
    const auto first = kept.begin() + row * work.KeptCapacity();
    result.emplace_back(first, first + counts[row]);
    for (int64_t i = counts[row]; i < work.KeptCapacity(); ++i) EXPECT_EQ(*(first + i), 0);
  }
  return result;
}

template <int64_t kSlab, typename T>
void ExpectEqualsCpu(const Problem<T>& problem, const NmsOptions& options) {
  for (const HostOrder order : kAllHostOrders) {
    const auto kept = KeptByGrid<kSlab>(problem, options, order);
    for (int64_t row = 0; row < problem.rows; ++row) {
      EXPECT_THAT(kept[row], ElementsAreArray(KeptByCpu(problem, row, options)))
          << "row " << row << " of " << problem.rows << " of capacity " << problem.capacity;
    }
  }
}

template <typename T>
class NmsTilesTest : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(NmsTilesTest, Types);

TYPED_TEST(NmsTilesTest, KeepsTheBestAndDropsWhatOverlapsIt) {
  const Problem<TypeParam> problem = {
      1, 3, {0, 0, 10, 10, 0, 0, 10, 9, 20, 20, 30, 30}, {TypeParam{0.5}, 1, 0}, {}, {}};
  EXPECT_THAT(KeptByGrid<64>(problem, {}, HostOrder::kForward)[0], ElementsAre(1, 2));
}

TYPED_TEST(NmsTilesTest, NoBoxesAndOneBox) {
  EXPECT_THAT(KeptByGrid<64>(Problem<TypeParam>{}, {}, HostOrder::kForward)[0], IsEmpty());
  const Problem<TypeParam> one = {1, 1, {0, 0, 0, 0}, {0}, {}, {}};
  EXPECT_THAT(KeptByGrid<64>(one, {}, HostOrder::kForward)[0], ElementsAre(0));
}

TYPED_TEST(NmsTilesTest, EqualsTheCpuOverSlabsAndThresholds) {
  std::mt19937_64 random(TestSeed());
  for (const int64_t count : {2, 63, 64, 65, 127, 128, 129, 400}) {
    for (const double threshold : {0.0, 0.3, 0.5, 1.0}) {
      const BoxRowOptions boxes = {100, 60, random() % 2 == 0 ? 0.0 : 10.0};
      NmsOptions options;
      options.iou_threshold = threshold;
      options.suppress_equal = random() % 2 == 0;
      options.inclusive = random() % 2 == 0;
      ExpectEqualsCpu<128>(RandomProblem<TypeParam>(1, count, boxes, random), options);
    }
  }
}

// Slabs of several tiles, where masks wait for the decision of a tile, for the next tile, or for
// later ones; with 16, 8 and 2 threads for a word.
TYPED_TEST(NmsTilesTest, EqualsTheCpuOverTilesOfASlab) {
  std::mt19937_64 random(TestSeed());
  for (const int64_t count : {129, 191, 192, 193, 256, 511, 512, 513, 700}) {
    NmsOptions options;
    options.iou_threshold = 0.2 + 0.1 * static_cast<double>(random() % 6);
    const auto problem = RandomProblem<TypeParam>(1, count, {300, 80, 0}, random);
    ExpectEqualsCpu<512>(problem, options);
    ExpectEqualsCpu<4096>(problem, options);
    ExpectEqualsCpu<16384>(problem, options);
  }
}

// A box suppresses the 100 after it, so that the masks of a kept one are in its own tile and in the
// next two.
TYPED_TEST(NmsTilesTest, EachKeptBoxSuppressesThoseOfTheNextTiles) {
  Problem<TypeParam> problem = {1, 600, {}, {}, {}, {}};
  std::vector<int64_t> expected;
  for (int64_t i = 0; i < problem.capacity; ++i) {
    const auto left = static_cast<TypeParam>(i);
    problem.boxes.insert(problem.boxes.end(), {left, 0, left + 101, 1});
    problem.scores.push_back(-left);
    if (i % 101 == 0) expected.push_back(i);
  }
  NmsOptions options;
  options.iou_threshold = 0.004;  // less than 1 / 201
  for (const HostOrder order : kAllHostOrders) {
    EXPECT_THAT(KeptByGrid<1024>(problem, options, order)[0], ElementsAreArray(expected));
  }
}

// Each box of a chain suppresses the next one alone, so every second one is kept. Chains of some
// lengths have few masks in a tile, and others many; long ones go on in the next tiles.
TYPED_TEST(NmsTilesTest, EverySecondBoxOfAChainIsKept) {
  constexpr int64_t kFirst = 3;
  NmsOptions options;
  options.iou_threshold = 0.4;  // of a box and the next one 0.5, and the one after that 0.2
  for (const int64_t length : {2, 3, 6, 8, 9, 10, 11, 40, 61, 62, 100, 150}) {
    Problem<TypeParam> problem = {1, 200, {}, {}, {}, {}};
    std::vector<int64_t> expected;
    for (int64_t i = 0; i < problem.capacity; ++i) {
      const bool is_in_chain = i >= kFirst && i < kFirst + length;
      const auto left = static_cast<TypeParam>(is_in_chain ? i : 1000 + 10 * i);
      problem.boxes.insert(problem.boxes.end(), {left, 0, left + 3, 1});
      problem.scores.push_back(static_cast<TypeParam>(-i));
      if (!is_in_chain || (i - kFirst) % 2 == 0) expected.push_back(i);
    }
    for (const HostOrder order : kAllHostOrders) {
      EXPECT_THAT(KeptByGrid<512>(problem, options, order)[0], ElementsAreArray(expected))
          << length;
    }
  }
}

// Nearly all masks are 0, and are not written.
TYPED_TEST(NmsTilesTest, FewBoxesAreLikeOnesOfLaterTiles) {
  for (const int64_t distance : {1, 63, 64, 65, 128, 129, 200, 300}) {
    Problem<TypeParam> problem = {1, 450, {}, {}, {}, {}};
    std::vector<int64_t> like(problem.capacity), expected;
    std::iota(like.begin(), like.end(), int64_t{0});
    for (const int64_t i : {0, 5, 63, 64, 100, 127}) like[i + distance] = like[i];
    for (int64_t i = 0; i < problem.capacity; ++i) {
      const auto left = static_cast<TypeParam>(10 * like[i]);
      problem.boxes.insert(problem.boxes.end(), {left, 0, left + 3, 1});
      problem.scores.push_back(static_cast<TypeParam>(-i));
      if (like[i] == i) expected.push_back(i);
    }
    for (const HostOrder order : kAllHostOrders) {
      EXPECT_THAT(KeptByGrid<512>(problem, {}, order)[0], ElementsAreArray(expected)) << distance;
      EXPECT_THAT(KeptByGrid<16384>(problem, {}, order)[0], ElementsAreArray(expected)) << distance;
    }
  }
}

TYPED_TEST(NmsTilesTest, AllBoxesAreKeptOrAllButOne) {
  Problem<TypeParam> apart = {1, 400, {}, {}, {}, {}}, alike = apart;
  std::vector<int64_t> all;
  for (int64_t i = 0; i < 400; ++i) {
    const auto left = static_cast<TypeParam>(2 * i);
    apart.boxes.insert(apart.boxes.end(), {left, 0, left + 1, 1});
    alike.boxes.insert(alike.boxes.end(), {0, 0, 1, 1});
    apart.scores.push_back(1);
    alike.scores.push_back(1);
    all.push_back(i);
  }
  for (const HostOrder order : kAllHostOrders) {
    EXPECT_THAT(KeptByGrid<512>(apart, {}, order)[0], ElementsAreArray(all));
    EXPECT_THAT(KeptByGrid<512>(alike, {}, order)[0], ElementsAre(0));
  }
}

// Also where a chunk of kept boxes is not enough: 1,024 of them.
TYPED_TEST(NmsTilesTest, EqualsTheCpuWithManyKept) {
  std::mt19937_64 random(TestSeed());
  NmsOptions options;
  options.iou_threshold = 0.5;
  const auto problem = RandomProblem<TypeParam>(1, 3000, {2000, 60, 0}, random);
  EXPECT_THAT(KeptByGrid<256>(problem, options, HostOrder::kReversed)[0],
              ElementsAreArray(KeptByCpu(problem, 0, options)));
  EXPECT_GT(KeptByCpu(problem, 0, options).size(), 2048u);
}

TYPED_TEST(NmsTilesTest, StopsAtMaxKeep) {
  std::mt19937_64 random(TestSeed());
  const auto problem = RandomProblem<TypeParam>(2, 300, {500, 60, 0}, random);
  NmsOptions options;
  for (const int64_t max_keep : {0, 1, 63, 64, 65, 130, 299, 300, 1000}) {
    options.max_keep = max_keep;
    ExpectEqualsCpu<128>(problem, options);
    ExpectEqualsCpu<512>(problem, options);
  }
}

TYPED_TEST(NmsTilesTest, RowsAreIndependentAndMayBeEmpty) {
  std::mt19937_64 random(TestSeed());
  auto problem = RandomProblem<TypeParam>(6, 200, {150, 60, 5}, random);
  problem.counts = {200, 0, 1, 64, 65, 199};
  NmsOptions options;
  options.iou_threshold = 0.4;
  ExpectEqualsCpu<64>(problem, options);
  ExpectEqualsCpu<256>(problem, options);
}

// Nobody has written them, as where proposals are too small: only the last row can show a read.
TYPED_TEST(NmsTilesTest, BoxesBeyondTheCountAreNotRead) {
  std::mt19937_64 random(TestSeed());
  auto problem = RandomProblem<TypeParam>(2, 200, {150, 60, 5}, random);
  for (int64_t i = 0; i < 400; ++i) problem.groups.push_back(static_cast<int64_t>(random() % 3));
  NmsOptions options;
  options.iou_threshold = 0.4;
  for (const int64_t count : {0, 1, 63, 64, 100, 130}) {
    problem.counts = {200, count};
    ExpectEqualsCpu<128>(problem, options);
  }
}

TYPED_TEST(NmsTilesTest, GroupsDoNotSuppressEachOther) {
  std::mt19937_64 random(TestSeed());
  auto problem = RandomProblem<TypeParam>(2, 250, {100, 60, 5}, random);
  for (int64_t i = 0; i < 500; ++i) problem.groups.push_back(static_cast<int64_t>(random() % 7));
  NmsOptions options;
  options.iou_threshold = 0.3;
  ExpectEqualsCpu<128>(problem, options);
  options.max_keep = 40;
  ExpectEqualsCpu<128>(problem, options);
}

// The area of the largest boxes overflows: they overlap nothing.
TYPED_TEST(NmsTilesTest, AreasThatTheTypeCannotHold) {
  const TypeParam big = std::numeric_limits<TypeParam>::max() / 4;
  const Problem<TypeParam> problem = {
      1, 3, {-big, -big, big, big, -big, -big, big, big, 0, 0, 1, 1}, {3, 2, 1}, {}, {}};
  ExpectEqualsCpu<64>(problem, {});
}

// The second one has 600 boxes, of which the first one suppresses some.
TEST(NmsTilesLargeTest, SlabsOfTheDevice) {
  constexpr int64_t kSlab = 16384, kRest = 600;
  std::mt19937_64 random(TestSeed());
  NmsOptions options;
  options.iou_threshold = 0.5;
  const auto problem = RandomProblem<float>(1, kSlab + kRest, {2000, 200, 0}, random);
  const std::vector<int64_t> expected = KeptByCpu(problem, 0, options);
  EXPECT_EQ(KeptByGrid<kSlab>(problem, options, HostOrder::kForward)[0], expected);
  const std::vector<int64_t> order =
      BestFirst(problem.scores.data(), problem.capacity, problem.capacity);
  const std::set<int64_t> rest(order.begin() + kSlab, order.end());
  const auto kept =
      std::count_if(expected.begin(), expected.end(), [&](int64_t i) { return rest.count(i) > 0; });
  EXPECT_GT(kept, 0);
  EXPECT_LT(kept, kRest);
}

TEST(NmsTilesLargeTest, SecondSlabOfTheDevice) {
  std::mt19937_64 random(TestSeed());
  NmsOptions options;
  options.iou_threshold = 0.3;
  const auto problem = RandomProblem<float>(1, 16384 + 100, {800, 200, 0}, random);
  EXPECT_EQ(KeptByGrid<16384>(problem, options, HostOrder::kReversed)[0],
            KeptByCpu(problem, 0, options));
}

// Few boxes are kept of a million, so that the pairs stay below half a billion.
TEST(NmsTilesLargeTest, MillionBoxes) {
  std::mt19937_64 random(TestSeed());
  NmsOptions options;
  options.iou_threshold = 0.2;
  options.max_keep = 2000;
  const auto problem = RandomProblem<float>(1, 1000000, {400, 100, 0, 20}, random);
  const std::vector<int64_t> expected = KeptByCpu(problem, 0, options);
  EXPECT_EQ(KeptByGrid<256>(problem, options, HostOrder::kForward)[0], expected);
  EXPECT_GT(expected.size(), 100u);
  EXPECT_LT(expected.size(), 2000u);
}

TEST(NmsTilesLargeTest, MillionBoxesInGroups) {
  std::mt19937_64 random(TestSeed());
  NmsOptions options;
  options.iou_threshold = 0.2;
  options.max_keep = 2000;
  auto problem = RandomProblem<float>(1, 1000000, {60, 100, 0, 20}, random);
  for (int64_t i = 0; i < problem.capacity; ++i) {
    problem.groups.push_back(static_cast<int64_t>(random() % 4));
  }
  const std::vector<int64_t> expected = KeptByCpu(problem, 0, options);
  EXPECT_EQ(KeptByGrid<256>(problem, options, HostOrder::kReversed)[0], expected);
  EXPECT_GT(expected.size(), 20u);
  EXPECT_LT(expected.size(), 2000u);
}

}  // namespace
}  // namespace rcnn::ops
