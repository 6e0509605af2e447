#include "rcnn/data/core/subset_dataset.h"

#include <memory>
#include <vector>

#include "gtest/gtest.h"
#include "rcnn/data/shapes/shapes_dataset.h"

namespace rcnn::data {
namespace {

std::shared_ptr<const Dataset> Shapes() {
  configs::ShapesConfig config;
  config.set_num_images(5);
  return std::move(ShapesDataset::Create(config)).value();
}

TEST(SubsetDatasetTest, ShowsTheImagesOfTheWhole) {
  const auto whole = Shapes();
  const SubsetDataset subset(whole, {3, 1});
  ASSERT_EQ(subset.size(), 2);
  EXPECT_EQ(subset.image(0).name, whole->image(3).name);
  EXPECT_EQ(subset.objects(1), whole->objects(1));
  EXPECT_EQ(subset.Load(0)->objects, whole->objects(3));
  EXPECT_EQ(subset.classes(), whole->classes());
}

TEST(SubsetDatasetTest, HasItsOwnFingerprint) {
  const auto whole = Shapes();
  EXPECT_NE(SubsetDataset(whole, {0, 1}).fingerprint(), SubsetDataset(whole, {1, 0}).fingerprint());
  EXPECT_NE(SubsetDataset(whole, {0, 1}).fingerprint(), whole->fingerprint());
  EXPECT_EQ(SubsetDataset(whole, {0, 1}).fingerprint(), FirstImages(whole, 2)->fingerprint());
}

TEST(SubsetDatasetTest, AllImagesGiveTheDatasetItself) {
  const auto whole = Shapes();
  EXPECT_EQ(FirstImages(whole, 0), whole);
  EXPECT_EQ(FirstImages(whole, 9), whole);
  EXPECT_EQ(FirstImages(whole, 4)->size(), 4);
}

}  // namespace
}  // namespace rcnn::data
