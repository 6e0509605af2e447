// A network whose batch norms are trained, for tests of what ranks share in them.

#ifndef RCNN_TRAINING_TESTING_BATCH_NORM_MODEL_H_
#define RCNN_TRAINING_TESTING_BATCH_NORM_MODEL_H_

#include <memory>
#include <string>

#include "rcnn/detection/faster_rcnn.h"

namespace rcnn::training {

// ResNet-18 with an RPN, in training mode. The random weights are those of the stage `stage`
// (base/random_stream.h): equal for equal names.
std::shared_ptr<detection::FasterRcnn> MakeBatchNormModel(const std::string& stage);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_TESTING_BATCH_NORM_MODEL_H_
