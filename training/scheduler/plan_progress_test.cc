#include "rcnn/training/scheduler/plan_progress.h"

#include <string>

#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rcnn::training {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

PlanProgress Plan() {
  return PlanProgress({{"rpn1", 100, 2}, {"done", 0, 7}, {"props1", 40, 0.5}, {"new", 30, 3}},
                      /*quiet=*/true);
}

// 100 * 2 + 0 * 7 + 40 / 2 + 30 * 3 seconds.
TEST(PlanProgressTest, TimeLeftIsTheSumOverRemainingStages) {
  EXPECT_EQ(Plan().TimeLeft(0), absl::Seconds(310));
  EXPECT_EQ(Plan().TimeLeft(25), absl::Seconds(260));
}

TEST(PlanProgressTest, EarlierStagesDoNotCount) {
  PlanProgress progress = Plan();
  progress.Begin(2);
  EXPECT_EQ(progress.TimeLeft(10), absl::Seconds(105));
  progress.End();
  progress.Begin(3);
  EXPECT_EQ(progress.TimeLeft(30), absl::ZeroDuration());
}

TEST(PlanProgressTest, ExtraUnitsDoNotReduceTheTime) {
  PlanProgress progress = Plan();
  progress.Begin(0);
  EXPECT_EQ(progress.TimeLeft(110), absl::Seconds(110));
}

// The estimate is 2 s per unit; a unit takes 10 ms or a little more. Work before a
// resume is not measured.
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
  EXPECT_GE(*progress.TimeLeft(520), absl::Seconds(480 * 0.15 / 19));
  EXPECT_LT(*progress.TimeLeft(520), absl::Seconds(480));
}

TEST(PlanProgressTest, EndWithoutBeginDoesNothing) {
  PlanProgress progress = Plan();
  progress.End();
  progress.Begin(1);
  progress.End();
  EXPECT_EQ(progress.TimeLeft(0), absl::Seconds(110));
}

// Without a rehearsal: measured is the present stage alone.
TEST(PlanProgressTest, TotalIsHiddenWhileAStageIsUnknown) {
  PlanProgress progress(
      {{"rpn1", 20, 0, "iteration"}, {"done", 0, 0, "image"}, {"fast1", 100, 0, "iteration"}},
      /*quiet=*/false);
  progress.Begin(0);
  testing::internal::CaptureStderr();
  for (int64_t done = 1; done <= 20; ++done) progress.Update(done, "loss 1");
  EXPECT_EQ(progress.TimeLeft(10), absl::nullopt);
  progress.End();
  const std::string printed = testing::internal::GetCapturedStderr();
  EXPECT_THAT(printed, AllOf(HasSubstr("rpn1"), HasSubstr("loss 1"), HasSubstr(" iterations/s in "),
                             Not(HasSubstr("everything"))));
  progress.Begin(2);
  EXPECT_EQ(progress.TimeLeft(99), absl::nullopt);
  EXPECT_EQ(progress.TimeLeft(100), absl::ZeroDuration());
  for (int64_t done = 1; done <= 10; ++done) progress.Update(done, "");
  EXPECT_TRUE(progress.TimeLeft(10).has_value());
}

}  // namespace
}  // namespace rcnn::training
