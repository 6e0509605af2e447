#include "rcnn/training/plan/data_fingerprint.h"

#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/data/testing/fake_dataset.h"

namespace rcnn::training {
namespace {

using data::testing::FakeDataset;
using data::testing::FakeImage;
using data::testing::MakeObject;
using ::testing::DoubleEq;
using ::testing::ElementsAre;

// Three images of 200 x 100 with 0, 1 and 3 objects.
std::vector<FakeImage> ThreeImages() {
  std::vector<FakeImage> images(3, FakeImage{200, 100});
  images[1].objects = {MakeObject({0, 0, 10, 40}, 1)};
  images[2].objects = {MakeObject({0, 0, 20, 20}, 1), MakeObject({0, 0, 80, 80}, 2),
                       MakeObject({5, 5, 20, 20}, 2)};
  images[2].objects[2].crowd = true;
  return images;
}

TEST(MeasureFingerprintTest, CountsImagesAndObjects) {
  const DataFingerprint data = MeasureFingerprint(FakeDataset(ThreeImages()));
  EXPECT_EQ(data.images, 3);
  EXPECT_EQ(data.images_without_objects, 1);
  EXPECT_EQ(data.objects, 3);
  EXPECT_EQ(data.shortest_side_px, 100);
  EXPECT_EQ(data.longest_side_px, 200);
  EXPECT_EQ(data.elongation, 2);
  EXPECT_EQ(data.objects_per_image, 1);
  EXPECT_EQ(data.most_objects, 2);
  EXPECT_EQ(data.decoded_bytes, 3 * 3 * 200 * 100);
  ASSERT_EQ(data.classes.size(), 2u);
  EXPECT_EQ(data.classes[0].name, "first");
  EXPECT_EQ(data.classes[0].images, 2);
  EXPECT_EQ(data.classes[0].objects, 2);
  EXPECT_EQ(data.classes[1].images, 1);
}

// The sizes 20, 20, 80 at half the size.
TEST(MeasureFingerprintTest, SizesAreThoseOfTheNetworksInput) {
  const DataFingerprint data = MeasureFingerprint(FakeDataset(ThreeImages()));
  EXPECT_THAT(ObjectSizes(data, {50, 1000}), ElementsAre(DoubleEq(10), DoubleEq(10), DoubleEq(40)));
  // The longest side limits.
  EXPECT_THAT(ObjectSizes(data, {50, 40}), ElementsAre(DoubleEq(4), DoubleEq(4), DoubleEq(16)));
}

TEST(MeasureFingerprintTest, KeepsASampleOfManyObjects) {
  std::vector<FakeImage> images(100, FakeImage{1000, 1000});
  for (int i = 0; i < 100; ++i) {
    for (int k = 0; k < 300; ++k) {
      const float side = static_cast<float>(1 + i);
      images[i].objects.push_back(MakeObject({0, 0, side, side}, 1));
    }
  }
  const DataFingerprint data = MeasureFingerprint(FakeDataset(images));
  EXPECT_EQ(data.objects, 30000);
  EXPECT_EQ(data.shapes.size(), kMostShapes);
  EXPECT_NEAR(Quantile(ObjectSizes(data, {1000, 1000}), 0.5), 50, 1);
}

TEST(QuantileTest, IsTheNearestRank) {
  const std::vector<double> values = {1, 2, 3, 4};
  EXPECT_EQ(Quantile(values, 0), 1);
  EXPECT_EQ(Quantile(values, 0.25), 1);
  EXPECT_EQ(Quantile(values, 0.5), 2);
  EXPECT_EQ(Quantile(values, 0.51), 3);
  EXPECT_EQ(Quantile(values, 1), 4);
  EXPECT_EQ(Quantile({}, 0.5), 0);
}

}  // namespace
}  // namespace rcnn::training
