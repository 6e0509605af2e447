#include "rcnn/training/testing/batch_norm_model.h"

#include <google/protobuf/text_format.h>

#include "gtest/gtest.h"
#include "rcnn/base/random_stream.h"
#include "rcnn/configs/model.pb.h"
#include "rcnn/detection/layers.h"

namespace rcnn::training {

std::shared_ptr<detection::FasterRcnn> MakeBatchNormModel(const std::string& stage) {
  configs::ModelConfig config;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(
      "backbone { resnet { depth: RESNET_18 norm { batch_norm {} } } } rpn {}", &config));
  auto model = detection::FasterRcnn::Create(config, 2).value();
  detection::ResetParameters(*model, MakeGenerator({7, stage, 0, "weights"}));
  model->train();
  return model;
}

}  // namespace rcnn::training
