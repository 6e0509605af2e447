// The stages of an experiment in one call of the scheduler: what is to be done with each, the
// checks and repairs before anything runs, and how each went.
//
// Example:
//   std::vector<ScheduledStage> stages = {{stage}};
//   RCNN_RETURN_IF_ERROR(DecideStages(directory, warn, stages, run));
//   if (!AnythingToDo(stages)) return absl::OkStatus();

#ifndef RCNN_TRAINING_SCHEDULER_SCHEDULED_STAGES_H_
#define RCNN_TRAINING_SCHEDULER_SCHEDULED_STAGES_H_

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "rcnn/configs/experiment.pb.h"
#include "rcnn/training/scheduler/run_directory.h"
#include "rcnn/training/scheduler/stage_plan.h"
#include "rcnn/training/stages/experiment_run.h"

namespace rcnn::training {

struct ScheduledStage {
  PlannedStage planned;
  StageDecision decision = {};
  // A finished result from other images or annotations exists.
  bool is_of_other_data = false;
  bool needs_repair = false;
  // Once it has run.
  absl::Duration time = absl::ZeroDuration();
  double seconds_per_unit = 0;
  std::string result = {};  // in a few words
};

// Tells the user something about a stage, such as damage.
using StageNotice = std::function<void(const std::string& stage, const std::string& notice)>;

// Decides for each stage, from its key and its directory (Decide, stage_plan.h), and sets
// run.directories and run.keys. `stages` are those of run.config, in its order. Damaged files are
// told to `warn`, and change nothing here. The errors of RunDirectory::ReadStatus.
absl::Status DecideStages(const RunDirectory& directory, const StageNotice& warn,
                          std::vector<ScheduledStage>& stages, ExperimentRun& run);

// Whether a stage is to run or to be resumed.
bool AnythingToDo(const std::vector<ScheduledStage>& stages);

// The name of the first stage with a finished result from other images or annotations; "" if there
// is none.
std::string StageOfOtherData(const std::vector<ScheduledStage>& stages);

// Refuses a precision that the device lacks in a stage that is to train, and graphs of training
// that it lacks (stage_device.h). If no stage is to train, leaves the graphs out of run.config,
// because the rehearsal trains in stages that are done, too.
absl::Status CheckTrainingStages(const std::vector<ScheduledStage>& stages, ExperimentRun& run);

// Index of the last evaluation, whose results are published; the number of stages if there is none.
size_t FindPublishedStage(const configs::ExperimentConfig& config);

// Repairs files of finished stages that have an intact copy, and records missing checksums, of
// published results only after they are compared with those at the top
// (SettleUnrecordedResults), which is told to `warn`. Errors name the stage.
absl::Status RepairStages(const configs::ExperimentConfig& config,
                          const std::vector<ScheduledStage>& stages, const StageNotice& warn,
                          RunDirectory& directory);

// Checks, right before `reader` runs, that the stages whose results it reads are unchanged: hours
// may have passed. kDataLoss, naming the stage and what is damaged.
absl::Status CheckStageInputs(const RunDirectory& directory,
                              const std::vector<ScheduledStage>& stages,
                              const PlannedStage& reader);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_SCHEDULER_SCHEDULED_STAGES_H_
