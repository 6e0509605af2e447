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
// CheckDevice (base/device.h) as "resources.device: ...", and kInvalidArgument naming the first
// stage with a training.precision that the device does not have.
absl::StatusOr<c10::Device> ChooseDevice(const configs::ExperimentConfig& config,
                                         const DeviceProbe& probe);

// kUnimplemented if several processes, `ranks` > 1, would train on another device than the CPU.
absl::Status CheckRanksDevice(const c10::Device& device, int ranks);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_STAGES_STAGE_DEVICE_H_
