#include "rcnn/training/stages/stage_device.h"

#include "absl/strings/str_cat.h"
#include "rcnn/base/counted.h"
#include "rcnn/base/device.h"
#include "rcnn/base/device_graph.h"
#include "rcnn/base/instruction_set.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/training/config/device_override.h"
#include "rcnn/training/config/stage_parts.h"

namespace rcnn::training {
namespace {

using configs::TrainingConfig;

// GPUs of kMinGpuMajor have every precision. Without products of bfloat16 a CPU computes in it more
// slowly than in float32, if at all.
bool HasPrecision(const c10::Device& device, TrainingConfig::Precision precision) {
  if (!device.is_cpu() || precision == TrainingConfig::FLOAT32) return true;
  return precision == TrainingConfig::BFLOAT16 && HasBfloat16Products();
}

}  // namespace

absl::StatusOr<c10::Device> ChooseDevice(const configs::ExperimentConfig& config,
                                         const DeviceProbe& probe) {
  const c10::Device device = FindDevice(config.resources());
  RCNN_RETURN_IF_ERROR(CheckDevice(device, probe), "resources.device");
  return device;
}

absl::Status CheckTrainingPrecision(const configs::StageConfig& stage, const c10::Device& device) {
  const TrainingConfig* const training = FindTraining(stage);
  if (training == nullptr || HasPrecision(device, training->precision())) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "stage ", stage.name(),
      ": training.precision: ", TrainingConfig::Precision_Name(training->precision()),
      " needs a GPU (resources.device: CUDA); on the CPU use FLOAT32, or BFLOAT16 where the "
      "processor has AVX512-BF16 and --instructions allows it"));
}

absl::Status CheckTrainingGraphs(const configs::ResourcesConfig& resources,
                                 const c10::Device& device) {
  if (resources.training_graphs() == 0 || FindDeviceGraphLibrary(device.type()) != nullptr) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "resources.training_graphs: is ", resources.training_graphs(),
      ", but this program has no graphs of ", device.is_cpu() ? "the CPU" : "CUDA",
      "; set it to 0, or train on a GPU (resources.device: CUDA) with a program built with "
      "--config=cuda"));
}

absl::StatusOr<c10::Device> DeviceOfRank(const c10::Device& device, int local_rank,
                                         const DeviceProbe& probe) {
  if (device.is_cpu()) return device;
  if (device.index() > 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("resources.device_index: ", device.index(),
                     ", but of several processes each uses the GPU of its number on its machine; "
                     "use cuda without a number, and choose GPUs with CUDA_VISIBLE_DEVICES"));
  }
  const auto count = static_cast<int>(probe.gpus.size());
  if (count > 1 && local_rank >= count) {
    return absl::InvalidArgumentError(
        absl::StrCat("resources.device: the number of this process on its machine is ", local_rank,
                     ", counted from 0, but CUDA sees ", Counted(count, "GPU"),
                     "; start at most as many processes on a machine as it has GPUs"));
  }
  const c10::Device own(device.type(), static_cast<c10::DeviceIndex>(count > 1 ? local_rank : 0));
  RCNN_RETURN_IF_ERROR(CheckDevice(own, probe), "resources.device");
  return own;
}

}  // namespace rcnn::training
