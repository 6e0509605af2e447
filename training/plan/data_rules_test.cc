#include "rcnn/training/plan/data_rules.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rcnn::training {
namespace {

DataFingerprint Data(int64_t images) {
  DataFingerprint data;
  data.images = images;
  data.shortest_side_px = 480;
  data.classes = {{"cat", images, images}};
  return data;
}

TEST(ChooseByDataTest, RepeatsRareClassesOnly) {
  DataFingerprint data = Data(100);
  data.classes.push_back({"dog", 10, 10});
  EXPECT_EQ(ChooseByData(data).repeat_classes_below, 0);
  data.classes.push_back({"absent", 0, 0});
  EXPECT_EQ(ChooseByData(data).repeat_classes_below, 0);
  data.classes.push_back({"hen", 9, 9});
  EXPECT_EQ(ChooseByData(data).repeat_classes_below, kRareClassShare);
}

TEST(ChooseByDataTest, DoesNotMirrorLeftOrRightClasses) {
  for (const char* name : {"Left hand", "turn_right", "arrow-LEFT"}) {
    DataFingerprint data = Data(10);
    data.classes.push_back({name, 5, 5});
    EXPECT_FALSE(ChooseByData(data).mirror) << name;
  }
  DataFingerprint data = Data(10);
  data.classes.push_back({"bright leftover", 5, 5});
  EXPECT_TRUE(ChooseByData(data).mirror);
}

TEST(ChooseByDataTest, LimitsFollowTheFullestImage) {
  DataFingerprint data = Data(10);
  data.most_objects = 30;
  EXPECT_EQ(ChooseByData(data).rois_per_image, 64);
  EXPECT_EQ(ChooseByData(data).proposals, 200);
  EXPECT_EQ(ChooseByData(data).detections, 100);
  data.most_objects = 180;
  EXPECT_EQ(ChooseByData(data).proposals, 400);
  EXPECT_EQ(ChooseByData(data).detections, 300);
  data.most_objects = 5000;
  data.objects_per_image = 40;
  EXPECT_EQ(ChooseByData(data).rois_per_image, 160);
  EXPECT_EQ(ChooseByData(data).proposals, 1000);
}

TEST(ChooseByDataTest, CachesAllImagesOfASmallSet) {
  DataFingerprint data = Data(10);
  data.decoded_bytes = int64_t{100} << 20;
  EXPECT_EQ(ChooseByData(data).image_cache_mib, 174);
  data.decoded_bytes = int64_t{1} << 50;
  EXPECT_LE(ChooseByData(data).image_cache_mib, 4096);
}

TEST(WantedPresentationsTest, GrowsWithTheImages) {
  EXPECT_EQ(WantedPresentations(Data(100), false), 6000);
  EXPECT_EQ(WantedPresentations(Data(1000), false), 12000);
  EXPECT_EQ(WantedPresentations(Data(100000), false), 24000);
  EXPECT_EQ(WantedPresentations(Data(100), true), 2000);
}

// Time grows with the square of the scale.
TEST(ScaleChangeTest, SpendsWhatTheBudgetAllows) {
  EXPECT_DOUBLE_EQ(ScaleChange(1), 1);
  EXPECT_DOUBLE_EQ(ScaleChange(1.21), 1.1);
  EXPECT_DOUBLE_EQ(ScaleChange(0.81), 0.9);
  EXPECT_DOUBLE_EQ(ScaleChange(100), 1.25);
  EXPECT_DOUBLE_EQ(ScaleChange(0.01), 0.7);
}

TEST(ChangedSideTest, IsAMultipleOfEightWithinItsLimits) {
  EXPECT_EQ(ChangedSide(Data(1), 240, 1.25), 304);
  EXPECT_EQ(ChangedSide(Data(1), 640, 1.25), 720);
  // Larger than the limit already, for the sake of recall.
  EXPECT_EQ(ChangedSide(Data(1), 800, 1.25), 800);
  EXPECT_EQ(ChangedSide(Data(1), 200, 0.7), 160);
}

TEST(ImagesPerBatchTest, GrowsWithTheBudget) {
  EXPECT_EQ(ImagesPerBatch(Data(100), 0.5), 2);
  EXPECT_EQ(ImagesPerBatch(Data(100), 10), 4);
  EXPECT_EQ(ImagesPerBatch(Data(100), 50), 8);
}

// Training leaves out images without objects, and an epoch without a whole batch is an error.
TEST(ImagesPerBatchTest, IsAtMostTheNumberOfImagesWithObjects) {
  EXPECT_EQ(ImagesPerBatch(Data(5), 50), 5);
  EXPECT_EQ(ImagesPerBatch(Data(1), 0.5), 1);
  DataFingerprint data = Data(5);
  data.images_without_objects = 4;
  EXPECT_EQ(ImagesPerBatch(data, 50), 1);
  EXPECT_EQ(ChooseByData(data).images_per_batch, 1);
}

}  // namespace
}  // namespace rcnn::training
