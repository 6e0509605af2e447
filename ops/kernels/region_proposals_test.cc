#include "rcnn/ops/kernels/region_proposals.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "rcnn/ops/proposals.h"
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

// Small, so that rows of candidates have several slabs.
constexpr int64_t kSlab = 64;

struct Problem {
  std::vector<ProposalLevel> levels;
  std::vector<InputSize> sizes;
  ProposalOptions options;
};

Problem RandomProblem(std::mt19937_64& random) {
  const auto pick = [&](std::vector<int64_t> values) { return values[random() % values.size()]; };
  at::Generator generator = at::detail::createCPUGenerator(random());
  Problem problem;
  const int64_t images = pick({1, 2, 3}), levels = pick({1, 2, 4});
  const bool is_pair = random() % 2 == 0;
  for (int64_t level = 0; level < levels; ++level) {
    const int64_t height = pick({1, 4, 9}), width = pick({0, 1, 7, 12}), kinds = pick({1, 3});
    const auto format =
        random() % 2 == 0 ? at::MemoryFormat::Contiguous : at::MemoryFormat::ChannelsLast;
    // Logits on a few levels, so that many are equal.
    const at::Tensor logits =
        at::randn({images, kinds * (is_pair ? 2 : 1), height, width}, generator)
            .mul(8)
            .round()
            .div(8)
            .contiguous(format);
    const at::Tensor deltas =
        at::randn({images, 4 * kinds, height, width}, generator).mul(0.3).contiguous(format);
    const at::Tensor anchors =
        RandomBoxes(height * width * kinds, generator, {200, 20, 90}).to(at::kFloat) - 30;
    problem.levels.push_back({logits, deltas, anchors});
  }
  for (int64_t i = 0; i < images; ++i) {
    problem.sizes.push_back({100.0f + 40.0f * static_cast<float>(i), 180, 1.5f});
  }
  problem.options.objectness = is_pair ? ObjectnessKind::kSoftmaxPair : ObjectnessKind::kSigmoid;
  problem.options.pre_nms_top_n = pick({1, 20, 100, 1000});
  problem.options.post_nms_top_n = pick({1, 10, 50, 400});
  problem.options.nms_iou_threshold = 0.5;
  problem.options.min_side_px = pick({0, 16, 300});
  problem.options.drop_small_before_top_n = random() % 2 == 0;
  problem.options.coder.inclusive = random() % 2 == 0;
  problem.options.coder.exact_inverse = random() % 2 == 0;
  return problem;
}

FloatMaps MapsFromTensor(const at::Tensor& tensor) {
  return {tensor.data_ptr<float>(), tensor.stride(0), tensor.stride(1), tensor.stride(2),
          tensor.stride(3)};
}

// All scratch of a problem.
struct Memory {
  std::vector<ProposalImage> images;
  HostArrays selections;
  std::vector<int64_t> large, large_counts, kept, kept_count;
  std::vector<Ranked> nms_entries, nms_scratch, merged, merge_scratch;
  std::vector<float> decoded, logits, large_boxes, large_logits;
  std::vector<uint8_t> is_large;
  std::vector<AreaBox<float>> sorted, kept_boxes;
  std::vector<uint64_t> suppressed, nonzero, mask;
};

template <typename T>
T* Resized(std::vector<T>& values, int64_t count) {
  values.resize(count);
  return values.data();
}

ProposalWork<kSlab> MakeWork(const Problem& problem, Memory& memory) {
  const ProposalOptions& options = problem.options;
  ProposalWork<kSlab> work{};
  work.rows.coding = BoxCoding<float>(options.coder);
  ProposalRows& rows = work.rows;
  int64_t most = 0;
  for (const ProposalLevel& level : problem.levels) {
    rows.AddLevel({level.deltas.size(2), level.deltas.size(3), level.deltas.size(1) / 4,
                   MapsFromTensor(level.logits), MapsFromTensor(level.deltas),
                   level.anchors.data_ptr<float>()});
    most = std::max(most, level.anchors.size(0));
  }
  for (const InputSize& size : problem.sizes) {
    const double min_side = options.min_side_px * static_cast<double>(size.scale);
    memory.images.push_back({size.height, size.width, static_cast<float>(min_side)});
  }
  rows.images = memory.images.data();
  rows.is_pair = options.objectness == ObjectnessKind::kSoftmaxPair;
  rows.edge = options.coder.inclusive ? 1 : 0;
  rows.pre_nms_top_n = options.pre_nms_top_n;
  rows.drop_small_before_top_n = options.drop_small_before_top_n;
  work.num_images = static_cast<int64_t>(problem.sizes.size());
  work.capacity = std::min(options.pre_nms_top_n, most);
  work.post_nms_top_n = options.post_nms_top_n;
  const int64_t all = work.NumRows() * work.capacity;
  PlanProposalSelections(memory.selections, &work);
  work.decoded = Resized(memory.decoded, 4 * all);
  work.logits = Resized(memory.logits, all);
  work.is_large = reinterpret_cast<bool*>(Resized(memory.is_large, all));
  work.large = Resized(memory.large, all);
  work.large_counts = Resized(memory.large_counts, work.NumRows());
  work.large_boxes = Resized(memory.large_boxes, 4 * all);
  work.large_logits = Resized(memory.large_logits, all);
  NmsWork<float, kSlab>& nms = work.nms;
  nms.rows = work.NumRows();
  nms.capacity = work.capacity;
  nms.boxes = work.large_boxes;
  nms.scores = work.large_logits;
  nms.counts = work.large_counts;
  nms.threshold = LargestAllowed<float>(options.nms_iou_threshold, options.nms_suppress_equal);
  nms.extra = rows.edge;
  nms.max_keep = options.post_nms_top_n;
  nms.kept = Resized(memory.kept, nms.rows * nms.KeptCapacity());
  nms.kept_count = Resized(memory.kept_count, nms.rows);
  nms.entries = Resized(memory.nms_entries, all);
  nms.sort_scratch = Resized(memory.nms_scratch, all);
  nms.sorted = Resized(memory.sorted, all);
  nms.kept_boxes = Resized(memory.kept_boxes, nms.rows * nms.KeptCapacity());
  nms.suppressed = Resized(memory.suppressed, nms.rows * nms.Chunks() * nms.SlabWords());
  nms.nonzero = Resized(memory.nonzero, nms.rows * nms.SlabWords() * nms.SlabWords());
  nms.mask = Resized(memory.mask, nms.rows * nms.SlabRows() * nms.SlabWords());
  work.merged = Resized(memory.merged, work.num_images * work.MergedCapacity());
  work.merge_scratch = Resized(memory.merge_scratch, work.num_images * work.MergedCapacity());
  return work;
}

