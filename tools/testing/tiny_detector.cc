#include "rcnn/tools/testing/tiny_detector.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/core/grad_mode.h>

#include "absl/strings/match.h"
#include "glog/logging.h"
#include "rcnn/configs/model.pb.h"
#include "rcnn/configs/testing/parse_text.h"
#include "rcnn/detection/faster_rcnn.h"
#include "rcnn/detection/layers.h"
#include "rcnn/detection/model_directory.h"

namespace rcnn::tools::testing {
namespace {

constexpr char kConfig[] = R"(
  model {
    backbone { tiny { channels: 8 } }
    rpn { anchors { size_px: [16, 32] } channels: 16 test_proposals { after_nms: 50 } }
    head { fc { fc_channels: [32, 32] } detections { min_score: 0.05 max_per_image: 20 } }
    normalization { mean: [127.5, 127.5, 127.5] std: [64, 64, 64] }
  }
  class_name: ["red", "white", "platelet"]
  input { shortest_side_px: 96 longest_side_px: 160 }
)";

}  // namespace

void WriteTinyDetector(const std::string& directory) {
  const auto config = configs::ParseTextOrDie<configs::DetectorConfig>(kConfig);
  const auto model =
      detection::FasterRcnn::Create(config.model(), config.class_name_size()).value();
  detection::ResetParameters(*model, at::detail::createCPUGenerator(/*seed_val=*/5));
  at::NoGradGuard no_grad;
  // Scores that differ enough for some to be high.
  for (auto& item : model->named_parameters()) {
    if (absl::EndsWith(item.key(), "cls_score.weight")) item.value().mul_(100);
  }
  const absl::Status status =
      detection::WriteModelDirectory(directory, config, detection::SavedState(*model));
  CHECK(status.ok()) << status;
}

}  // namespace rcnn::tools::testing
