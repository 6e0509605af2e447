// report.html of an evaluation stage: eval/html/report_page.h with the losses of
// the stages before it, the experiment, and how to run it again.
//
// Holds no time and no path, so that equal runs leave equal reports.
//
// Example: RCNN_RETURN_IF_ERROR(WriteRunReport(run, dataset, detections, report, path));

#ifndef RCNN_TRAINING_STAGES_RUN_REPORT_H_
#define RCNN_TRAINING_STAGES_RUN_REPORT_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "rcnn/data/core/dataset.h"
#include "rcnn/eval/detections.h"
#include "rcnn/eval/html/report_input.h"
#include "rcnn/eval/metrics_report.h"
#include "rcnn/training/stages/experiment_run.h"

namespace rcnn::training {

// Writes the report of `detections` on `dataset` to `path`. Images that cannot be
// read are drawn without; errors are those of base/file_io.h.
absl::Status WriteRunReport(const ExperimentRun& run,
                            const std::shared_ptr<const data::Dataset>& dataset,
                            const eval::Detections& detections, const eval::Report& report,
                            const std::string& path);

// The losses of a metrics.jsonl, each of at most about `most_points`, which are means
// of the lines between. Lines that are no JSON objects (torn ones) are left out.
std::vector<eval::TrainingCurve> LossCurves(const std::string& stage, absl::string_view lines,
                                            size_t most_points = 200);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_STAGES_RUN_REPORT_H_
