#include "rcnn/data/image_cache.h"

#include <memory>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/data/testing/fake_dataset.h"

namespace rcnn::data {
namespace {

using ::testing::ElementsAre;
using testing::FakeDataset;

TEST(ImageCacheTest, LoadsOnceAndHandsOutTheSamePicture) {
  const FakeDataset dataset({{10, 10}, {20, 10}});
  ImageCache cache(1 << 20);
  const std::shared_ptr<const Image> first = *cache.Load(dataset, 1);
  EXPECT_EQ(*cache.Load(dataset, 1), first);
  EXPECT_EQ(first->width(), 20);
  EXPECT_THAT(dataset.loads(), ElementsAre(0, 1));
  EXPECT_EQ(cache.stats().hits, 1);
  EXPECT_EQ(cache.stats().misses, 1);
  EXPECT_EQ(cache.stats().bytes, 600);
}

TEST(ImageCacheTest, KeepsWhatItHasWhenTheBudgetIsSpent) {
  // 300, 600 and 300 bytes.
  const FakeDataset dataset({{10, 10}, {20, 10}, {10, 10}});
  ImageCache cache(700);
  for (int epoch = 0; epoch < 3; ++epoch) {
    for (int64_t i = 0; i < 3; ++i) ASSERT_TRUE(cache.Load(dataset, i).ok());
  }
  EXPECT_THAT(dataset.loads(), ElementsAre(1, 3, 1));
  EXPECT_EQ(cache.stats().bytes, 600);
}

TEST(ImageCacheTest, WithoutBudgetKeepsNothing) {
  const FakeDataset dataset({{10, 10}});
  ImageCache cache(0);
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(cache.Load(dataset, 0).ok());
  EXPECT_THAT(dataset.loads(), ElementsAre(3));
}

TEST(ImageCacheTest, ErrorsAreNotKept) {
  const FakeDataset dataset({{10, 10, {}, /*broken=*/true}});
  ImageCache cache(1 << 20);
  EXPECT_EQ(cache.Load(dataset, 0).status(), absl::InvalidArgumentError("picture-0.jpg: damaged"));
  EXPECT_FALSE(cache.Load(dataset, 0).ok());
  EXPECT_THAT(dataset.loads(), ElementsAre(2));
}

TEST(ImageCacheTest, ManyThreadsStayWithinTheBudget) {
  const std::shared_ptr<FakeDataset> dataset = FakeDataset::OfSize(40);
  ImageCache cache(30'000);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int64_t i = 0; i < 200; ++i) {
        EXPECT_EQ((*cache.Load(*dataset, i % 40))->width(), dataset->image(i % 40).width);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_LE(cache.stats().bytes, 30'000);
  EXPECT_GT(cache.stats().bytes, 25'000);
  EXPECT_EQ(cache.stats().hits + cache.stats().misses, 800);
}

}  // namespace
}  // namespace rcnn::data
