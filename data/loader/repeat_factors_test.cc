#include "rcnn/data/loader/repeat_factors.h"

#include <cmath>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/data/testing/fake_dataset.h"

namespace rcnn::data {
namespace {

using ::testing::DoubleEq;
using ::testing::Each;
using ::testing::ElementsAre;
using testing::FakeDataset;
using testing::FakeImage;
using testing::MakeObject;

FakeImage ImageWith(const std::vector<int64_t>& labels) {
  FakeImage image = {20, 20};
  for (const int64_t label : labels) image.objects.push_back(MakeObject({1, 1, 5, 5}, label));
  return image;
}

// Class 1 is in 5 of 10 images, class 2 in one.
TEST(RepeatFactorsTest, AreThoseOfTheRarestClassOfAnImage) {
  std::vector<FakeImage> images(10, ImageWith({}));
  for (int i = 0; i < 5; ++i) images[i] = ImageWith({1, 1});
  images[2] = ImageWith({1, 2, 2});
  const double root = std::sqrt(4.0);
  EXPECT_THAT(RepeatFactors(FakeDataset(images), 0.4),
              ElementsAre(1, 1, DoubleEq(root), 1, 1, 1, 1, 1, 1, 1));
  EXPECT_THAT(RepeatFactors(FakeDataset(images), 0.1), Each(1));
}

TEST(RepeatFactorsTest, CrowdRegionsDoNotCount) {
  std::vector<FakeImage> images(10, ImageWith({1}));
  images[4] = ImageWith({2});
  images[4].objects[0].crowd = true;
  EXPECT_THAT(RepeatFactors(FakeDataset(images), 1),
              ElementsAre(DoubleEq(std::sqrt(10 / 9.0)), DoubleEq(std::sqrt(10 / 9.0)),
                          DoubleEq(std::sqrt(10 / 9.0)), DoubleEq(std::sqrt(10 / 9.0)), 1,
                          DoubleEq(std::sqrt(10 / 9.0)), DoubleEq(std::sqrt(10 / 9.0)),
                          DoubleEq(std::sqrt(10 / 9.0)), DoubleEq(std::sqrt(10 / 9.0)),
                          DoubleEq(std::sqrt(10 / 9.0))));
}

}  // namespace
}  // namespace rcnn::data
