// What the scheduler prints before and after a run: what is to be done and why, and what
// was done, how long it took and what came of it.

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
  int64_t units = 0;  // iterations or images
  // Of this run; not printed of a stage that is skipped.
  absl::Duration time = absl::ZeroDuration();
  double seconds_per_unit = 0;
  std::string result;  // a few words: "loss 0.412"
};

// "done", "go on" or "run".
const char* ActionName(StageDecision::Action action);

// A line per stage: number, name, "run", "go on" or "done", units, and why.
std::string PlanTable(const std::vector<StageRow>& stages, const TextStyle& style);

// With a head, a line per stage and one of all.
std::string SummaryTable(const std::vector<StageRow>& stages, const TextStyle& style);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_SCHEDULER_RUN_TABLES_H_
