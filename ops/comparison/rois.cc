#include "rcnn/ops/comparison/rois.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>

#include <functional>
#include <string>
#include <vector>

#include "rcnn/ops/roi_align.h"
#include "rcnn/ops/roi_pool.h"
#include "rcnn/ops/testing/boxes_like.h"
#include "rcnn/ops/testing/torchvision.h"

namespace rcnn::ops {
namespace {

using Operator = std::function<at::Tensor(const at::Tensor& input, const at::Tensor& rois)>;
using Ways = std::vector<std::function<void()>>;

// Boxes for 1 x C x 38 x 50 maps of an image of 600 x 800.
at::Tensor Rois(int64_t count) {
  const at::Tensor boxes = testing::RpnLikeBoxes(count, 3).boxes;
  const at::Tensor on_image = boxes * at::tensor({0.8, 1.0, 0.8, 1.0}, at::kFloat);
  return at::cat({at::zeros({count, 1}), on_image}, 1);
}

std::vector<at::Tensor> BothFormats(int64_t channels) {
  at::Generator generator = at::detail::createCPUGenerator(1);
  const at::Tensor input = at::randn({1, channels, 38, 50}, generator);
  return {input, input.contiguous(at::MemoryFormat::ChannelsLast)};
}

Ways Forward(const Operator& op, const std::vector<at::Tensor>& inputs, const at::Tensor& rois) {
  Ways ways;
  for (const at::Tensor& input : inputs) {
    ways.push_back([op, input, rois] {
      at::NoGradGuard no_grad;
      op(input, rois);
    });
  }
  return ways;
}

Ways Backward(const Operator& op, const std::vector<at::Tensor>& inputs, const at::Tensor& rois) {
  Ways ways;
  for (const at::Tensor& input : inputs) {
    const at::Tensor leaf = input.detach().requires_grad_();
    const at::Tensor output = op(leaf, rois);
    const at::Tensor grad = at::ones_like(output);
    ways.push_back([leaf, output, grad] {
      torch::autograd::grad({output}, {leaf}, {grad}, /*retain_graph=*/true);
    });
  }
  return ways;
}

void CompareBoth(const std::string& name, int64_t channels, const Operator& rcnn,
                 const Operator& peer, double forward_target, double backward_target,
                 Comparison* table) {
  const at::Tensor rois = Rois(300);
  const std::vector<at::Tensor> inputs = BothFormats(channels);
  table->Add({name + ", forward", forward_target, Forward(rcnn, inputs, rois),
              Forward(peer, inputs, rois)});
  table->Add({name + ", backward", backward_target, Backward(rcnn, inputs, rois),
              Backward(peer, inputs, rois)});
}

void CompareRoiAlignSize(int64_t bins, int64_t channels, Comparison* table) {
  RoiAlignOptions options;
  options.pooled_height = options.pooled_width = bins;
  options.spatial_scale = 1.0 / 16;
  options.sampling_ratio = 2;
  testing::TorchvisionRoiOptions peer_options;
  peer_options.pooled_height = peer_options.pooled_width = bins;
  peer_options.spatial_scale = 1.0 / 16;
  peer_options.sampling_ratio = 2;
  peer_options.aligned = true;
  const std::string size = std::to_string(bins) + "x" + std::to_string(bins);
  CompareBoth(
      "RoIAlign " + size + ", sampling 2, 1x" + std::to_string(channels) + "x38x50, 300 RoIs",
      channels,
      [options](const at::Tensor& input, const at::Tensor& rois) {
        return RoiAlign(input, rois, options);
      },
      [peer_options](const at::Tensor& input, const at::Tensor& rois) {
        return testing::TorchvisionRoiAlign(input, rois, peer_options);
      },
      0.4, 0.06, table);
}

}  // namespace

void CompareRoiAlign(Comparison* table) {
  CompareRoiAlignSize(7, 512, table);
  CompareRoiAlignSize(14, 1024, table);
}

void CompareRoiPool(Comparison* table) {
  RoiPoolOptions options;
  options.spatial_scale = 1.0 / 16;
  testing::TorchvisionRoiOptions peer_options;
  peer_options.spatial_scale = 1.0 / 16;
  CompareBoth(
      "RoIPool 7x7, 1x512x38x50, 300 RoIs", 512,
      [options](const at::Tensor& input, const at::Tensor& rois) {
        return RoiPool(input, rois, options);
      },
      [peer_options](const at::Tensor& input, const at::Tensor& rois) {
        return std::get<0>(testing::TorchvisionRoiPool(input, rois, peer_options));
      },
      0.25, 0.7, table);
}

}  // namespace rcnn::ops
