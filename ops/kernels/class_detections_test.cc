#include "rcnn/ops/kernels/class_detections.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <random>
#include <vector>

#include "rcnn/ops/counted_detections.h"
#include "rcnn/ops/kernels/select_smallest.h"
#include "rcnn/ops/testing/host_arrays.h"
#include "rcnn/ops/testing/host_grid.h"
#include "rcnn/ops/testing/random_boxes.h"
#include "rcnn/ops/testing/test_seed.h"

namespace rcnn::ops {
namespace {

using ::rcnn::ops::testing::HostArrays;
using ::rcnn::ops::testing::HostGrid;
using ::rcnn::ops::testing::HostOrder;
using ::rcnn::ops::testing::kAllHostOrders;
using ::rcnn::ops::testing::RandomBoxes;
using ::rcnn::ops::testing::TestSeed;

// Small, so that a class has several slabs.
constexpr int64_t kSlab = 64;

struct Problem {
  at::Tensor scores, deltas, rois, frames;
  CountedDetectionOptions options;
};

// RoIs of three kinds of boxes, each many times, so that suppression has work.
at::Tensor RandomRois(int64_t rows, int64_t images, at::Generator& generator) {
  const at::Tensor kinds = RandomBoxes(3, generator, {60, 20, 90}).to(at::kFloat);
  const at::Tensor kind = at::randint(0, 3, {rows}, generator, at::kLong);
  const at::Tensor image = at::randint(0, images, {rows, 1}, generator, at::kFloat);
  return at::cat({image, kinds.index_select(0, kind) + at::rand({rows, 1}, generator) * 9}, 1);
}

int64_t Pick(const std::vector<int64_t>& values, std::mt19937_64& random) {
  return values[random() % values.size()];
}

Problem RandomProblem(int64_t rows, std::mt19937_64& random) {
  const auto pick = [&](const std::vector<int64_t>& values) { return Pick(values, random); };
  at::Generator generator = at::detail::createCPUGenerator(random());
  const int64_t images = pick({1, 2, 4}), classes = pick({1, 3});
  Problem problem;
  // Logits on a few levels, so that many scores are equal.
  problem.scores = at::softmax(at::randn({rows, classes + 1}, generator).mul(2).round().div(2), 1);
  problem.deltas = at::randn({rows, 4 * (classes + 1)}, generator).mul(0.2);
  // The last image has no RoIs where there are several.
  problem.rois = RandomRois(rows, std::max<int64_t>(images - 1, 1), generator);
  problem.frames = at::tensor({100.f, 130.f, 1.5f, 1.25f, 0.75f}).repeat({images, 1});
  problem.frames[0].copy_(at::tensor({90.f, 140.f, 1.f, 1.f, 1.f}));
  problem.options.min_score = random() % 2 == 0 ? 0.3 : 0.05;
  problem.options.max_per_image = pick({0, 5, 100, 100});
  problem.options.max_per_class = pick({0, 0, 1, 20, 1000});
  problem.options.min_side_px = static_cast<double>(pick({0, 0, 30, 500}));
  problem.options.coder.weights = {2, 2, 1, 1};
  problem.options.coder.inclusive = random() % 2 == 0;
  problem.options.coder.exact_inverse = random() % 2 == 0;
  return problem;
}

// All scratch of a problem.
struct Memory {
  HostArrays selections;
  std::vector<uint32_t> not_finite;
  std::vector<uint8_t> is_candidate, is_kept;
  std::vector<int64_t> best, best_counts, chosen, chosen_counts, chosen_images, kept, kept_count,
      sorted_group, kept_group;
  std::vector<float> decoded, chosen_boxes, chosen_scores;
  std::vector<Ranked> nms_entries, nms_scratch;
  std::vector<AreaBox<float>> sorted, kept_boxes;
  std::vector<uint64_t> suppressed, nonzero, mask;
};

// Not what a kernel would write: memory that must be written before it is read.
template <typename T>
T* Resized(std::vector<T>& values, int64_t count) {
  values.resize(count);
  std::fill_n(reinterpret_cast<uint8_t*>(values.data()), values.size() * sizeof(T), uint8_t{1});
  return values.data();
}

void AddNms(DetectionWork<kSlab>& work, Memory& memory) {
  const int64_t places = work.rows.NumPlaces();
  NmsWork<float, kSlab>& nms = work.nms;
  nms.rows = work.rows.num_classes;
  nms.capacity = nms.max_keep = work.rows.num_rois;
  nms.boxes = work.chosen_boxes;
  nms.scores = work.chosen_scores;
  nms.groups = work.chosen_images;
  nms.counts = work.chosen_counts;
  nms.extra = work.rows.edge;
  nms.kept = Resized(memory.kept, places);
  nms.kept_count = Resized(memory.kept_count, nms.rows);
  nms.entries = Resized(memory.nms_entries, places);
  nms.sort_scratch = Resized(memory.nms_scratch, places);
  nms.sorted = Resized(memory.sorted, places);
  nms.sorted_group = Resized(memory.sorted_group, places);
  nms.kept_boxes = Resized(memory.kept_boxes, places);
  nms.kept_group = Resized(memory.kept_group, places);
  nms.suppressed = Resized(memory.suppressed, nms.rows * nms.Chunks() * nms.SlabWords());
  nms.nonzero = Resized(memory.nonzero, nms.rows * nms.SlabWords() * nms.SlabWords());
  nms.mask = Resized(memory.mask, nms.rows * nms.SlabRows() * nms.SlabWords());
}

DetectionWork<kSlab> MakeWork(const Problem& problem, Memory& memory) {
  const CountedDetectionOptions& options = problem.options;
  DetectionWork<kSlab> work{};
  DetectionRows& rows = work.rows;
  rows.scores = problem.scores.data_ptr<float>();
  rows.deltas = problem.deltas.data_ptr<float>();
  rows.rois = problem.rois.data_ptr<float>();
  rows.frames = problem.frames.data_ptr<float>();
  rows.num_rois = problem.scores.size(0);
  rows.num_classes = problem.scores.size(1) - 1;
  rows.num_images = problem.frames.size(0);
  rows.coding = BoxCoding<float>(options.coder);
  rows.edge = options.coder.inclusive ? 1 : 0;
  rows.min_score = static_cast<float>(options.min_score);
  rows.min_side = static_cast<float>(options.min_side_px);
  const int64_t places = rows.NumPlaces(), lists = rows.num_images * rows.num_classes;
  work.max_per_class = options.max_per_class;
  work.most = std::min(options.max_per_image, places);
  work.nms.threshold = LargestAllowed<float>(options.nms_iou_threshold, false);
  work.not_finite = Resized(memory.not_finite, rows.num_images);
  work.is_candidate = reinterpret_cast<bool*>(Resized(memory.is_candidate, places));
  work.best = Resized(memory.best, lists * work.BestCapacity());
  work.best_counts = Resized(memory.best_counts, lists);
  work.decoded = Resized(memory.decoded, 4 * places);
  work.chosen = Resized(memory.chosen, places);
  work.chosen_counts = Resized(memory.chosen_counts, rows.num_classes);
  work.chosen_boxes = Resized(memory.chosen_boxes, 4 * places);
  work.chosen_scores = Resized(memory.chosen_scores, places);
  work.chosen_images = Resized(memory.chosen_images, places);
  work.is_kept = reinterpret_cast<bool*>(Resized(memory.is_kept, places));
  PlanDetectionSelections(memory.selections, &work);
  AddNms(work, memory);
  return work;
}

// As the operator returns them.
CountedDetections ByGrid(const Problem& problem, HostOrder order) {
  Memory memory;
  DetectionWork<kSlab> work = MakeWork(problem, memory);
  const int64_t images = work.rows.num_images;
  const CountedDetections found = {at::full({images, work.most, 4}, 99, at::kFloat),
                                   at::full({images, work.most}, 99, at::kFloat),
                                   at::full({images, work.most}, 99, at::kLong),
                                   at::full({images}, 99, at::kLong)};
  work.boxes = found.boxes.data_ptr<float>();
  work.scores = found.scores.data_ptr<float>();
  work.labels = found.labels.data_ptr<int64_t>();
  work.counts = found.counts.data_ptr<int64_t>();
  HostGrid launch(order, TestSeed());
  FindDetections(launch, work);
  EXPECT_EQ(launch.conflict(), "");
  return found;
}

// Bit by bit: on the host exp is one function. Rows beyond the counts are 0 in both.
void ExpectEqual(const CountedDetections& actual, const CountedDetections& expected) {
  ASSERT_TRUE(at::equal(actual.counts, expected.counts)) << actual.counts << expected.counts;
  EXPECT_TRUE(at::equal(actual.boxes, expected.boxes));
  EXPECT_TRUE(at::equal(actual.scores, expected.scores));
  EXPECT_TRUE(at::equal(actual.labels, expected.labels));
}

CountedDetections ByOperator(const Problem& problem) {
  return FindCountedDetections(problem.scores, problem.deltas, problem.rois, problem.frames,
                               problem.options);
}

TEST(ClassDetectionsKernelTest, EqualsTheOperatorOverShapes) {
  std::mt19937_64 random(TestSeed());
  int64_t found = 0;
  for (int i = 0; i < 36; ++i) {
    SCOPED_TRACE(i);
    const Problem problem = RandomProblem(Pick({0, 1, 30, 150, 150}, random), random);
    const CountedDetections expected = ByOperator(problem);
    ExpectEqual(ByGrid(problem, kAllHostOrders[i % 3]), expected);
    found += expected.counts.sum().item<int64_t>();
  }
  EXPECT_GT(found, 100);
}

// Selections over several parts of a row (RowParts), of RoIs and of pairs of RoIs and classes.
TEST(ClassDetectionsKernelTest, EqualsTheOperatorWithManyRois) {
  std::mt19937_64 random(TestSeed());
  for (const int64_t max_per_class : {0, 20}) {
    Problem problem = RandomProblem(RowParts::kEntries + 50, random);
    problem.options.max_per_image = 100;
    problem.options.max_per_class = max_per_class;
    problem.options.min_side_px = 0;
    const CountedDetections expected = ByOperator(problem);
    ExpectEqual(ByGrid(problem, HostOrder::kReversed), expected);
    EXPECT_GT(expected.counts.sum().item<int64_t>(), 0);
  }
}

// Of a thousand RoIs and a thousand classes. Some ten of each class pass the threshold.
TEST(ClassDetectionsKernelLargeTest, MillionBoxes) {
  constexpr int64_t kRois = 1000, kClasses = 1000;
  at::Generator generator = at::detail::createCPUGenerator(TestSeed());
  Problem problem;
  problem.scores = at::rand({kRois, kClasses + 1}, generator);
  problem.deltas = at::randn({kRois, 4 * (kClasses + 1)}, generator).mul(0.2);
  problem.rois = RandomRois(kRois, 2, generator);
  problem.frames = at::tensor({100.f, 130.f, 1.5f, 1.25f, 0.75f}).repeat({2, 1});
  problem.options.min_score = 0.99;
  problem.options.max_per_image = 1000;
  const CountedDetections expected = ByOperator(problem);
  ExpectEqual(ByGrid(problem, HostOrder::kReversed), expected);
  EXPECT_GT(expected.counts.min().item<int64_t>(), 500);
}

// Two images with a RoI each, and one class.
Problem TwoRois() {
  Problem problem;
  problem.scores = at::tensor({.2f, .8f, .9f, .1f}).view({2, 2});
  problem.deltas = at::zeros({2, 8});
  problem.rois = at::tensor({0.f, 5.f, 5.f, 40.f, 50.f, 1.f, 0.f, 0.f, 20.f, 30.f}).view({2, 5});
  problem.frames = at::tensor({90.f, 140.f, 1.f, 1.f, 1.f}).repeat({2, 1});
  return problem;
}

std::vector<int64_t> Counts(const Problem& problem) {
  const CountedDetections found = ByGrid(problem, HostOrder::kForward);
  ExpectEqual(found, ByOperator(problem));
  const int64_t* first = found.counts.data_ptr<int64_t>();
  return std::vector<int64_t>(first, first + found.counts.numel());
}

using List = std::vector<int64_t>;

TEST(ClassDetectionsKernelTest, ValuesThatAreNotFiniteMarkTheirImageAlone) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float infinity = std::numeric_limits<float>::infinity();
  EXPECT_EQ(Counts(TwoRois()), List({1, 1}));
  for (const float value : {nan, infinity}) {
    Problem problem = TwoRois();
    problem.scores[0][1].fill_(value);
    EXPECT_EQ(Counts(problem), List({-1, 1}));
    problem = TwoRois();
    problem.deltas[1][6].fill_(value);
    EXPECT_EQ(Counts(problem), List({1, -1}));
    problem.options.min_score = 0.5;
    EXPECT_EQ(Counts(problem), List({1, 0})) << "no delta of a candidate";
  }
  Problem problem = TwoRois();
  problem.rois[1][1].fill_(nan);
  EXPECT_EQ(Counts(problem), List({1, -1}));
}

TEST(ClassDetectionsKernelTest, RoisOfOtherImagesTakePartInNothing) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (const float image : {-1.f, 2.f, 0.5f, nan, 1e30f}) {
    Problem problem = TwoRois();
    problem.rois[0][0].fill_(image);
    problem.scores[0][1].fill_(nan);
    EXPECT_EQ(Counts(problem), List({0, 1})) << image;
  }
}

}  // namespace
}  // namespace rcnn::ops
