#include "rcnn/data/core/cached_dataset.h"

#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/data/core/subset_dataset.h"
#include "rcnn/data/testing/fake_dataset.h"

namespace rcnn::data {
namespace {

using ::testing::ElementsAre;
using testing::FakeDataset;
using testing::FakeImage;

std::shared_ptr<FakeDataset> Images(std::vector<FakeImage> images) {
  return std::make_shared<FakeDataset>(std::move(images));
}

TEST(CachedDatasetTest, LoadsOnceAndReturnsTheSameImage) {
  const auto dataset = Images({{10, 10}, {20, 10}});
  const CachedDataset cached(dataset, 1 << 20);
  const std::shared_ptr<const Image> first = *cached.LoadImage(1);
  EXPECT_EQ(*cached.LoadImage(1), first);
  EXPECT_EQ(cached.Load(1)->image, first);
  EXPECT_EQ(first->width(), 20);
  EXPECT_THAT(dataset->loads(), ElementsAre(0, 1));
  EXPECT_EQ(cached.stats().hits, 2);
  EXPECT_EQ(cached.stats().misses, 1);
  EXPECT_EQ(cached.stats().bytes, 600);
}

TEST(CachedDatasetTest, OtherwiseEqualsTheDataset) {
  const auto dataset = std::make_shared<FakeDataset>(
      std::vector<FakeImage>{{10, 10}, {20, 10, {testing::MakeObject({1, 2, 5, 6}, 2)}}},
      /*inclusive_boxes=*/true);
  const CachedDataset cached(dataset, 1 << 20);
  EXPECT_EQ(cached.size(), 2);
  EXPECT_EQ(cached.classes(), dataset->classes());
  EXPECT_EQ(cached.fingerprint(), dataset->fingerprint());
  EXPECT_EQ(cached.image(1).name, dataset->image(1).name);
  ASSERT_EQ(cached.objects(1).size(), 1u);
  EXPECT_EQ(cached.objects(1)[0].label, 2);
  EXPECT_EQ(&cached.defects(), &dataset->defects());
  EXPECT_TRUE(cached.inclusive_boxes());
}

TEST(CachedDatasetTest, KeepsObjectsWithTheirImage) {
  const auto dataset = Images({{10, 10}, {20, 10, {testing::MakeObject({1, 2, 5, 6}, 2)}}});
  const CachedDataset cached(dataset, 1 << 20);
  ASSERT_EQ(cached.objects(1).size(), 1u);
  EXPECT_THAT(dataset->object_reads(), ElementsAre(0, 1));
  ASSERT_THAT(cached.LoadImage(1), IsOk());
  EXPECT_THAT(dataset->object_reads(), ElementsAre(0, 2));
  for (int i = 0; i < 3; ++i) {
    const std::vector<Object> objects = cached.objects(1);
    ASSERT_EQ(objects.size(), 1u);
    EXPECT_EQ(objects[0].label, 2);
    EXPECT_EQ(objects[0].box, (Box{1, 2, 5, 6}));
  }
  EXPECT_THAT(dataset->object_reads(), ElementsAre(0, 2));
  EXPECT_EQ(cached.stats().bytes, 600 + static_cast<int64_t>(sizeof(Object)));
}

TEST(CachedDatasetTest, ObjectsCountForTheBudget) {
  const auto dataset = Images({{10, 10, {testing::MakeObject({1, 2, 5, 6}, 2)}}});
  const CachedDataset cached(dataset, 300);
  for (int i = 0; i < 2; ++i) ASSERT_THAT(cached.LoadImage(0), IsOk());
  EXPECT_THAT(dataset->loads(), ElementsAre(2));
  EXPECT_EQ(cached.objects(0).size(), 1u);
  EXPECT_EQ(cached.stats().bytes, 0);
}

TEST(CachedDatasetTest, SubsetSharesTheCache) {
  const auto dataset = Images({{10, 10}, {20, 10}});
  const auto cached = std::make_shared<CachedDataset>(dataset, 1 << 20);
  const SubsetDataset second(cached, {1});
  ASSERT_THAT(second.LoadImage(0), IsOk());
  EXPECT_EQ(*cached->LoadImage(1), *second.LoadImage(0));
  EXPECT_THAT(dataset->loads(), ElementsAre(0, 1));
}

TEST(CachedDatasetTest, KeepsItsImagesWhenTheBudgetIsSpent) {
  // 300, 600 and 300 bytes.
  const auto dataset = Images({{10, 10}, {20, 10}, {10, 10}});
  const CachedDataset cached(dataset, 700);
  for (int epoch = 0; epoch < 3; ++epoch) {
    for (int64_t i = 0; i < 3; ++i) ASSERT_THAT(cached.LoadImage(i), IsOk());
  }
  EXPECT_THAT(dataset->loads(), ElementsAre(1, 3, 1));
  EXPECT_EQ(cached.stats().bytes, 600);
}

// Whether the image is cached or not, each visit requests image and objects at most once.
TEST(CachedDatasetTest, LoadsImageAndObjectsInOne) {
  const std::vector<Object> one = {testing::MakeObject({1, 2, 5, 6}, 2)};
  const auto dataset = Images({{10, 10, one}, {20, 10, one}});
  const CachedDataset cached(dataset, 300 + static_cast<int64_t>(sizeof(Object)));
  for (int epoch = 0; epoch < 3; ++epoch) {
    for (int64_t i = 0; i < 2; ++i) {
      const absl::StatusOr<Sample> sample = cached.Load(i);
      ASSERT_THAT(sample, IsOk());
      EXPECT_EQ(sample->info.name, dataset->image(i).name);
      EXPECT_EQ(sample->image->width(), dataset->image(i).width);
      ASSERT_EQ(sample->objects.size(), 1u);
      EXPECT_EQ(sample->objects[0].label, 2);
    }
  }
  EXPECT_THAT(dataset->loads(), ElementsAre(1, 3));
  EXPECT_THAT(dataset->object_reads(), ElementsAre(1, 3));
}

TEST(CachedDatasetTest, WithoutBudgetKeepsNothing) {
  const auto dataset = Images({{10, 10}});
  const CachedDataset cached(dataset, 0);
  for (int i = 0; i < 3; ++i) ASSERT_THAT(cached.LoadImage(0), IsOk());
  EXPECT_THAT(dataset->loads(), ElementsAre(3));
}

TEST(CachedDatasetTest, ErrorsAreNotCached) {
  const auto dataset = Images({{10, 10, {}, /*broken=*/true}});
  const CachedDataset cached(dataset, 1 << 20);
  EXPECT_EQ(cached.LoadImage(0).status(), absl::InvalidArgumentError("image-0.jpg: damaged"));
  EXPECT_THAT(cached.LoadImage(0), ::testing::Not(IsOk()));
  EXPECT_THAT(dataset->loads(), ElementsAre(2));
}

TEST(CachedDatasetTest, ManyThreadsStayWithinTheBudget) {
  std::vector<FakeImage> images;
  for (int64_t i = 0; i < 40; ++i) {
    images.push_back({20 + i, 20, {testing::MakeObject({1, 2, 5, 6}, i)}});
  }
  const auto dataset = Images(std::move(images));
  const CachedDataset cached(dataset, 30'000);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int64_t i = 0; i < 200; ++i) {
        EXPECT_EQ((*cached.LoadImage(i % 40))->width(), 20 + i % 40);
        EXPECT_EQ(cached.objects(i % 40).at(0).label, i % 40);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_LE(cached.stats().bytes, 30'000);
  EXPECT_GT(cached.stats().bytes, 25'000);
  EXPECT_EQ(cached.stats().hits + cached.stats().misses, 800);
}

}  // namespace
}  // namespace rcnn::data
