#include "rcnn/data/loader/batch_planner.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/data/testing/fake_dataset.h"

namespace rcnn::data {
namespace {

using configs::TransformConfig;
using ::testing::Each;
using testing::FakeDataset;
using testing::FakeImage;
using ::testing::HasSubstr;

BatchOptions Options(int32_t images_per_batch) {
  BatchOptions options;
  options.seed = 3;
  options.stage = "rpn1";
  options.batching.set_images_per_batch(images_per_batch);
  options.transform.mutable_resize()->add_shortest_side_px(32);
  options.transform.mutable_resize()->add_shortest_side_px(48);
  options.transform.set_flip(TransformConfig::AT_RANDOM);
  return options;
}

BatchPlanner Make(std::shared_ptr<const Dataset> dataset, const BatchOptions& options) {
  absl::StatusOr<BatchPlanner> planner = BatchPlanner::Create(std::move(dataset), options);
  EXPECT_THAT(planner, IsOk());
  return *std::move(planner);
}

// Everything in a plan.
std::string Text(const BatchPlan& plan) {
  std::string text =
      absl::StrCat(plan.iteration, " ", plan.epoch, " ", plan.height, "x", plan.width);
  for (const PlannedImage& image : plan.images) {
    absl::StrAppend(&text, " | ", image.index, " ", image.info.name, " ", image.info.flipped, " ",
                    image.transform.flipped, " ", image.transform.height, "x",
                    image.transform.width, " ", image.transform.scale_x);
  }
  return text;
}

TEST(BatchPlannerTest, PlanDependsOnlyOnTheIteration) {
  const std::shared_ptr<FakeDataset> dataset = FakeDataset::OfSize(21);
  BatchPlanner forward = Make(dataset, Options(2));
  std::vector<std::string> plans;
  for (int64_t i = 0; i < 50; ++i) plans.push_back(Text(*forward.Plan(i)));
  BatchPlanner other = Make(dataset, Options(2));
  for (const int64_t i : {37, 3, 49, 0, 37}) EXPECT_EQ(Text(*other.Plan(i)), plans[i]);
  EXPECT_THAT(dataset->loads(), Each(0));
}

TEST(BatchPlannerTest, EpochsFollowOneAnother) {
  BatchPlanner planner = Make(FakeDataset::OfSize(10), Options(2));
  EXPECT_EQ(planner.batches_per_epoch(), 5);
  for (int64_t epoch = 0; epoch < 3; ++epoch) {
    std::set<int64_t> seen;
    for (int64_t i = 0; i < 5; ++i) {
      const BatchPlan plan = *planner.Plan(epoch * 5 + i);
      EXPECT_EQ(plan.epoch, epoch);
      for (const PlannedImage& image : plan.images) seen.insert(image.index);
    }
    EXPECT_EQ(seen.size(), 10u);
  }
}

TEST(BatchPlannerTest, BatchSizeIsThatOfItsLargestImageRoundedUp) {
  BatchOptions options = Options(3);
  options.transform.set_pad_to_multiple_px(32);
  BatchPlanner planner = Make(FakeDataset::OfSize(30), options);
  for (int64_t i = 0; i < 20; ++i) {
    const BatchPlan plan = *planner.Plan(i);
    int64_t height = 0, width = 0;
    for (const PlannedImage& image : plan.images) {
      height = std::max(height, image.transform.height);
      width = std::max(width, image.transform.width);
      EXPECT_EQ((image.transform.height + image.own_padding_y) % 32, 0);
      EXPECT_EQ((image.transform.width + image.own_padding_x) % 32, 0);
      EXPECT_THAT(std::vector({image.own_padding_y, image.own_padding_x}),
                  Each(::testing::AllOf(::testing::Ge(0), ::testing::Lt(32))));
    }
    EXPECT_EQ(plan.height % 32, 0);
    EXPECT_EQ(plan.width % 32, 0);
    EXPECT_GE(plan.height, height);
    EXPECT_LT(plan.height, height + 32);
    EXPECT_GE(plan.width, width);
    EXPECT_LT(plan.width, width + 32);
  }
}

TEST(BatchPlannerTest, ADoubledDatasetHoldsEachImageTwice) {
  BatchOptions options = Options(2);
  options.transform.set_flip(TransformConfig::DOUBLE_DATASET);
  BatchPlanner planner = Make(FakeDataset::OfSize(7), options);
  EXPECT_EQ(planner.batches_per_epoch(), 7);
  std::set<std::pair<int64_t, bool>> seen;
  for (int64_t i = 0; i < 7; ++i) {
    const BatchPlan plan = *planner.Plan(i);
    for (const PlannedImage& image : plan.images) {
      EXPECT_EQ(image.info.flipped, image.transform.flipped);
      seen.emplace(image.index, image.transform.flipped);
    }
  }
  EXPECT_EQ(seen.size(), 14u);
}

TEST(BatchPlannerTest, RandomFlipsChangeFromEpochToEpoch) {
  BatchPlanner planner = Make(FakeDataset::OfSize(1), Options(1));
  int flipped = 0;
  for (int64_t i = 0; i < 200; ++i) flipped += planner.Plan(i)->images[0].transform.flipped;
  EXPECT_NEAR(flipped, 100, 40);
}

TEST(BatchPlannerTest, EvaluationTakesEachImageOnceInOrderUnmirrored) {
  for (const TransformConfig::Flip flip :
       {TransformConfig::AT_RANDOM, TransformConfig::DOUBLE_DATASET}) {
    BatchOptions options = Options(3);
    options.mode = LoaderMode::kEvaluation;
    options.transform.set_flip(flip);
    BatchPlanner planner = Make(FakeDataset::OfSize(7), options);
    EXPECT_EQ(planner.batches_per_epoch(), 3);
    int64_t next = 0;
    for (int64_t i = 0; i < 3; ++i) {
      const BatchPlan plan = *planner.Plan(i);
      for (const PlannedImage& image : plan.images) {
        EXPECT_EQ(image.index, next++);
        EXPECT_FALSE(image.transform.flipped);
        EXPECT_EQ(std::min(image.transform.height, image.transform.width), 48);
      }
    }
    EXPECT_EQ(next, 7);
    EXPECT_THAT(planner.Plan(3), StatusIs(absl::StatusCode::kOutOfRange));
  }
}

TEST(BatchPlannerTest, BadOptionsAndImagesAreErrors) {
  BatchOptions options = Options(1);
  options.transform.set_pad_to_multiple_px(0);
  EXPECT_THAT(BatchPlanner::Create(FakeDataset::OfSize(3), options),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("pad_to_multiple_px")));
  EXPECT_THAT(
      BatchPlanner::Create(FakeDataset::OfSize(3), Options(4)),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("too small for a batch of 4")));
  BatchPlanner planner = Make(
      std::make_shared<FakeDataset>(std::vector<testing::FakeImage>{{1, 1 << 17}}), Options(1));
  EXPECT_THAT(planner.Plan(0),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("image-0: ")));
}