// As the operator returns them.
Proposals ByGrid(const Problem& problem, HostOrder order) {
  Memory memory;
  ProposalWork<kSlab> work = MakeWork(problem, memory);
  const int64_t images = work.num_images, most = problem.options.post_nms_top_n;
  const at::Tensor rois = at::full({images, most, 5}, 99, at::kFloat);
  const at::Tensor scores = at::full({images, most}, 99, at::kFloat);
  const at::Tensor counts = at::full({images}, 99, at::kLong);
  work.rois = rois.data_ptr<float>();
  work.scores = scores.data_ptr<float>();
  work.counts = counts.data_ptr<int64_t>();
  HostGrid launch(order, TestSeed());
  ProposeRegions(launch, work);
  EXPECT_EQ(launch.conflict(), "");
  // So that there is one to concatenate.
  std::vector<at::Tensor> roi_lists = {at::empty({0, 5})}, score_lists = {at::empty({0})};
  for (int64_t i = 0; i < images; ++i) {
    const int64_t count = counts[i].item<int64_t>();
    roi_lists.push_back(rois[i].slice(0, 0, count));
    score_lists.push_back(scores[i].slice(0, 0, count));
    EXPECT_TRUE(rois[i].slice(0, count).eq(0).all().item<bool>());
    EXPECT_TRUE(scores[i].slice(0, count).eq(0).all().item<bool>());
  }
  return {at::cat(roi_lists), at::cat(score_lists), counts};
}

// Bit by bit: on the host exp is one function.
TEST(RegionProposalsKernelTest, EqualsTheOperatorOverShapes) {
  std::mt19937_64 random(TestSeed());
  int64_t found = 0;
  for (int i = 0; i < 60; ++i) {
    const Problem problem = RandomProblem(random);
    const Proposals expected = GenerateProposals(problem.levels, problem.sizes, problem.options);
    const Proposals actual = ByGrid(problem, kAllHostOrders[i % 3]);
    ASSERT_TRUE(at::equal(actual.counts, expected.counts))
        << "case " << i << ": " << actual.counts << expected.counts;
    EXPECT_TRUE(at::equal(actual.rois, expected.rois)) << "case " << i;
    EXPECT_TRUE(at::equal(actual.scores, expected.scores)) << "case " << i;
    found += expected.scores.size(0);
  }
  EXPECT_GT(found, 500);
}

// One level with three anchors in a cell.
Problem OneLevel(int64_t images, int64_t height, int64_t width) {
  at::Generator generator = at::detail::createCPUGenerator(TestSeed());
  Problem problem;
  problem.levels = {{at::randn({images, 3, height, width}, generator),
                     at::randn({images, 12, height, width}, generator).mul(0.3),
                     RandomBoxes(3 * height * width, generator, {900, 20, 200}).to(at::kFloat)}};
  for (int64_t i = 0; i < images; ++i) problem.sizes.push_back({1000, 1000, 1});
  problem.options.pre_nms_top_n = 1000;
  problem.options.nms_iou_threshold = 0.5;
  return problem;
}

// Returns the kernels' result.
Proposals ExpectEqualsOperator(const Problem& problem, HostOrder order) {
  const Proposals expected = GenerateProposals(problem.levels, problem.sizes, problem.options);
  const Proposals actual = ByGrid(problem, order);
  EXPECT_TRUE(at::equal(actual.counts, expected.counts));
  EXPECT_TRUE(at::equal(actual.rois, expected.rois));
  EXPECT_TRUE(at::equal(actual.scores, expected.scores));
  return actual;
}

TEST(RegionProposalsKernelTest, NoImages) {
  for (const HostOrder order : kAllHostOrders) {
    const Proposals none = ExpectEqualsOperator(OneLevel(0, 4, 5), order);
    EXPECT_EQ(none.counts.size(0), 0);
    EXPECT_EQ(none.rois.size(0), 0);
  }
}

TEST(RegionProposalsKernelTest, MillionAnchors) {
  const Proposals found = ExpectEqualsOperator(OneLevel(1, 500, 667), HostOrder::kReversed);
  EXPECT_GT(found.counts[0].item<int64_t>(), 100);
}

}  // namespace
}  // namespace rcnn::ops
