// The device on which an experiment runs, and what it can do there.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(run.device, ChooseDevice(config, ProbeDevices()));

#ifndef RCNN_TRAINING_STAGES_STAGE_DEVICE_H_
#define RCNN_TRAINING_STAGES_STAGE_DEVICE_H_

#include <c10/core/Device.h>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "rcnn/base/device_probe.h"
#include "rcnn/configs/experiment.pb.h"

namespace rcnn::training {

// The device that `config.resources` names; `config` has passed CheckExperiment. The errors of
// CheckDevice (base/device.h) as "resources.device: ...". What a stage needs of the device is
// checked where it trains, because one that is done may have trained on another.
absl::StatusOr<c10::Device> ChooseDevice(const configs::ExperimentConfig& config,
                                         const DeviceProbe& probe);

// For a stage that trains on `device`, before it runs; OK for others. kInvalidArgument naming the
// stage's training.precision if the device does not have it.
absl::Status CheckTrainingPrecision(const configs::StageConfig& stage, const c10::Device& device);

// For stages that train on `device`, before they run. kInvalidArgument naming
// resources.training_graphs if that asks for graphs and this program has none of the device
// (base/device_graph.h).
absl::Status CheckTrainingGraphs(const configs::ResourcesConfig& resources,
                                 const c10::Device& device);

// The device of one of several ranks, where `device` is that of the experiment: the CPU, or the GPU
// with the number of the rank on its machine; a rank that sees one GPU alone, as Slurm's
// --gpus-per-task=1 has it, uses that. kInvalidArgument if the experiment names a GPU other than
// cuda:0, or there are fewer GPUs than ranks; the errors of CheckDevice.
absl::StatusOr<c10::Device> DeviceOfRank(const c10::Device& device, int local_rank,
                                         const DeviceProbe& probe);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_STAGES_STAGE_DEVICE_H_