TEST(BatchPlannerTest, ImagesOfABatchMayShareTheirScale) {
  const std::vector<FakeImage> images(40, FakeImage{64, 64});
  BatchOptions options = Options(4);
  std::set<int64_t> sizes;
  bool differ = false;
  for (const bool shared : {false, true}) {
    options.transform.mutable_resize()->set_one_scale_per_batch(shared);
    BatchPlanner planner = Make(std::make_shared<FakeDataset>(images), options);
    for (int64_t i = 0; i < 20; ++i) {
      const BatchPlan plan = *planner.Plan(i);
      for (const PlannedImage& image : plan.images) {
        const bool same = image.transform.height == plan.height;
        EXPECT_TRUE(same || !shared);
        differ |= !same;
      }
      if (shared) sizes.insert(plan.height);
    }
  }
  EXPECT_TRUE(differ);
  EXPECT_THAT(sizes, ::testing::ElementsAre(32, 48));
}

// What one of two processes takes of updates of two batches are the images of half of the blocks.
TEST(BatchPlannerTest, APartOfEveryUpdateReadsAPartOfTheBlocks) {
  const std::vector<FakeImage> images(40, FakeImage{64, 64});
  BatchOptions options = Options(2);
  options.batching.set_shuffle_blocks(4);
  options.batching.set_mixed_blocks(1);
  options.batches_per_update = 2;
  BatchPlanner planner = Make(std::make_shared<FakeDataset>(images), options);
  ASSERT_EQ(planner.batches_per_epoch(), 20);
  std::set<int64_t> blocks;
  for (int64_t i = 20; i < 40; i += 2) {
    const BatchPlan plan = *planner.Plan(i);
    for (const PlannedImage& image : plan.images) blocks.insert(image.index / 10);
  }
  EXPECT_EQ(blocks.size(), 2u);
}

// One wide and one high image would be padded to a square.
TEST(BatchPlannerTest, ImagesOfSimilarShapeAreBatched) {
  std::vector<FakeImage> images;
  for (int i = 0; i < 40; ++i) images.push_back({i % 2 == 0 ? 400 : 110, 100});
  BatchOptions options = Options(2);
  options.batching.set_group_by_shape(true);
  BatchPlanner planner = Make(std::make_shared<FakeDataset>(images), options);
  for (int64_t i = 0; i < planner.batches_per_epoch(); ++i) {
    const BatchPlan plan = *planner.Plan(i);
    EXPECT_EQ(plan.images[0].info.width, plan.images[1].info.width);
  }
}

TEST(BatchPlannerTest, ImagesOfRareClassesAreRepeated) {
  std::vector<FakeImage> images(16, FakeImage{64, 64, {testing::MakeObject({1, 1, 9, 9}, 1)}});
  images[3].objects[0].label = 2;
  BatchOptions options = Options(1);
  options.batching.set_repeat_classes_below(1);
  BatchPlanner planner = Make(std::make_shared<FakeDataset>(images), options);
  // sqrt(16 / 1) times the rare one, sqrt(16 / 15) times each other.
  EXPECT_EQ(planner.batches_per_epoch(), 19);
  int rare = 0;
  for (int64_t i = 0; i < 19; ++i) rare += planner.Plan(i)->images[0].index == 3;
  EXPECT_EQ(rare, 4);
}

}  // namespace
}  // namespace rcnn::data
