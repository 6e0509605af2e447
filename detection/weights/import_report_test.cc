#include "rcnn/detection/weights/import_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rcnn::detection::weights {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

ImportReport Report() {
  ImportReport report;
  report.source = "vgg16.pth";
  report.map = "torchvision_vgg16";
  report.rows = {
      {ImportOutcome::kSkipped, "classifier.6.bias", "classifier.6.bias", "[1000]", "left out"},
      {ImportOutcome::kLoaded, "backbone.conv1_1.bias", "features.0.bias", "[64]", ""},
      {ImportOutcome::kLoaded, "backbone.conv1_2.bias", "features.2.bias", "[64]", "from Half"},
      {ImportOutcome::kReshaped, "head.fc6.bias", "fc6.bias", "[8]", "from [1, 1, 1, 8]"},
      {ImportOutcome::kLeftAtInitial, "head.cls_score.bias", "", "[21]", ""}};
  return report;
}

TEST(ImportReportTest, CountsPerPartAndListsExceptions) {
  EXPECT_EQ(Report().ToString(),
            "weights of vgg16.pth, names by torchvision_vgg16\n"
            "  part            loaded  reshaped   skipped   initial\n"
            "  backbone             2                              \n"
            "  head                           1                   1\n"
            "  (file only)                              1          \n"
            "  loaded: backbone.conv1_2.bias [64] <- features.2.bias (from Half)\n"
            "  reshaped: head.fc6.bias [8] <- fc6.bias (from [1, 1, 1, 8])\n"
            "  skipped: classifier.6.bias [1000] (left out)\n"
            "  left at initial value: head.cls_score.bias [21]\n");
}

TEST(ImportReportTest, ListsEveryTensorWhenAsked) {
  EXPECT_THAT(Report().ToString(), Not(HasSubstr("conv1_1")));
  EXPECT_THAT(Report().ToString(true),
              HasSubstr("loaded: backbone.conv1_1.bias [64] <- features.0.bias\n"));
}

TEST(ImportReportTest, CutsLongRunsOfOneOutcome) {
  ImportReport report;
  for (int i = 0; i < 20; ++i) {
    report.rows.push_back(
        {ImportOutcome::kLeftAtInitial, "rpn.t" + std::to_string(i), "", "[1]", ""});
  }
  EXPECT_THAT(report.ToString(), HasSubstr("left at initial value: 8 more\n"));
  EXPECT_THAT(report.ToString(), Not(HasSubstr("rpn.t12 ")));
  EXPECT_THAT(report.ToString(true), HasSubstr("rpn.t19 "));
}

TEST(ImportReportTest, EscapesNames) {
  ImportReport report;
  report.source = "a\nb.pth";
  report.map = "auto";
  report.rows = {{ImportOutcome::kLoaded, "\x1b[2J.bias", "\xc2\x9b.bias", "[1]", "from \r"}};
  const std::string text = report.ToString();
  EXPECT_THAT(text, HasSubstr("weights of a\\nb.pth,"));
  EXPECT_THAT(text, HasSubstr("\n  \\x1b[2J              1"));
  EXPECT_THAT(text, HasSubstr("loaded: \\x1b[2J.bias [1] <- \\u009b.bias (from \\r)\n"));
}

// A search through all earlier parts would take minutes.
TEST(ImportReportTest, APartForEachTensorTakesLinearTime) {
  ImportReport report;
  for (int i = 0; i < 300000; ++i) {
    report.rows.push_back({ImportOutcome::kLoaded, "part" + std::to_string(i), "", "[1]", ""});
  }
  const std::string text = report.ToString();
  EXPECT_THAT(text, HasSubstr("\n  part299999           1"));
}

TEST(ImportReportTest, CountsOutcomes) {
  EXPECT_EQ(Report().Count(ImportOutcome::kLoaded), 2);
  EXPECT_EQ(Report().Count(ImportOutcome::kLeftAtInitial), 1);
}

}  // namespace
}  // namespace rcnn::detection::weights
