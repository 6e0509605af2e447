#include "rcnn/training/scheduler/run_tables.h"

#include <cstdio>

#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rcnn::training {
namespace {

using ::testing::ElementsAre;

std::vector<StageRow> Stages() {
  StageRow done, resumed, begun;
  done.name = "rpn1";
  done.decision = {StageDecision::kSkip, "up to date"};
  done.units = 1000;
  done.unit = "iteration";
  resumed.name = "fast1";
  resumed.decision = {StageDecision::kResume, "at iteration 500"};
  resumed.units = 1000;
  resumed.unit = "iteration";
  resumed.time = absl::Seconds(70);
  resumed.seconds_per_unit = 0.07;
  resumed.result = "loss 0.412";
  begun.name = "a_stage_with_a_long_name";
  begun.decision = {StageDecision::kRun, "has not run yet"};
  begun.units = 1;
  begun.unit = "image";
  begun.time = absl::Milliseconds(2500);
  return {done, resumed, begun};
}

std::vector<std::string> Lines(const std::string& text) {
  return absl::StrSplit(text, '\n', absl::SkipEmpty());
}

// A file gets no colours.
TextStyle Plain() {
  std::FILE* file = std::tmpfile();
  const TextStyle style(file);
  std::fclose(file);
  return style;
}

TEST(PlanTableTest, ShowsThePlanWithReasons) {
  EXPECT_THAT(Lines(PlanTable(Stages(), Plain())),
              ElementsAre("  1  rpn1                     done      1000  up to date",
                          "  2  fast1                    resume    1000  at iteration 500",
                          "  3  a_stage_with_a_long_name run          1  has not run yet"));
}

TEST(SummaryTableTest, ShowsTheSummary) {
  EXPECT_THAT(
      Lines(SummaryTable(Stages(), Plain())),
      ElementsAre(
          "  stage                        time              work each after the first  result",
          "  rpn1                       before",
          "  fast1                       1m10s   1000 iterations                 70ms  loss 0.412",
          "  a_stage_with_a_long_name     2.5s           1 image",
          "  all                         1m13s"));
}

TEST(RunTablesTest, EscapeReasonsAndResults) {
  std::vector<StageRow> stages = Stages();
  stages[1].decision.reason = "class \x1b[2J is new\n";
  stages[1].result = "AP of \xe2\x80\xaegpj 0.4";
  EXPECT_THAT(Lines(PlanTable(stages, Plain()))[1],
              "  2  fast1                    resume    1000  class \\x1b[2J is new\\n");
  EXPECT_THAT(Lines(SummaryTable(stages, Plain()))[2],
              "  fast1                       1m10s   1000 iterations                 70ms  AP of "
              "\\u202egpj 0.4");
}

}  // namespace
}  // namespace rcnn::training
