// The device of an experiment, by name.
//
// Example:
//   RCNN_RETURN_IF_ERROR(SetDevice("cuda:1", &config), "--device");

#ifndef RCNN_TRAINING_CONFIG_DEVICE_OVERRIDE_H_
#define RCNN_TRAINING_CONFIG_DEVICE_OVERRIDE_H_

#include <c10/core/Device.h>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "rcnn/configs/experiment.pb.h"

namespace rcnn::training {

// Sets device and device_index of `config.resources`. `name`: "cpu", "cuda" or "cuda:1"; "" changes
// nothing. kInvalidArgument for anything else.
absl::Status SetDevice(absl::string_view name, configs::ExperimentConfig* config);

// The device that the fields name. CheckExperiment has accepted them.
c10::Device FindDevice(const configs::ResourcesConfig& resources);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_CONFIG_DEVICE_OVERRIDE_H_
