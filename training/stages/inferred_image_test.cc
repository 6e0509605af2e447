#include "rcnn/training/stages/inferred_image.h"

#include <ATen/ATen.h>

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rcnn::training {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(SplitProposalsTest, EachImageGetsItsOwnInPixelsOfTheStoredImage) {
  ops::Proposals found;
  found.rois = at::tensor({0.f, 2.f, 4.f, 6.f, 8.f,  //
                           2.f, 1.f, 2.f, 3.f, 4.f,  //
                           2.f, 5.f, 6.f, 7.f, 8.f})
                   .view({3, 5});
  found.scores = at::tensor({0.9f, 0.8f, 0.7f});
  found.counts = at::tensor({1, 0, 2}, at::kLong);
  data::Batch batch;
  batch.entries.resize(3);
  batch.entries[0].scale_x = 2;
  batch.entries[0].scale_y = 4;
  const std::vector<InferredProposals> images = SplitProposals(found, batch);
  ASSERT_EQ(images.size(), 3u);
  EXPECT_THAT(images[0].boxes, ElementsAre(data::Box{1, 1, 3, 2}));
  EXPECT_THAT(images[0].scores, ElementsAre(0.9f));
  EXPECT_THAT(images[1].boxes, IsEmpty());
  EXPECT_THAT(images[1].scores, IsEmpty());
  EXPECT_THAT(images[2].boxes, ElementsAre(data::Box{1, 2, 3, 4}, data::Box{5, 6, 7, 8}));
  EXPECT_THAT(images[2].scores, ElementsAre(0.8f, 0.7f));
}

TEST(PackImageTest, ImagesComeBackInTheirOrder) {
  InferredImage full;
  full.detections.Add({.image_id = 7, .category_id = 3, .box = {1, 2, 3, 4}, .score = 0.5});
  full.detections.Add({.image_id = 7, .category_id = 1, .box = {5, 6, 7, 8}, .score = 0.25});
  full.proposals.boxes = {data::Box{1, 2, 3, 4}};
  full.proposals.scores = {0.75f};
  std::string bytes;
  PackImage(InferredImage(), bytes);
  EXPECT_FALSE(bytes.empty());
  PackImage(full, bytes);
  absl::string_view left = bytes;
  InferredImage empty, same;
  UnpackImage(left, empty);
  UnpackImage(left, same);
  EXPECT_TRUE(left.empty());
  EXPECT_EQ(empty.detections.size(), 0);
  EXPECT_THAT(empty.proposals.boxes, IsEmpty());
  EXPECT_EQ(same.detections.image_ids, full.detections.image_ids);
  EXPECT_EQ(same.detections.category_ids, full.detections.category_ids);
  EXPECT_EQ(same.detections.boxes, full.detections.boxes);
  EXPECT_EQ(same.detections.scores, full.detections.scores);
  EXPECT_EQ(same.proposals.boxes, full.proposals.boxes);
  EXPECT_EQ(same.proposals.scores, full.proposals.scores);
}

}  // namespace
}  // namespace rcnn::training
