// How rank 0 leads the other ranks through an experiment.
//
//   rank 0                                            others
//   CheckSameRun, ConnectDevices                      CheckSameRun, ConnectDevices
//   locks the run directory, decides; LeadRanks       FollowRankZero: sees the run directory
//   rehearses                                         ... waits
//   StartStage, RunStage: for each stage to be run    ... RunStage
//   DismissRanks                                      ... returns
//
// Example:
//   RCNN_RETURN_IF_ERROR(StartStage(*run.ranks, index));

#ifndef RCNN_TRAINING_SCHEDULER_RANK_STEPS_H_
#define RCNN_TRAINING_SCHEDULER_RANK_STEPS_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "rcnn/training/distributed/rank_group.h"
#include "rcnn/training/scheduler/stage_plan.h"
#include "rcnn/training/stages/experiment_run.h"

namespace rcnn::training {

// All ranks. kFailedPrecondition, naming the field, the ranks and both values, if anything that
// the stages' keys depend on differs between two ranks: config, fingerprints of the data, contents
// of the pretrained weights.
absl::Status CheckSameRun(RankGroup& ranks, const std::vector<PlannedStage>& plan);

// All ranks: replaces run.device with that of this rank, and connects GPUs with those of the other
// ranks. kFailedPrecondition if only some ranks use the CPU; the errors of DeviceOfRank and
// RankGroup::ConnectDevice.
absl::Status ConnectDevices(ExperimentRun& run);

// Rank 0 only: tells the others the run directory, which has been opened, and checks that they see
// what is written there. kFailedPrecondition, with rank and machine, if one does not.
absl::Status LeadRanks(RankGroup& ranks, const std::string& run_directory);

// Rank 0 only: the others run the stage at this index of the plan.
absl::Status StartStage(RankGroup& ranks, size_t index);

// Rank 0 only: the others are done.
absl::Status DismissRanks(RankGroup& ranks);

// The other ranks: runs the stages that rank 0 names, in its run directory, until DismissRanks.
absl::Status FollowRankZero(ExperimentRun run, const std::vector<PlannedStage>& plan);

// All ranks, a collective: checks that the others can read, in their `directory`, a file that rank
// 0 writes to its own. They retry for `wait`, because network file systems cache directories.
// kFailedPrecondition, with rank and machine, if one does not see it; other codes, with the cause,
// if one cannot read it. For the functions above, and their test.
absl::Status CheckSharedDirectory(RankGroup& ranks, const std::string& directory,
                                  absl::Duration wait = absl::Seconds(10));

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_SCHEDULER_RANK_STEPS_H_
