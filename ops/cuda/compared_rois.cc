#include "rcnn/ops/cuda/compared_rois.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "rcnn/ops/multilevel_roi_align.h"
#include "rcnn/ops/roi_align.h"
#include "rcnn/ops/roi_pool.h"
#include "rcnn/ops/testing/random_rois.h"

namespace rcnn::ops {
namespace {

using c10::Device;
using Results = std::vector<at::Tensor>;

// The type in which `device` computes, of maps of type `dtype`.
at::ScalarType TypeOn(const Device& device, at::ScalarType dtype) {
  return device.is_cpu() && dtype == at::kHalf ? at::kFloat : dtype;
}

at::ScalarType ResultType(at::ScalarType dtype) {
  return dtype == at::kDouble ? at::kDouble : at::kFloat;
}

// Maps of levels 2, 3, ... of an image, and RoIs on it.
struct DrawnRois {
  std::vector<at::Tensor> maps;  // [B, C, H, W], of the compared type
  std::vector<double> scales;    // of the maps, in map pixels per image pixel
  at::Tensor rois;               // [R, 5] float64
  at::Tensor gradient;           // [R, C, 7, 7], of the compared type
};

at::Tensor DrawMap(ArgumentDraw& draw, at::IntArrayRef sizes, at::ScalarType dtype,
                   bool channels_last) {
  const at::Tensor map = draw.Normal(sizes, dtype);
  return channels_last ? map.contiguous(at::MemoryFormat::ChannelsLast) : map;
}

DrawnRois DrawRois(ArgumentDraw& draw, int64_t levels, at::ScalarType dtype) {
  const int64_t images = draw.Between(1, 3), channels = draw.Between(1, 40);
  const int64_t height = draw.Between(8, 64), width = draw.Between(8, 64);
  const bool channels_last = draw.Coin();
  DrawnRois drawn;
  for (int64_t i = 0; i < levels; ++i) {
    const int64_t rows = std::max<int64_t>(height >> i, 1),
                  columns = std::max<int64_t>(width >> i, 1);
    drawn.maps.push_back(DrawMap(draw, {images, channels, rows, columns}, dtype, channels_last));
    drawn.scales.push_back(0.25 / static_cast<double>(1 << i));
  }
  testing::RandomRoiOptions options;
  options.count = draw.FewRows();
  options.images = images;
  options.height_px = static_cast<double>(4 * height);
  options.width_px = static_cast<double>(4 * width);
  options.margin_px = 20;
  drawn.rois = testing::RandomRois(options, draw.Seed());
  drawn.gradient = draw.Normal({options.count, channels, 7, 7}, dtype);
  return drawn;
}

// `pool` of leaves on the device, and the gradients of the maps.
template <typename Pool>
DeviceCall PoolOnDevice(const DrawnRois& drawn, at::ScalarType dtype, const Pool& pool) {
  return [=](const Device& device) -> Results {
    const at::ScalarType type = TypeOn(device, dtype), result = ResultType(dtype);
    std::vector<at::Tensor> leaves;
    for (const at::Tensor& map : drawn.maps) leaves.push_back(MakeLeaf(map.to(type), device));
    // Positions are float32 but for float64 maps.
    const at::Tensor bins = pool(leaves, drawn.rois.to(result).to(device));
    bins.backward(drawn.gradient.to(type).to(device));
    Results results = {bins.detach().to(result)};
    for (const at::Tensor& leaf : leaves) results.push_back(TakeGradient(leaf).to(result));
    return results;
  };
}

DeviceCall DrawRoiAlign(ArgumentDraw& draw, at::ScalarType dtype) {
  const DrawnRois drawn = DrawRois(draw, 1, dtype);
  RoiAlignOptions options;
  options.spatial_scale = drawn.scales[0];
  options.sampling_ratio = draw.Between(0, 3);
  options.aligned = draw.Coin();
  return PoolOnDevice(drawn, dtype,
                      [=](const std::vector<at::Tensor>& maps, const at::Tensor& rois) {
                        return RoiAlign(maps[0], rois, options);
                      });
}

DeviceCall DrawMultilevelRoiAlign(ArgumentDraw& draw, at::ScalarType dtype) {
  const DrawnRois drawn = DrawRois(draw, draw.Between(2, 4), dtype);
  MultilevelRoiAlignOptions options;
  options.spatial_scales = drawn.scales;
  options.sampling_ratio = draw.Between(0, 3);
  // So that RoIs of these maps are distributed over all of them.
  options.canonical_size_px = 64;
  options.canonical_level = 3;
  return PoolOnDevice(drawn, dtype,
                      [=](const std::vector<at::Tensor>& maps, const at::Tensor& rois) {
                        return MultilevelRoiAlign(maps, rois, options);
                      });
}

DeviceCall DrawRoiPool(ArgumentDraw& draw, at::ScalarType dtype) {
  const DrawnRois drawn = DrawRois(draw, 1, dtype);
  RoiPoolOptions options;
  options.spatial_scale = drawn.scales[0];
  return PoolOnDevice(drawn, dtype,
                      [=](const std::vector<at::Tensor>& maps, const at::Tensor& rois) {
                        return RoiPool(maps[0], rois, options);
                      });
}

using DrawPooling = DeviceCall (*)(ArgumentDraw&, at::ScalarType);

// A pooling in one type; `operators` are those that it calls.
ComparedOperator Compared(const std::string& name, std::vector<std::string> operators,
                          double tolerance, DrawPooling draw, at::ScalarType dtype) {
  return {name, std::move(operators), tolerance,
          [=](ArgumentDraw& arguments) { return draw(arguments, dtype); }};
}

ComparedOperator ComparedAlign(const std::string& name, double tolerance, DrawPooling draw,
                               at::ScalarType dtype) {
  return Compared(name, {"roi_align", "_roi_align_levels", "_roi_align_levels_backward"}, tolerance,
                  draw, dtype);
}

ComparedOperator ComparedLevels(const std::string& name, double tolerance, at::ScalarType dtype) {
  return Compared(name, {"multilevel_roi_align", "_fpn_levels"}, tolerance, DrawMultilevelRoiAlign,
                  dtype);
}

ComparedOperator ComparedPool(const std::string& name, double tolerance, at::ScalarType dtype) {
  return Compared(name, {"roi_pool", "_roi_pool", "_roi_pool_backward"}, tolerance, DrawRoiPool,
                  dtype);
}

}  // namespace

std::vector<ComparedOperator> ComparedRoiOperators() {
  return {
      ComparedAlign("roi_align", 1e-5, DrawRoiAlign, at::kFloat),
      ComparedAlign("roi_align, float64", 1e-12, DrawRoiAlign, at::kDouble),
      ComparedAlign("roi_align, bfloat16", 0.008, DrawRoiAlign, at::kBFloat16),
      ComparedAlign("roi_align, float16", 0.002, DrawRoiAlign, at::kHalf),
      ComparedLevels("multilevel_roi_align", 1e-5, at::kFloat),
      ComparedLevels("multilevel_roi_align, bfloat16", 0.008, at::kBFloat16),
      ComparedLevels("multilevel_roi_align, float16", 0.002, at::kHalf),
      ComparedPool("roi_pool", 1e-5, at::kFloat),
      ComparedPool("roi_pool, float64", 1e-12, at::kDouble),
      ComparedPool("roi_pool, bfloat16", 0.008, at::kBFloat16),
  };
}

}  // namespace rcnn::ops
