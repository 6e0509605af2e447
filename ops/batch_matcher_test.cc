#include "rcnn/ops/batch_matcher.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>

#include "rcnn/ops/batch_matcher_work.h"
#include "rcnn/ops/error_message.h"
#include "rcnn/ops/kernels/box_matching.h"
#include "rcnn/ops/matcher.h"
#include "rcnn/ops/testing/host_grid.h"
#include "rcnn/ops/testing/random_boxes.h"
#include "rcnn/ops/testing/test_seed.h"

namespace rcnn::ops {
namespace {

using ::rcnn::ops::testing::HostGrid;
using ::rcnn::ops::testing::HostOrder;
using ::rcnn::ops::testing::kAllHostOrders;
using ::rcnn::ops::testing::RandomBoxes;
using ::rcnn::ops::testing::TestGenerator;
using ::rcnn::ops::testing::TestSeed;
using ::testing::HasSubstr;

struct Problem {
  at::Tensor boxes;  // [B, N, 4]
  at::Tensor gt_boxes, gt_counts, gt_is_crowd, eligible;
};

// Image b has b objects, so the first has none.
Problem RandomProblem(int64_t images, int64_t rows, int64_t objects, at::ScalarType dtype) {
  at::Generator generator = TestGenerator();
  const auto boxes = [&](int64_t count) {
    return RandomBoxes(images * count, generator).view({images, count, 4}).to(dtype);
  };
  return {boxes(rows), boxes(objects), at::arange(images, at::kLong).clamp_max(objects),
          at::rand({images, objects}, generator, at::kFloat).gt(0.7),
          at::rand({images, rows}, generator, at::kFloat).gt(0.2)};
}

Matches MatchImage(const Problem& problem, int64_t image, const MatcherOptions& options) {
  const int64_t count = problem.gt_counts[image].item<int64_t>();
  return MatchBoxes(problem.boxes[image], problem.gt_boxes[image].slice(0, 0, count), options,
                    problem.gt_is_crowd[image].slice(0, 0, count), problem.eligible[image]);
}

template <typename T>
Matches MatchByGrid(const Problem& problem, const MatcherOptions& options, HostOrder order) {
  const MatchBatchTensors tensors = MakeMatchBatchTensors(
      problem.boxes, problem.gt_boxes, problem.gt_counts, problem.gt_is_crowd, problem.eligible);
  HostGrid launch(order, TestSeed());
  MatchBoxesOfImages(launch, MakeMatchBatchWork<T>(tensors, options));
  EXPECT_EQ(launch.conflict(), "");
  return tensors.results;
}

void ExpectEqual(const Matches& a, const Matches& b) {
  EXPECT_TRUE(a.labels.equal(b.labels));
  EXPECT_TRUE(a.gt_index.equal(b.gt_index));
  EXPECT_TRUE(a.iou.equal(b.iou));
}

TEST(MatchBatchTest, EqualsMatchBoxesOfEachImage) {
  for (const at::ScalarType dtype : {at::kFloat, at::kDouble}) {
    for (const int64_t rows : {0, 1, 300, 900}) {
      for (const bool best : {false, true}) {
        const Problem problem = RandomProblem(4, rows, 5, dtype);
        MatcherOptions options;
        options.foreground_iou = 0.5;
        options.match_best_of_each_gt = best;
        const Matches found = MatchBatch(problem.boxes, problem.gt_boxes, problem.gt_counts,
                                         options, problem.gt_is_crowd, problem.eligible);
        for (int64_t b = 0; b < 4; ++b) {
          ExpectEqual({found.labels[b], found.gt_index[b], found.iou[b]},
                      MatchImage(problem, b, options));
        }
      }
    }
  }
}

TEST(MatchBatchTest, EqualsTheKernelsInAnyOrder) {
  const Problem problem = RandomProblem(3, 400, 5, at::kFloat);
  const Matches found = MatchBatch(problem.boxes, problem.gt_boxes, problem.gt_counts, {},
                                   problem.gt_is_crowd, problem.eligible);
  for (const HostOrder order : kAllHostOrders) {
    ExpectEqual(found, MatchByGrid<float>(problem, {}, order));
  }
}

// Anchors are the same for all images.
TEST(MatchBatchTest, SharesBoxes) {
  const Problem problem = RandomProblem(3, 200, 4, at::kFloat);
  const at::Tensor anchors = problem.boxes[0];
  ExpectEqual(MatchBatch(anchors, problem.gt_boxes, problem.gt_counts, {}),
              MatchBatch(anchors.expand({3, 200, 4}), problem.gt_boxes, problem.gt_counts, {}));
}

TEST(MatchBatchTest, TakesAMillionBoxes) {
  at::Generator generator = TestGenerator();
  const at::Tensor boxes = RandomBoxes(1000000, generator).to(at::kFloat);
  const at::Tensor gt = RandomBoxes(3, generator).to(at::kFloat);
  const Matches found = MatchBatch(boxes, gt.unsqueeze(0), at::full({1}, 3, at::kLong), {});
  ExpectEqual({found.labels[0], found.gt_index[0], found.iou[0]}, MatchBoxes(boxes, gt, {}));
}

TEST(MatchBatchTest, WithoutImagesOrObjects) {
  const at::Tensor anchors = at::tensor({0.f, 0.f, 9.f, 9.f}).view({1, 4});
  EXPECT_EQ(MatchBatch(anchors, at::zeros({0, 2, 4}), at::zeros({0}, at::kLong), {}).labels.sizes(),
            at::IntArrayRef({0, 1}));
  const Matches found = MatchBatch(anchors, at::zeros({2, 0, 4}), at::zeros({2}, at::kLong), {});
  EXPECT_TRUE(found.labels.eq(kBackground).all().item<bool>());
  EXPECT_TRUE(found.gt_index.eq(-1).all().item<bool>());
}

TEST(MatchBatchTest, ErrorsNameTheArgument) {
  const at::Tensor anchors = at::zeros({3, 4}), gt = at::zeros({2, 5, 4});
  const at::Tensor counts = at::full({2}, 5, at::kLong);
  const auto message = [](const at::Tensor& boxes, const at::Tensor& objects,
                          const at::Tensor& numbers) {
    return ErrorMessage([&] { MatchBatch(boxes, objects, numbers, {}); });
  };
  EXPECT_THAT(message(anchors.view({2, 6}), gt, counts), HasSubstr("boxes"));
  EXPECT_THAT(message(anchors, gt[0], counts), HasSubstr("gt_boxes"));
  EXPECT_THAT(message(anchors, gt, counts + 1), HasSubstr("gt_counts"));
  EXPECT_THAT(message(anchors, gt, counts.slice(0, 1)), HasSubstr("gt_counts"));
  EXPECT_THAT(ErrorMessage([&] {
                MatchBatch(anchors, gt, counts, {}, at::zeros({2, 5}));
              }),
              HasSubstr("gt_is_crowd"));
}

}  // namespace
}  // namespace rcnn::ops
