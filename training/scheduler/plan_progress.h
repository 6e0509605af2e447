// Progress of an experiment: the running stage, with the time left for it and for
// all remaining stages.
//
// The time left for the running stage follows from the units (iterations or images) that this run
// has done and the time since their work began. Before the first of them, and for later stages, the
// rehearsal's estimate is used. If a remaining stage has no estimate, the total time is not shown.
//
// Example:
//   PlanProgress progress({{"rpn1", 1000, 0.4}, {"proposals1", 200, 0.1}});
//   progress.Begin(0);
//   progress.Start(/*done=*/0);
//   progress.Update(12, "loss 0.412");   // [1/2 rpn1] 12/1000 ...
//   progress.End();

#ifndef RCNN_TRAINING_SCHEDULER_PLAN_PROGRESS_H_
#define RCNN_TRAINING_SCHEDULER_PLAN_PROGRESS_H_

#include <cstdint>
#include <memory>
#include <string>
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
  // `options`: where and how to print; unit and plain_interval are those of the stages.
  explicit PlanProgress(std::vector<StageEffort> stages, const ProgressOptions& options = {});

  // Turns to stage `index`, which may still have to read its inputs.
  void Begin(size_t index);
  // The work of the stage begins now, after `done` units of earlier runs, which count towards the
  // percentage but not the speed. Shows the stage's line. Does nothing if the work has begun.
  void Start(int64_t done);
  // Reports that `done` units of the stage are done in total, earlier runs included. Without Start
  // the work begins now.
  void Update(int64_t done, const std::string& note);
  // Ends the stage. Does nothing without Begin.
  void End();

  // Prints a separate line between the progress lines.
  void Notice(const std::string& text);

  // Time per unit of the current stage, to compare speeds: without the units of the first Update,
  // which are slower, once there are 5 others; before that the estimate, or without one the mean of
  // all units of this run.
  double SecondsPerUnit() const;

  // Time for the current stage after `done` units and for all later stages; nullopt
  // while it is unknown for any of them.
  absl::optional<absl::Duration> TimeLeft(int64_t done) const;

 private:
  // Units that are done, and when.
  struct Point {
    absl::Time time;
    int64_t done;
  };

  // The mean time per unit between two points; 0 if there are none.
  static double SecondsBetween(const Point& first, const Point& last);
  void Measure(int64_t done);
  void ShowTimeLeft(int64_t done, const std::string& note);

  std::vector<StageEffort> stages_;
  ProgressOptions options_;
  size_t index_ = 0;
  std::unique_ptr<Progress> bar_;
  // Of the current stage.
  Point start_ = {};
  absl::optional<Point> first_update_;
  int64_t last_done_ = 0;
  double mean_seconds_ = 0;  // per unit of this run; 0 before the first
};

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_SCHEDULER_PLAN_PROGRESS_H_
