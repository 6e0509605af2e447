#include "rcnn/training/stages/stage_device.h"

#include "absl/strings/str_cat.h"
#include "rcnn/base/device.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/training/config/device_override.h"
#include "rcnn/training/config/stage_parts.h"

namespace rcnn::training {
namespace {

using configs::TrainingConfig;

// GPUs of kMinGpuMajor have every precision.
absl::Status CheckPrecision(const configs::StageConfig& stage, const c10::Device& device) {
  const TrainingConfig* const training = FindTraining(stage);
  if (training == nullptr || !device.is_cpu() || training->precision() == TrainingConfig::FLOAT32) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "stage ", stage.name(),
      ": training.precision: ", TrainingConfig::Precision_Name(training->precision()),
      " needs a GPU (resources.device: CUDA); on the CPU, whose convolutions in training have "
      "kernels for float32 alone, use FLOAT32"));
}

}  // namespace

absl::StatusOr<c10::Device> ChooseDevice(const configs::ExperimentConfig& config,
                                         const DeviceProbe& probe) {
  const c10::Device device = FindDevice(config.resources());
  RCNN_RETURN_IF_ERROR(CheckDevice(device, probe), "resources.device");
  for (const configs::StageConfig& stage : config.stages()) {
    RCNN_RETURN_IF_ERROR(CheckPrecision(stage, device));
  }
  return device;
}

absl::Status CheckRanksDevice(const c10::Device& device, int ranks) {
  if (ranks <= 1 || device.is_cpu()) return absl::OkStatus();
  return absl::UnimplementedError(absl::StrCat("resources.device: ", ranks,
                                               " processes train together on the CPU alone; run "
                                               "one process on ",
                                               DeviceName(device)));
}

}  // namespace rcnn::training
