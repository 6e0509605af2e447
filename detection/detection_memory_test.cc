#include "rcnn/detection/detection_memory.h"

#include <ATen/ATen.h>

#include <memory>
#include <string>

#include "gtest/gtest.h"
#include "rcnn/base/tensor_memory.h"
#include "rcnn/configs/model.pb.h"
#include "rcnn/configs/testing/parse_text.h"
#include "rcnn/detection/layers.h"

namespace rcnn::detection {
namespace {

constexpr char kConfig[] = R"(
  rpn { anchors { size_px: [16, 32] } channels: 32 test_proposals { after_nms: 50 } }
  head { fc { fc_channels: [32, 32] } detections { min_score: 0.2 max_per_image: 12 } }
)";

std::shared_ptr<FasterRcnn> Model(const std::string& backbone) {
  const auto config = configs::ParseTextOrDie<configs::ModelConfig>(kConfig + backbone);
  auto model = FasterRcnn::Create(config, 3).value();
  ResetParameters(*model, at::detail::createCPUGenerator(5));
  model->eval();
  PrepareForInference(*model);
  return model;
}

int64_t Peak(const FasterRcnn& model, int64_t height, int64_t width) {
  const TensorMemory memory;
  model.Detect(at::rand({1, 3, height, width}),
               {{static_cast<float>(height), static_cast<float>(width), 1}}, {{height, width}});
  return memory.peak_bytes();
}

TEST(DetectionMemoryTest, ForetellsWhatALargeImageTakes) {
  for (const char* backbone :
       {"backbone { tiny {} }", "backbone { resnet { depth: RESNET_18 } }"}) {
    const auto model = Model(backbone);
    const DetectionMemory memory = DetectionMemory::Measure(*model);
    for (const auto& [height, width] : {std::pair(1600, 1400), std::pair(1800, 2400)}) {
      const auto peak = static_cast<double>(Peak(*model, height, width));
      const auto foretold = static_cast<double>(memory.Bytes(int64_t{height} * width));
      EXPECT_GT(foretold, 0.85 * peak) << backbone << " " << height << " x " << width;
      EXPECT_LT(foretold, 1.15 * peak) << backbone << " " << height << " x " << width;
    }
  }
}

}  // namespace
}  // namespace rcnn::detection
