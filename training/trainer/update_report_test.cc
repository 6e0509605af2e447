#include "rcnn/training/trainer/update_report.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/status_matchers.h"

namespace rcnn::training {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

BatchReport Batch(int64_t number, double loss) {
  return {number, 2, loss, {{"a", loss / 2}, {"b", loss / 4}}, {{"rois", 3}}, "image"};
}

TEST(UpdateReportTest, ComesBackAsItWas) {
  UpdateReport report;
  report.status = absl::DataLossError("torn");
  report.is_unreadable_image = report.wants_stop = true;
  report.has_gradient = "0110";
  report.batches = {Batch(7, 0.1), Batch(8, 1.0 / 3)};
  const UpdateReport read = UnpackReport(PackReport(report));
  EXPECT_EQ(read.status, report.status);
  EXPECT_TRUE(read.is_unreadable_image);
  EXPECT_TRUE(read.wants_stop);
  EXPECT_FALSE(read.wants_checkpoint);
  EXPECT_FALSE(read.is_secondary);
  EXPECT_EQ(read.has_gradient, "0110");
  ASSERT_EQ(read.batches.size(), 2u);
  EXPECT_EQ(read.batches[1].loss, 1.0 / 3);
  EXPECT_EQ(read.batches[1].number, 8);
  EXPECT_EQ(read.batches[1].images, 2);
  EXPECT_THAT(read.batches[1].parts, ElementsAre(Pair("a", 1.0 / 6), Pair("b", 1.0 / 12)));
  EXPECT_THAT(read.batches[1].counts, ElementsAre(Pair("rois", 3)));
  EXPECT_EQ(read.batches[1].text, "image");
}

TEST(UpdateReportTest, PartsOfABatchAreAddedUp) {
  UpdateReport first, second, third;
  first.batches = {Batch(4, 1)};
  second.batches = {Batch(4, 2)};
  third.batches = {Batch(5, 4)};
  third.batches[0].parts.pop_back();
  const UpdateReport all = MergeReports({first, second, third});
  EXPECT_THAT(all.status, IsOk());
  ASSERT_EQ(all.batches.size(), 2u);
  EXPECT_EQ(all.batches[0].loss, 3);
  EXPECT_EQ(all.batches[0].images, 4);
  EXPECT_THAT(all.batches[0].parts, ElementsAre(Pair("a", 1.5), Pair("b", 0.75)));
  EXPECT_THAT(all.batches[0].counts, ElementsAre(Pair("rois", 6)));
  EXPECT_EQ(all.batches[0].text, "image, image");
  EXPECT_THAT(all.batches[1].parts, ElementsAre(Pair("a", 2)));
}

// A rank without images has no parts.
TEST(UpdateReportTest, ARankWithoutImagesAddsNothing) {
  UpdateReport first, second;
  first.batches = {{4, 0, 0, {}, {}, ""}};
  second.batches = {Batch(4, 2)};
  const UpdateReport all = MergeReports({first, second});
  ASSERT_EQ(all.batches.size(), 1u);
  EXPECT_EQ(all.batches[0].loss, 2);
  EXPECT_EQ(all.batches[0].text, "image");
  EXPECT_EQ(all.batches[0].parts.size(), 2u);
}

TEST(UpdateReportTest, TheFirstErrorThatIsNotSecondaryIsThatOfAll) {
  UpdateReport good, caused, cause, later;
  caused.status = absl::InternalError("another rank");
  caused.is_secondary = true;
  cause.status = absl::InvalidArgumentError("torn.jpg");
  cause.is_unreadable_image = true;
  later.status = absl::DataLossError("diverged");
  const UpdateReport all = MergeReports({good, caused, cause, later});
  EXPECT_THAT(all.status, StatusIs(absl::StatusCode::kInvalidArgument, "rank 2: torn.jpg"));
  EXPECT_TRUE(all.is_unreadable_image);
  EXPECT_THAT(MergeReports({good, caused}).status,
              StatusIs(absl::StatusCode::kInternal, "rank 1: another rank"));
}

TEST(UpdateReportTest, WhatAnyRankWantsAllWant) {
  UpdateReport first, second;
  first.has_gradient = "0101";
  second.has_gradient = "0011";
  second.wants_stop = true;
  first.wants_checkpoint = true;
  const UpdateReport all = MergeReports({first, second});
  EXPECT_EQ(all.has_gradient, "0111");
  EXPECT_TRUE(all.wants_stop);
  EXPECT_TRUE(all.wants_checkpoint);
}

}  // namespace
}  // namespace rcnn::training
