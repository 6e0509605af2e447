#include "rcnn/ops/kernels/box_matching.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <optional>
#include <random>

#include "rcnn/ops/cuda/match_work.h"
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

// A batch: boxes [B, N, 4] or, where all images share them, [N, 4]; gt [B, M, 4], of which the
// first gt_count of each image count; masks may be undefined.
struct Batch {
  at::Tensor boxes;
  at::Tensor gt;
  at::Tensor gt_count;
  at::Tensor gt_is_crowd;
  at::Tensor eligible;

  int64_t images() const { return gt.size(0); }
};

template <typename T>
const T* Data(const at::Tensor& tensor) {
  return tensor.defined() ? tensor.data_ptr<T>() : nullptr;
}

template <typename T>
Matches MatchByGrid(const Batch& batch, const MatcherOptions& options, HostOrder order) {
  const bool is_shared = batch.boxes.dim() == 2;
  const int64_t count = batch.boxes.size(-2);
  const Matches matches = {at::full({batch.images(), count}, 99, at::kLong),
                           at::full({batch.images(), count}, 99, at::kLong),
                           at::full({batch.images(), count}, 99, batch.boxes.scalar_type())};
  const at::Tensor gt_best = at::full({batch.images(), batch.gt.size(1)}, 99, batch.gt.options());
  MatchWork<T> work = MakeMatchWork<T>(options);
  work.images = batch.images();
  work.boxes_per_image = count;
  work.gt_capacity = batch.gt.size(1);
  work.boxes = batch.boxes.data_ptr<T>();
  work.image_stride = is_shared ? 0 : 4 * count;
  work.gt = batch.gt.data_ptr<T>();
  work.gt_count = Data<int64_t>(batch.gt_count);
  work.gt_is_crowd = Data<bool>(batch.gt_is_crowd);
  work.eligible = Data<bool>(batch.eligible);
  work.gt_best = gt_best.data_ptr<T>();
  work.labels = matches.labels.data_ptr<int64_t>();
  work.gt_index = matches.gt_index.data_ptr<int64_t>();
  work.iou = matches.iou.data_ptr<T>();
  HostGrid launch(order, TestSeed());
  MatchBoxesOfImages(launch, work);
  EXPECT_EQ(launch.conflict(), "");
  return matches;
}

Matches MatchByOperator(const Batch& batch, int64_t image, const MatcherOptions& options) {
  const at::Tensor boxes = batch.boxes.dim() == 2 ? batch.boxes : batch.boxes[image];
  const int64_t count =
      batch.gt_count.defined() ? batch.gt_count[image].item<int64_t>() : batch.gt.size(1);
  c10::optional<at::Tensor> crowd, eligible;
  if (batch.gt_is_crowd.defined()) crowd = batch.gt_is_crowd[image].slice(0, 0, count);
  if (batch.eligible.defined()) eligible = batch.eligible[image];
  return MatchBoxes(boxes, batch.gt[image].slice(0, 0, count), options, crowd, eligible);
}

template <typename T>
void ExpectEqualsOperator(const Batch& batch, const MatcherOptions& options) {
  for (const HostOrder order : kAllHostOrders) {
    const Matches matches = MatchByGrid<T>(batch, options, order);
    for (int64_t image = 0; image < batch.images(); ++image) {
      const Matches expected = MatchByOperator(batch, image, options);
      EXPECT_TRUE(at::equal(matches.labels[image], expected.labels)) << "image " << image;
      EXPECT_TRUE(at::equal(matches.gt_index[image], expected.gt_index)) << "image " << image;
      EXPECT_TRUE(at::equal(matches.iou[image], expected.iou)) << "image " << image;
    }
  }
}

// Rounded, so that IoUs tie.
at::Tensor Boxes(int64_t images, int64_t count, at::ScalarType dtype, at::Generator& generator) {
  return RandomBoxes(images * count, generator, {100, 5, 80})
      .div(5)
      .round()
      .mul(5)
      .to(dtype)
      .view({images, count, 4});
}

