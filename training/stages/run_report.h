// report.html of an evaluation stage: eval/html/report_page.h with the losses of
// the stages before it, the experiment, and how to run it again.
//
// Contains no times and no paths, so that equal runs give equal reports.
//
// Example:
//   RCNN_RETURN_IF_ERROR(WriteRunReport(run, dataset, detections, report, recall, path));

#ifndef RCNN_TRAINING_STAGES_RUN_REPORT_H_
#define RCNN_TRAINING_STAGES_RUN_REPORT_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "rcnn/data/core/dataset.h"
#include "rcnn/eval/detections.h"
#include "rcnn/eval/metrics_report.h"
#include "rcnn/eval/proposal_recall.h"
#include "rcnn/training/stages/experiment_run.h"

namespace rcnn::training {

// Writes the report of `detections` on `dataset` to `path`; `proposals` is the recall of the
// proposals that they come from. For an image that cannot be read, only the boxes are
// drawn. Errors: those of MakeReportPage (eval/html/report_page.h) and of base/file_io.h, also if
// the metrics.jsonl of a stage is temporarily unreadable.
absl::Status WriteRunReport(const ExperimentRun& run,
                            const std::shared_ptr<const data::Dataset>& dataset,
                            const eval::Detections& detections, const eval::Report& report,
                            const eval::ProposalRecall& proposals, const std::string& path);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_STAGES_RUN_REPORT_H_
