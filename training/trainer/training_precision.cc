#include "rcnn/training/trainer/training_precision.h"

#include <c10/core/ScalarType.h>

#include <utility>

#include "rcnn/base/autocast_scope.h"

namespace rcnn::training {

using configs::TrainingConfig;

LossFunction InPrecision(TrainingConfig::Precision precision, c10::DeviceType device,
                         LossFunction losses) {
  if (precision != TrainingConfig::BFLOAT16 && precision != TrainingConfig::FLOAT16) return losses;
  const c10::ScalarType type =
      precision == TrainingConfig::BFLOAT16 ? c10::ScalarType::BFloat16 : c10::ScalarType::Half;
  return [type, device, losses = std::move(losses)](const data::Batch& batch,
                                                    const at::Generator& generator) {
    const AutocastScope scope(device, type);
    return losses(batch, generator);
  };
}

}  // namespace rcnn::training
