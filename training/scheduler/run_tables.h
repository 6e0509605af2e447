// The tables that the scheduler prints: before a run, what will run and why; after it,
// what ran, how long it took, and the results. Reasons and results may have names from
// files in them, which are escaped.

#ifndef RCNN_TRAINING_SCHEDULER_RUN_TABLES_H_
#define RCNN_TRAINING_SCHEDULER_RUN_TABLES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "rcnn/base/terminal.h"
#include "rcnn/training/scheduler/stage_plan.h"

namespace rcnn::training {

struct StageRow {
  std::string name;
  StageDecision decision;
  int64_t units = 0;
  std::string unit = {};  // "iteration" or "image"
  // Time in this run; not printed for a skipped stage.
  absl::Duration time = absl::ZeroDuration();
  double seconds_per_unit = 0;  // without the first units of this run, which are slower
  std::string result;           // a few words: "loss 0.412"
};

// "done", "resume" or "run".
const char* ActionName(StageDecision::Action action);

// A line per stage: number, name, "run", "resume" or "done", units, and the reason.
std::string PlanTable(const std::vector<StageRow>& stages, const TextStyle& style);

// A header, a line per stage, and a line for the total.
std::string SummaryTable(const std::vector<StageRow>& stages, const TextStyle& style);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_SCHEDULER_RUN_TABLES_H_
