#include "rcnn/training/trainer/batch_summary.h"

#include <ATen/ATen.h>

#include <utility>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rcnn::training {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

// Two images, of which this process takes the second.
data::Batch SecondOfTwo() {
  data::Batch batch;
  batch.images = at::zeros({1, 3, 4, 4});
  batch.own_begin = 1;
  batch.entries.resize(2);
  batch.entries[0].info.name = "a.jpg";
  batch.entries[1].info.name = "b.jpg";
  batch.entries[1].info.id = 7;
  batch.entries[1].info.flipped = true;
  return batch;
}

StepLosses Step() {
  StepLosses step;
  step.total = at::scalar_tensor(1.5);
  step.parts = {{"classes", at::scalar_tensor(1.0)}, {"box", at::scalar_tensor(0.5)}};
  step.counts = {{"rois_positive", 3}};
  return step;
}

TEST(BatchSummaryTest, ListsTheImagesOfThisProcess) {
  data::Batch batch = SecondOfTwo();
  EXPECT_EQ(ListImages(batch), "b.jpg (id 7, mirrored)");
  batch.entries[1].info.flipped_vertically = true;
  EXPECT_EQ(ListImages(batch), "b.jpg (id 7, mirrored, upside down)");
}

TEST(BatchSummaryTest, HasTheNumbersOfTheStep) {
  const BatchReport report = Summarize(SecondOfTwo(), Step(), /*number=*/5, /*loss=*/1.5);
  EXPECT_EQ(report.number, 5);
  EXPECT_EQ(report.images, 1);
  EXPECT_EQ(report.loss, 1.5);
  EXPECT_THAT(report.parts, ElementsAre(Pair("classes", 1.0), Pair("box", 0.5)));
  EXPECT_THAT(report.counts, ElementsAre(Pair("rois_positive", 3.0)));
  EXPECT_EQ(report.text, "b.jpg (id 7, mirrored) (classes 1, box 0.5)");
}

TEST(BatchSummaryTest, AStepAndItsReportAddTheSameToTheMeans) {
  RunningMeans of_step, of_report;
  AddToMeans(Step(), of_step);
  AddToMeans(Summarize(SecondOfTwo(), Step(), 5, 1.5), of_report);
  EXPECT_EQ(of_step.Text(), of_report.Text());
  EXPECT_THAT(of_step.Take(), ElementsAre(Pair("loss", 1.5), Pair("loss_classes", 1.0),
                                          Pair("loss_box", 0.5), Pair("rois_positive", 3.0)));
}

// Counts of samples in tensors of a fixed size are on the device.
TEST(BatchSummaryTest, AddsUnreadCountsToTheMeans) {
  StepLosses step = Step();
  step.counts.clear();
  step.unread_counts = {{"rois_positive", at::scalar_tensor(3, at::kLong)}};
  RunningMeans of_step, of_report;
  AddToMeans(step, of_step);
  AddToMeans(Summarize(SecondOfTwo(), step, 5, 1.5), of_report);
  for (RunningMeans* const means : {&of_step, &of_report}) {
    EXPECT_THAT(means->Take(), ElementsAre(Pair("loss", 1.5), Pair("loss_classes", 1.0),
                                           Pair("loss_box", 0.5), Pair("rois_positive", 3.0)));
  }
}

}  // namespace
}  // namespace rcnn::training