template <typename T>
void ExpectEqualsOverShapes(at::ScalarType dtype) {
  at::Generator generator = TestGenerator();
  std::mt19937_64 random(TestSeed());
  for (const int64_t count : {0, 1, 255, 256, 300}) {
    for (const int64_t gt_capacity : {0, 1, 128, 129}) {
      const int64_t images = 3;
      Batch batch;
      batch.boxes = Boxes(images, count, dtype, generator);
      if (random() % 2 == 0) batch.boxes = batch.boxes[0];
      batch.gt = Boxes(images, gt_capacity, dtype, generator);
      if (random() % 2 == 0) {
        // The first image has no objects.
        batch.gt_count = at::randint(0, gt_capacity + 1, {images}, generator, at::kLong);
        batch.gt_count[0] = 0;
      }
      if (random() % 2 == 0) {
        batch.gt_is_crowd = at::rand({images, gt_capacity}, generator).lt(0.3);
      }
      if (random() % 2 == 0) batch.eligible = at::rand({images, count}, generator).lt(0.7);
      MatcherOptions options;
      options.foreground_iou = 0.5;
      options.background_min_iou = 0.1;
      options.match_best_of_each_gt = random() % 4 != 0;
      options.min_best_iou = random() % 2 == 0 ? 0 : 0.2;
      options.crowd_hides_foreground = random() % 2 == 0;
      options.inclusive = random() % 2 == 0;
      ExpectEqualsOperator<T>(batch, options);
    }
  }
}

TEST(BoxMatchingKernelTest, EqualsTheOperatorInFloat32) {
  ExpectEqualsOverShapes<float>(at::kFloat);
}
TEST(BoxMatchingKernelTest, EqualsTheOperatorInFloat64) {
  ExpectEqualsOverShapes<double>(at::kDouble);
}

TEST(BoxMatchingKernelTest, OnlyCrowdsMatchNothing) {
  at::Generator generator = TestGenerator();
  Batch batch;
  batch.boxes = Boxes(1, 300, at::kFloat, generator);
  batch.gt = Boxes(1, 4, at::kFloat, generator);
  batch.gt_is_crowd = at::ones({1, 4}, at::kBool);
  const Matches matches = MatchByGrid<float>(batch, {}, HostOrder::kForward);
  EXPECT_TRUE(matches.gt_index.eq(-1).all().item<bool>());
  EXPECT_FALSE(matches.labels.eq(1).any().item<bool>());
  ExpectEqualsOperator<float>(batch, {});
}

// The first and the last image have none; then no image has.
TEST(BoxMatchingKernelTest, ImagesWithoutObjects) {
  at::Generator generator = TestGenerator();
  Batch batch;
  batch.boxes = Boxes(3, 300, at::kFloat, generator);
  batch.gt = Boxes(3, 4, at::kFloat, generator);
  batch.gt_count = at::tensor({0, 4, 0}, at::kLong);
  ExpectEqualsOperator<float>(batch, {});
  const Matches matches = MatchByGrid<float>(batch, {}, HostOrder::kForward);
  for (const int64_t image : {0, 2}) {
    EXPECT_TRUE(matches.labels[image].eq(0).all().item<bool>());
    EXPECT_TRUE(matches.gt_index[image].eq(-1).all().item<bool>());
  }
  EXPECT_TRUE(matches.labels[1].eq(1).any().item<bool>());
  batch.gt = batch.gt.slice(1, 0, 0).contiguous();
  batch.gt_count = at::zeros({3}, at::kLong);
  ExpectEqualsOperator<float>(batch, {});
}

// On a device nobody has checked them.
TEST(BoxMatchingKernelTest, CountsBeyondTheCapacityAreTheCapacity) {
  at::Generator generator = TestGenerator();
  Batch batch;
  batch.boxes = Boxes(3, 300, at::kFloat, generator);
  batch.gt = Boxes(3, 4, at::kFloat, generator);
  batch.gt_count = at::tensor({4, 0, 4}, at::kLong);
  Batch wrong = batch;
  wrong.gt_count = at::tensor({7, -1000, 5}, at::kLong);
  for (const HostOrder order : kAllHostOrders) {
    const Matches expected = MatchByGrid<float>(batch, {}, order);
    const Matches found = MatchByGrid<float>(wrong, {}, order);
    EXPECT_TRUE(at::equal(found.labels, expected.labels));
    EXPECT_TRUE(at::equal(found.gt_index, expected.gt_index));
    EXPECT_TRUE(at::equal(found.iou, expected.iou));
  }
}

// As many anchors as the finest levels of a batch have.
TEST(BoxMatchingKernelTest, MillionBoxes) {
  at::Generator generator = TestGenerator();
  Batch batch;
  batch.boxes = Boxes(1, 1000000, at::kFloat, generator);
  batch.gt = Boxes(1, 20, at::kFloat, generator);
  const Matches matches = MatchByGrid<float>(batch, {}, HostOrder::kForward);
  const Matches expected = MatchByOperator(batch, 0, {});
  EXPECT_TRUE(at::equal(matches.labels[0], expected.labels));
  EXPECT_TRUE(at::equal(matches.gt_index[0], expected.gt_index));
  EXPECT_TRUE(at::equal(matches.iou[0], expected.iou));
}

}  // namespace
}  // namespace rcnn::ops
