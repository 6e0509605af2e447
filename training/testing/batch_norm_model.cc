#include "rcnn/training/testing/batch_norm_model.h"

#include "rcnn/base/random_stream.h"
#include "rcnn/configs/model.pb.h"
#include "rcnn/configs/testing/parse_text.h"
#include "rcnn/detection/layers.h"

namespace rcnn::training {

std::shared_ptr<detection::FasterRcnn> MakeBatchNormModel(const std::string& stage) {
  const auto config = configs::ParseTextOrDie<configs::ModelConfig>(
      "backbone { resnet { depth: RESNET_18 norm { batch_norm {} } } } rpn {}");
  auto model = detection::FasterRcnn::Create(config, 2).value();
  detection::ResetParameters(*model, MakeGenerator({7, stage, 0, "weights"}));
  model->train();
  return model;
}

}  // namespace rcnn::training
