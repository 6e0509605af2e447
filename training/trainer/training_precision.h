// A loss in the precision of a training config.
//
// Example:
//   losses = InPrecision(training.precision(), c10::DeviceType::CUDA, losses);

#ifndef RCNN_TRAINING_TRAINER_TRAINING_PRECISION_H_
#define RCNN_TRAINING_TRAINER_TRAINING_PRECISION_H_

#include <c10/core/DeviceType.h>

#include "rcnn/configs/experiment.pb.h"
#include "rcnn/training/trainer/losses.h"

namespace rcnn::training {

// `losses` under autocast (base/autocast_scope.h) where `precision` is BFLOAT16 or FLOAT16, and
// itself otherwise. `device`: that of the network. float32 with or without TF32 is a setting of the
// process (base/cuda_float32_scope.h), and float16 also needs a loss scale (loss_scale.h).
LossFunction InPrecision(configs::TrainingConfig::Precision precision, c10::DeviceType device,
                         LossFunction losses);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_TRAINER_TRAINING_PRECISION_H_
