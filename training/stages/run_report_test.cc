#include "rcnn/training/stages/run_report.h"

#include <filesystem>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/temporary_directory.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/data/testing/fake_dataset.h"
#include "rcnn/eval/detections.h"
#include "rcnn/eval/metrics_report.h"
#include "rcnn/eval/proposal_recall.h"
#include "rcnn/training/stages/experiment_run.h"

namespace rcnn::training {
namespace {

using ::testing::HasSubstr;

// A link to itself can be read as little as a file on a disk with errors.
TEST(WriteRunReportTest, MetricsThatCannotBeReadNowAreNotLeftOut) {
  const TemporaryDirectory directory("run_report_test");
  std::filesystem::create_symlink("metrics.jsonl",
                                  absl::StrCat(directory.path(), "/metrics.jsonl"));
  ExperimentRun run;
  run.config.add_stages()->set_name("rpn");
  run.directories["rpn"] = directory.path();
  const std::string path = absl::StrCat(directory.path(), "/report.html");
  EXPECT_THAT(WriteRunReport(run, data::testing::FakeDataset::OfSize(1), eval::Detections(),
                             eval::Report(), eval::ProposalRecall(), path),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("metrics.jsonl")));
  EXPECT_FALSE(std::filesystem::exists(path));
}

}  // namespace
}  // namespace rcnn::training
