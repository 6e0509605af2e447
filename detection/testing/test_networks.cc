#include "rcnn/detection/testing/test_networks.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "rcnn/configs/model.pb.h"
#include "rcnn/configs/testing/parse_text.h"
#include "rcnn/detection/layers.h"

namespace rcnn::detection {
namespace {

// An image of the tests has some thousand anchors, and 20 proposals. On a device samples take as
// much memory as there may be of them.
constexpr char kRpn[] =
    " rpn { channels: 16 targets { anchors_per_image: 4096 }"
    "  loss { box_normalizer: SAMPLED_ANCHORS }"
    "  train_proposals { before_nms: 100 after_nms: 20 }"
    "  test_proposals { before_nms: 100 after_nms: 20 }";
constexpr char kFcHead[] =
    " head { fc { fc_channels: [16] } targets { rois_per_image: 128 }"
    "  detections { min_score: 0.1 } }";

std::string Network(const std::string& backbone, const std::string& sizes = "24, 48",
                    const std::string& head = kFcHead) {
  return absl::StrCat(backbone, kRpn, " anchors { aspect_ratio: 1 size_px: [", sizes, "] } }",
                      head);
}

std::string Pyramid(const std::string& depth, const std::string& norm) {
  return Network(absl::StrCat("backbone { resnet { depth: ", depth, " norm { ", norm,
                              " {} } } } fpn { channels: 16 }"),
                 "12, 24, 48, 96, 192");
}

}  // namespace

std::vector<std::string> TestNetworks() {
  return {
      Network("backbone { tiny { channels: 8 } }"),
      Network("backbone { resnet { depth: RESNET_18 } }", "24, 48",
              " head { layer4 {} targets { rois_per_image: 128 }"
              "  detections { min_score: 0.02 } }"),
      TestPyramid(),
      Pyramid("RESNET_18", "group_norm"),
      Pyramid("RESNET_50", "batch_norm"),
      Network("backbone { vgg16 {} }", "24, 48",
              " head { fc { fc_channels: [16] } pool { roi_pool {} size: 6 }"
              "  targets { rois_per_image: 128 } detections { min_score: 0.1 } }"),
      Network("backbone { vgg16 { ceil_mode_pools: false } }"),
      Network("backbone { vgg_cnn_m_1024 {} }"),
      Network("backbone { zf {} }"),
  };
}

std::string TestPyramid() { return Pyramid("RESNET_18", "batch_norm"); }

std::shared_ptr<FasterRcnn> MakeTestNetwork(const std::string& config) {
  const auto parsed = configs::ParseTextOrDie<configs::ModelConfig>(config);
  auto model = FasterRcnn::Create(parsed, 3).value();
  at::Generator generator = at::detail::createCPUGenerator(7);
  ResetParameters(*model, generator);
  const at::NoGradGuard no_grad;
  for (auto& item : model->named_parameters()) {
    if (absl::EndsWith(item.key(), ".bias")) item.value().uniform_(-0.2, 0.2, generator);
    if (absl::EndsWith(item.key(), "cls_score.weight")) item.value().mul_(20);
  }
  for (auto& item : model->named_buffers()) {
    if (absl::EndsWith(item.key(), ".running_mean")) item.value().uniform_(-0.2, 0.2, generator);
    if (absl::EndsWith(item.key(), ".running_var")) item.value().uniform_(0.8, 1.2, generator);
    // Of ResNet-50's blocks, so that its maps do not grow from one to the next.
    if (absl::EndsWith(item.key(), ".bn3.running_var")) item.value().mul_(16);
  }
  model->eval();
  return model;
}

std::vector<at::Tensor> Gradients(const torch::nn::Module& module) {
  std::vector<at::Tensor> gradients;
  for (const at::Tensor& parameter : module.parameters()) {
    if (parameter.defined() && parameter.grad().defined()) gradients.push_back(parameter.grad());
  }
  return gradients;
}

}  // namespace rcnn::detection
