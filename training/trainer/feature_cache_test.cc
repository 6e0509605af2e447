#include "rcnn/training/trainer/feature_cache.h"

#include <ATen/ATen.h>

#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/ops/testing/queue_device.h"

namespace rcnn::training {
namespace {

using ops::testing::QueueDevice;
using ops::testing::TakeWaits;
using ::testing::IsEmpty;

constexpr int64_t kPlenty = int64_t{1} << 20;
const FeatureCache::Key kKey = {1, false, false, 4, 4, 1, 1};

std::vector<at::Tensor> Maps() { return {at::rand({1, 2, 4, 4}), at::rand({1, 2, 2, 2})}; }

TEST(FeatureCacheTest, ReturnsCachedMaps) {
  FeatureCache cache;
  cache.Claim({at::ones({3})}, "240");
  EXPECT_EQ(cache.Find(kKey), nullptr);
  const auto maps = Maps();
  cache.Insert(kKey, maps, kPlenty);
  ASSERT_NE(cache.Find(kKey), nullptr);
  EXPECT_TRUE(at::equal(cache.Find(kKey)->at(1), maps[1]));
  EXPECT_EQ(cache.bytes(), (32 + 8) * 4);
  for (const FeatureCache::Key& other : {FeatureCache::Key{2, false, false, 4, 4, 1, 1},
                                         FeatureCache::Key{1, true, false, 4, 4, 1, 1},
                                         FeatureCache::Key{1, false, true, 4, 4, 1, 1},
                                         FeatureCache::Key{1, false, false, 5, 4, 1, 1},
                                         FeatureCache::Key{1, false, false, 4, 5, 1, 1},
                                         FeatureCache::Key{1, false, false, 4, 4, 1.01, 1},
                                         FeatureCache::Key{1, false, false, 4, 4, 1, 1.01}}) {
    EXPECT_EQ(cache.Find(other), nullptr);
  }
}

TEST(FeatureCacheTest, StaysWithinTheLimit) {
  FeatureCache cache;
  cache.Insert(kKey, Maps(), 319);
  cache.Insert({2, false, false, 4, 4, 1, 1}, Maps(), 319);
  EXPECT_NE(cache.Find(kKey), nullptr);
  EXPECT_EQ(cache.Find({2, false, false, 4, 4, 1, 1}), nullptr);
  EXPECT_EQ(cache.bytes(), 160);
  cache.Insert(kKey, Maps(), kPlenty);  // it is there already
  EXPECT_EQ(cache.bytes(), 160);
}

TEST(FeatureCacheTest, KeepsMapsOfTheSameWeights) {
  FeatureCache cache;
  cache.Claim({at::ones({3}), at::zeros({2})}, "240");
  EXPECT_FALSE(cache.Matches({at::ones({3}), at::zeros({2})}, "240"));
  cache.Insert(kKey, Maps(), kPlenty);
  EXPECT_TRUE(cache.Matches({at::ones({3}), at::zeros({2})}, "240"));
  EXPECT_FALSE(cache.Matches({at::ones({3}), at::ones({2})}, "240"));
  EXPECT_FALSE(cache.Matches({at::ones({3}), at::zeros({2})}, "300"));
  cache.Claim({at::ones({3}), at::zeros({2})}, "240");
  EXPECT_NE(cache.Find(kKey), nullptr);
}

TEST(FeatureCacheTest, DropsMapsOfOtherWeightsOrTransforms) {
  const std::vector<at::Tensor> weights = {at::ones({3})};
  const std::vector<std::vector<at::Tensor>> others = {
      {at::tensor({1.0f, 1.0f, 1.0000001f})}, {at::ones({1, 3})}, {at::ones({3}), at::ones({3})}};
  for (const auto& other : others) {
    FeatureCache cache;
    cache.Claim(weights, "240");
    cache.Insert(kKey, Maps(), kPlenty);
    cache.Claim(other, "240");
    EXPECT_EQ(cache.Find(kKey), nullptr);
    EXPECT_EQ(cache.bytes(), 0);
  }
  FeatureCache cache;
  cache.Claim(weights, "240");
  cache.Insert(kKey, Maps(), kPlenty);
  cache.Claim(weights, "300");
  EXPECT_EQ(cache.Find(kKey), nullptr);
}

TEST(FeatureCacheTest, MapsOfADeviceStayThere) {
  const std::vector<at::Tensor> near = {at::ones({3})}, far = {near[0].to(QueueDevice())};
  std::vector<at::Tensor> maps;
  for (const at::Tensor& map : Maps()) maps.push_back(map.to(QueueDevice()));
  FeatureCache cache;
  cache.Claim(far, "240");
  TakeWaits();
  cache.Insert(kKey, maps, kPlenty);
  const std::vector<at::Tensor>* const found = cache.Find(kKey);
  ASSERT_NE(found, nullptr);
  EXPECT_TRUE(found->at(1).is_same(maps[1]));
  EXPECT_EQ(cache.bytes(), 160);
  EXPECT_THAT(TakeWaits(), IsEmpty());
  EXPECT_TRUE(cache.Matches(far, "240"));
}

// The same weights on another device make maps there, with other roundings.
TEST(FeatureCacheTest, DropsMapsOfAnotherDevice) {
  const std::vector<at::Tensor> near = {at::ones({3})}, far = {near[0].to(QueueDevice())};
  for (const bool from_near : {false, true}) {
    FeatureCache cache;
    cache.Claim(from_near ? near : far, "240");
    cache.Insert(kKey, Maps(), kPlenty);
    EXPECT_FALSE(cache.Matches(from_near ? far : near, "240"));
    cache.Claim(from_near ? far : near, "240");
    EXPECT_EQ(cache.Find(kKey), nullptr);
    EXPECT_EQ(cache.bytes(), 0);
  }
}

}  // namespace
}  // namespace rcnn::training
