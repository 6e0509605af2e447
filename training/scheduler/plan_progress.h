// Progress of an experiment: the running stage, with the time left for it and for
// all remaining stages.
//
// The time per unit (iteration or image) is measured while a stage runs; before that
// the rehearsal's estimate is used. If a remaining stage has no estimate, the total
// time is not shown.
//
// Example:
//   PlanProgress progress({{"rpn1", 1000, 0.4}, {"proposals1", 200, 0.1}}, /*quiet=*/false);
//   progress.Begin(0);
//   progress.Update(12, "loss 0.412");   // [1/2 rpn1] 12/1000 ...
//   progress.End();

#ifndef RCNN_TRAINING_SCHEDULER_PLAN_PROGRESS_H_
#define RCNN_TRAINING_SCHEDULER_PLAN_PROGRESS_H_

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "rcnn/base/progress.h"

namespace rcnn::training {

struct StageEffort {
  std::string name;
  int64_t units = 0;            // iterations or images; 0 for a stage that is skipped
  double seconds_per_unit = 0;  // an estimate; 0: unknown
  std::string unit = {};        // "iteration" or "image"
};

class PlanProgress {
 public:
  PlanProgress(std::vector<StageEffort> stages, bool quiet)
      : stages_(std::move(stages)), quiet_(quiet) {}

  // Starts stage `index`. Its line appears with the first Update.
  void Begin(size_t index);
  // Reports that `done` units of the stage are done in total.
  void Update(int64_t done, const std::string& note);
  // Ends the stage. Does nothing without Begin.
  void End();

  // Prints a separate line between the progress lines.
  void Notice(const std::string& text);

  // Time per unit of the current stage: measured, or the estimate.
  double SecondsPerUnit() const { return stages_[index_].seconds_per_unit; }

  // Time for the current stage after `done` units and for all later stages; nullopt
  // while it is unknown for any of them.
  absl::optional<absl::Duration> TimeLeft(int64_t done) const;

 private:
  std::vector<StageEffort> stages_;
  bool quiet_;
  size_t index_ = 0;
  std::unique_ptr<Progress> bar_;
  int64_t first_done_ = 0;  // units when the bar began
  int64_t last_done_ = 0;
  absl::Time first_time_;
};

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_SCHEDULER_PLAN_PROGRESS_H_
