// A program of another workspace that uses rcnn's operators: keeps the best of
// some boxes and pools a feature map under them.

#include <ATen/ATen.h>

#include <cstdio>

#include "rcnn/base/runtime.h"
#include "rcnn/ops/nms.h"
#include "rcnn/ops/roi_align.h"

namespace {

// A map whose value is its column: RoIAlign of it gives the columns of the bins.
at::Tensor Ramp() { return at::arange(32, at::kFloat).expand({1, 1, 24, 32}).contiguous(); }

void KeepAndPool() {
  const at::Tensor boxes =
      at::tensor({32., 32., 160., 160., 36., 32., 160., 160., 256., 64., 384., 256.}, at::kFloat)
          .view({3, 4});
  const at::Tensor scores = at::tensor({0.9, 0.8, 0.7}, at::kFloat);
  rcnn::ops::NmsOptions nms;
  nms.iou_threshold = 0.7;
  const at::Tensor kept = boxes.index_select(0, rcnn::ops::Nms(boxes, scores, nms));

  rcnn::ops::RoiAlignOptions align;
  align.pooled_height = align.pooled_width = 2;
  align.spatial_scale = 1.0 / 16;
  const at::Tensor rois = at::cat({at::zeros({kept.size(0), 1}), kept}, 1);
  const at::Tensor pooled = rcnn::ops::RoiAlign(Ramp(), rois, align);
  for (int64_t i = 0; i < kept.size(0); ++i) {
    std::printf("box from x = %.0f to %.0f: bins centred at columns %.1f and %.1f of the map\n",
                kept[i][0].item<double>(), kept[i][2].item<double>(),
                pooled[i][0][0][0].item<double>(), pooled[i][0][0][1].item<double>());
  }
}

}  // namespace

int main(int argc, char** argv) {
  rcnn::InitRuntime({"Keeps the best of some boxes and pools a map under them.", false, {}}, &argc,
                    &argv);
  std::printf("%d threads\n", rcnn::GetRuntimeInfo().threads);
  KeepAndPool();
  return 0;
}
