#include "rcnn/training/scheduler/plan_progress.h"

#include <cstdio>
#include <string>

#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rcnn::training {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

absl::Time fake_now = absl::UnixEpoch();
absl::Time FakeNow() { return fake_now; }

ProgressOptions Quiet() {
  ProgressOptions options;
  options.quiet = true;
  options.now = &FakeNow;
  return options;
}

PlanProgress Plan() {
  return PlanProgress({{"rpn1", 100, 2}, {"done", 0, 7}, {"props1", 40, 0.5}, {"new", 30, 3}},
                      Quiet());
}

// Prints on a terminal.
class PrintedTest : public testing::Test {
 protected:
  void SetUp() override {
    options_.stream = std::tmpfile();
    ASSERT_NE(options_.stream, nullptr);
    options_.is_terminal = true;
    options_.columns = 200;
    options_.now = &FakeNow;
  }
  void TearDown() override { std::fclose(options_.stream); }

  std::string Output() const {
    std::string text(static_cast<size_t>(std::ftell(options_.stream)), '\0');
    std::rewind(options_.stream);
    EXPECT_EQ(std::fread(&text[0], 1, text.size(), options_.stream), text.size());
    return text;
  }

  ProgressOptions options_;
};

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

// The estimate is 2 s per unit; the first unit takes 3 s and the second 1.5 s. Reading the inputs
// and the units of earlier runs are not measured.
TEST(PlanProgressTest, TheMeasuredTimeReplacesTheEstimateFromTheFirstUnitOn) {
  PlanProgress progress({{"rpn1", 1000, 2}, {"fast1", 10, 4}}, Quiet());
  progress.Begin(0);
  fake_now += absl::Seconds(60);
  progress.Start(500);
  EXPECT_EQ(progress.TimeLeft(500), absl::Seconds(500 * 2 + 40));
  fake_now += absl::Seconds(3);
  progress.Update(501, "");
  EXPECT_EQ(progress.TimeLeft(501), absl::Seconds(499 * 3 + 40));
  fake_now += absl::Seconds(1.5);
  progress.Update(502, "loss 1");
  EXPECT_EQ(progress.TimeLeft(502), absl::Seconds(498 * 2.25 + 40));
}

// The estimate of the next stage is not that of the last.
TEST(PlanProgressTest, EachStageIsMeasuredByItself) {
  PlanProgress progress({{"rpn1", 10, 2}, {"fast1", 10, 4}}, Quiet());
  for (const size_t stage : {size_t{0}, size_t{1}}) {
    progress.Begin(stage);
    progress.Start(0);
    EXPECT_EQ(progress.TimeLeft(0), absl::Seconds(stage == 0 ? 60 : 40));
    fake_now += absl::Seconds(8);
    progress.Update(8, "");
  }
  EXPECT_EQ(progress.TimeLeft(8), absl::Seconds(2));
}

// The proposals of the images begin, then those of the mirrored images.
TEST(PlanProgressTest, ASecondPassIsPartOfTheSameWork) {
  PlanProgress progress({{"proposals1", 20, 0}}, Quiet());
  progress.Begin(0);
  progress.Start(6);
  fake_now += absl::Seconds(8);
  progress.Update(10, "");
  progress.Start(10);
  fake_now += absl::Seconds(8);
  progress.Update(14, "");
  EXPECT_EQ(progress.TimeLeft(14), absl::Seconds(12));
}

// Four images at a time: the first four take 9 s, the others 2 s.
TEST(PlanProgressTest, TheSpeedIsWithoutTheUnitsOfTheFirstUpdate) {
  PlanProgress progress({{"props1", 40, 0}}, Quiet());
  progress.Begin(0);
  progress.Start(0);
  fake_now += absl::Seconds(9);
  progress.Update(4, "");
  EXPECT_DOUBLE_EQ(progress.SecondsPerUnit(), 9.0 / 4);
  fake_now += absl::Seconds(2);
  progress.Update(8, "");
  EXPECT_DOUBLE_EQ(progress.SecondsPerUnit(), 11.0 / 8);
  fake_now += absl::Seconds(2);
  progress.Update(12, "");
  EXPECT_DOUBLE_EQ(progress.SecondsPerUnit(), 0.5);
  progress.End();
  EXPECT_DOUBLE_EQ(progress.SecondsPerUnit(), 0.5);
}

TEST(PlanProgressTest, TheSpeedOfFewUnitsIsTheEstimate) {
  PlanProgress progress = Plan();
  progress.Begin(0);
  progress.Start(0);
  fake_now += absl::Seconds(1);
  progress.Update(5, "");
  EXPECT_EQ(progress.SecondsPerUnit(), 2);
}

TEST(PlanProgressTest, EndWithoutBeginDoesNothing) {
  PlanProgress progress = Plan();
  progress.End();
  progress.Begin(1);
  progress.End();
  EXPECT_EQ(progress.TimeLeft(0), absl::Seconds(110));
}

// The bar is there before the first unit, and its time left is that of the plan.
TEST_F(PrintedTest, AResumedStageCountsItsOwnUnits) {
  PlanProgress progress({{"rpn1", 1000, 2, "iteration"}}, options_);
  progress.Begin(0);
  progress.Start(500);
  fake_now += absl::Seconds(3);
  progress.Update(501, "loss 1");
  progress.End();
  EXPECT_EQ(Output(),
            "\r[1/1 rpn1] [############............] 500/1000  50 %  all stages eta 16m40s\033[K"
            "\r[1/1 rpn1] [############............] 501/1000  50 % 0.333 iterations/s eta 24m57s"
            "  loss 1, all stages eta 24m57s\033[K"
            "\r[1/1 rpn1] 501/1000  50 % 0.333 iterations/s in 3.0s"
            "  loss 1, all stages eta 24m57s\033[K\n");
}

// Without a rehearsal: measured is the present stage alone.
TEST_F(PrintedTest, TotalIsHiddenWhileAStageIsUnknown) {
  options_.is_terminal = false;
  PlanProgress progress(
      {{"rpn1", 20, 0, "iteration"}, {"done", 0, 0, "image"}, {"fast1", 100, 0, "iteration"}},
      options_);
  progress.Begin(0);
  for (int64_t done = 1; done <= 20; ++done) progress.Update(done, "loss 1");
  EXPECT_EQ(progress.TimeLeft(10), absl::nullopt);
  fake_now += absl::Seconds(1);
  progress.End();
  EXPECT_THAT(Output(), AllOf(HasSubstr("rpn1"), HasSubstr("loss 1"),
                              HasSubstr(" 20.0 iterations/s in "), Not(HasSubstr("all stages"))));
  progress.Begin(2);
  EXPECT_EQ(progress.TimeLeft(99), absl::nullopt);
  EXPECT_EQ(progress.TimeLeft(100), absl::ZeroDuration());
  progress.Start(0);
  fake_now += absl::Seconds(5);
  progress.Update(10, "");
  EXPECT_EQ(progress.TimeLeft(10), absl::Seconds(45));
}

}  // namespace
}  // namespace rcnn::training
