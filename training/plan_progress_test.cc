#include "rcnn/training/plan_progress.h"

#include "absl/time/clock.h"
#include "gtest/gtest.h"

namespace rcnn::training {
namespace {

PlanProgress Plan() {
  return PlanProgress({{"rpn1", 100, 2}, {"done", 0, 7}, {"props1", 40, 0.5}, {"new", 30, 0}},
                      /*quiet=*/true);
}

// 100 * 2 + 0 * 7 + 40 / 2 + 30 * 0 seconds.
TEST(PlanProgressTest, TimeLeftIsTheSumOverWhatIsToCome) {
  EXPECT_EQ(Plan().TimeLeft(0), absl::Seconds(220));
  EXPECT_EQ(Plan().TimeLeft(25), absl::Seconds(170));
}

TEST(PlanProgressTest, StagesBeforeThePresentOneDoNotCount) {
  PlanProgress progress = Plan();
  progress.Begin(2);
  EXPECT_EQ(progress.TimeLeft(10), absl::Seconds(15));
  progress.End();
  progress.Begin(3);
  EXPECT_EQ(progress.TimeLeft(0), absl::ZeroDuration());
}

TEST(PlanProgressTest, MoreUnitsThanPlannedAreNoTimeGained) {
  PlanProgress progress = Plan();
  progress.Begin(0);
  EXPECT_EQ(progress.TimeLeft(110), absl::Seconds(20));
}

// The estimate is 2 s for a unit, a unit takes 10 ms or a little more. What was done
// before a resume is not measured.
TEST(PlanProgressTest, TheMeasuredTimeReplacesTheEstimate) {
  PlanProgress progress({{"rpn1", 1000, 2}}, /*quiet=*/true);
  progress.Begin(0);
  for (int64_t done = 501; done <= 505; ++done) progress.Update(done, "");
  EXPECT_EQ(progress.TimeLeft(505), absl::Seconds(990));
  for (int64_t done = 506; done <= 520; ++done) {
    absl::SleepFor(absl::Milliseconds(10));
    progress.Update(done, "loss 1");
  }
  // 15 of 19 units took at least 10 ms.
  EXPECT_GE(progress.TimeLeft(520), absl::Seconds(480 * 0.15 / 19));
  EXPECT_LT(progress.TimeLeft(520), absl::Seconds(480));
}

TEST(PlanProgressTest, EndWithoutBeginDoesNothing) {
  PlanProgress progress = Plan();
  progress.End();
  progress.Begin(1);
  progress.End();
  EXPECT_EQ(progress.TimeLeft(0), absl::Seconds(20));
}

}  // namespace
}  // namespace rcnn::training
