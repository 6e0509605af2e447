#include "rcnn/training/scheduler/data_summary.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/configs/experiment.pb.h"
#include "rcnn/data/core/defect_report.h"
#include "rcnn/data/testing/fake_dataset.h"
#include "rcnn/training/stages/experiment_run.h"

namespace rcnn::training {
namespace {

using data::testing::FakeDataset;
using data::testing::FakeImage;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

// One image, and a report of its own.
class ReportedDataset : public FakeDataset {
 public:
  explicit ReportedDataset(data::DefectReport report)
      : FakeDataset(std::vector<FakeImage>(1)), report_(std::move(report)) {}
  const data::DefectReport& defects() const override { return report_; }

 private:
  const data::DefectReport report_;
};

TEST(DataSummaryTest, HasALineForEachDataset) {
  ExperimentRun run;
  run.datasets[configs::TRAIN] = FakeDataset::OfSize(3);
  run.datasets[configs::TEST] = FakeDataset::OfSize(1);
  EXPECT_EQ(DataSummary(run),
            "data.train: 3 images, 2 classes (first, second)\n"
            "data.test: 1 image, 2 classes (first, second)\n");
}

TEST(DataSummaryTest, ValidationDataThatAreTestDataAreLeftOut) {
  ExperimentRun run;
  run.datasets[configs::TEST] = run.datasets[configs::VALIDATION] = FakeDataset::OfSize(2);
  EXPECT_EQ(DataSummary(run), "data.test: 2 images, 2 classes (first, second)\n");
  run.config.mutable_data()->mutable_validation();
  EXPECT_EQ(DataSummary(run),
            "data.test: 2 images, 2 classes (first, second)\n"
            "data.validation: 2 images, 2 classes (first, second)\n");
}

TEST(DataSummaryTest, ShowsTheFirstDefects) {
  data::DefectReport report;
  for (int i = 0; i < 7; ++i) {
    report.Add({absl::StrCat("a", i, ".xml"), 0, data::DefectKind::kZeroSize, "(1, 2, 1, 2)",
                data::DefectAction::kObjectDropped});
  }
  ExperimentRun run;
  run.datasets[configs::TRAIN] = std::make_shared<ReportedDataset>(std::move(report));
  EXPECT_THAT(
      DataSummary(run),
      AllOf(HasSubstr("\ndata.train: 7 annotation defects, which ./bazelw run "
                      "//data:inspect shows:\na0.xml: "),
            HasSubstr("\na4.xml: "), Not(HasSubstr("a5.xml")), HasSubstr("\nand 2 more\n")));
}

TEST(DataSummaryTest, ANoticeOfSeveralDatasetsIsOneLine) {
  data::DefectReport train, test;
  train.AddNotice("of both");
  test.AddNotice("of the second alone");
  test.AddNotice("of both");
  ExperimentRun run;
  run.datasets[configs::TRAIN] = std::make_shared<ReportedDataset>(std::move(train));
  run.datasets[configs::TEST] = std::make_shared<ReportedDataset>(std::move(test));
  EXPECT_EQ(DataSummary(run),
            "data.train: 1 image, 2 classes (first, second)\n"
            "data.test: 1 image, 2 classes (first, second)\n"
            "data.train, data.test: of both\n"
            "data.test: of the second alone\n");
}

TEST(DataSummaryTest, EscapesNamesFromFiles) {
  data::DefectReport report;
  report.Add({"a\033[2J.xml", -1, data::DefectKind::kUnreadableAnnotation, "",
              data::DefectAction::kImageDropped});
  report.AddNotice("b\n\033[31m");
  ExperimentRun run;
  run.datasets[configs::TRAIN] = std::make_shared<ReportedDataset>(std::move(report));
  EXPECT_THAT(DataSummary(run), AllOf(HasSubstr("a\\x1b[2J.xml"), HasSubstr("b\\n\\x1b[31m\n"),
                                      Not(HasSubstr("\033"))));
}

}  // namespace
}  // namespace rcnn::training
