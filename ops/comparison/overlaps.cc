#include "rcnn/ops/comparison/overlaps.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/max.h>
#include <ATen/ops/min.h>

#include <string>
#include <vector>

#include "rcnn/ops/boxes.h"
#include "rcnn/ops/testing/boxes_like.h"

namespace rcnn::ops {
namespace {

struct IouSize {
  int64_t rows;
  int64_t columns;
  double target_ratio;
};

at::Tensor TorchvisionArea(const at::Tensor& boxes) {
  return (boxes.select(1, 2) - boxes.select(1, 0)) * (boxes.select(1, 3) - boxes.select(1, 1));
}

at::Tensor TorchvisionIou(const at::Tensor& a, const at::Tensor& b) {
  const at::Tensor low = at::max(a.unsqueeze(1).slice(2, 0, 2), b.slice(1, 0, 2));
  const at::Tensor high = at::min(a.unsqueeze(1).slice(2, 2, 4), b.slice(1, 2, 4));
  const at::Tensor sides = (high - low).clamp_min(0);
  const at::Tensor shared = sides.select(2, 0) * sides.select(2, 1);
  return shared / (TorchvisionArea(a).unsqueeze(1) + TorchvisionArea(b) - shared);
}

}  // namespace

void CompareIou(Comparison* table) {
  const std::vector<IouSize> sizes = {{12000, 20, 0.3}, {2000, 2000, 0.1}};
  for (const IouSize& size : sizes) {
    const at::Tensor a = testing::RpnLikeBoxes(size.rows, 4).boxes;
    const at::Tensor b = testing::RpnLikeBoxes(size.columns, 5).boxes;
    table->Add({"IoU, " + std::to_string(size.rows) + " x " + std::to_string(size.columns),
                size.target_ratio,
                {[&] { BoxIou(a, b); }},
                {[&] { TorchvisionIou(a, b); }}});
  }
}

}  // namespace rcnn::ops
