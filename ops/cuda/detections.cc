#include "rcnn/ops/cuda/detections.h"

#include <ATen/core/Tensor.h>
#include <torch/library.h>

#include <cstdint>
#include <tuple>

#include "rcnn/ops/box_coder_schema.h"
#include "rcnn/ops/counted_detections.h"
#include "rcnn/ops/cuda/registration.h"

namespace rcnn::ops {
namespace {

using Numbers = at::ArrayRef<double>;
using DetectionTensors = std::tuple<at::Tensor, at::Tensor, at::Tensor, at::Tensor>;

at::Tensor Readable(const at::Tensor& tensor) { return tensor.detach().contiguous(); }

// The arguments scores, deltas, rois and frames as the kernels read them. These and the results
// must outlive the launch.
DeviceDetectionWork MakeWork(const at::Tensor (&from)[4], const CountedDetectionOptions& options,
                             const CountedDetections& found) {
  DeviceDetectionWork work{};
  DetectionRows& rows = work.rows;
  rows.scores = from[0].data_ptr<float>();
  rows.deltas = from[1].data_ptr<float>();
  rows.rois = from[2].data_ptr<float>();
  rows.frames = from[3].data_ptr<float>();
  rows.num_rois = from[0].size(0);
  rows.num_classes = from[0].size(1) - 1;
  rows.num_images = from[3].size(0);
  rows.coding = BoxCoding<float>(options.coder);
  rows.edge = options.coder.inclusive ? 1 : 0;
  rows.min_score = static_cast<float>(options.min_score);
  rows.min_side = static_cast<float>(options.min_side_px);
  work.max_per_class = options.max_per_class;
  work.most = found.scores.size(1);
  work.boxes = found.boxes.data_ptr<float>();
  work.scores = found.scores.data_ptr<float>();
  work.labels = found.labels.data_ptr<int64_t>();
  work.counts = found.counts.data_ptr<int64_t>();
  work.nms.rows = rows.num_classes;
  work.nms.capacity = work.nms.max_keep = rows.num_rois;
  work.nms.threshold = LargestAllowed<float>(options.nms_iou_threshold, /*suppress_equal=*/false);
  work.nms.extra = rows.edge;
  return work;
}

void AddScratch(DeviceDetectionWork* work, Workspace* workspace) {
  const DetectionRows& rows = work->rows;
  const int64_t places = rows.NumPlaces(), lists = rows.num_images * rows.num_classes;
  workspace->Add(&work->not_finite, rows.num_images);
  workspace->Add(&work->is_candidate, places);
  workspace->Add(&work->best, lists * work->BestCapacity());
  workspace->Add(&work->best_counts, lists);
  workspace->Add(&work->decoded, 4 * places);
  workspace->Add(&work->chosen, places);
  workspace->Add(&work->chosen_counts, rows.num_classes);
  workspace->Add(&work->chosen_boxes, 4 * places);
  workspace->Add(&work->chosen_scores, places);
  workspace->Add(&work->chosen_images, places);
  workspace->Add(&work->is_kept, places);
  PlanDetectionSelections(*workspace, work);
  NmsWork<float, 1024>& nms = work->nms;
  const int64_t kept = nms.rows * nms.KeptCapacity();
  workspace->Add(&nms.kept, kept);
  workspace->Add(&nms.kept_count, nms.rows);
  workspace->Add(&nms.entries, places);
  workspace->Add(&nms.sort_scratch, places);
  workspace->Add(&nms.sorted, places);
  workspace->Add(&nms.sorted_group, places);
  workspace->Add(&nms.kept_boxes, kept);
  workspace->Add(&nms.kept_group, kept);
  workspace->Add(&nms.suppressed, nms.rows * nms.Chunks() * nms.SlabWords());
  workspace->Add(&nms.nonzero, nms.rows * nms.SlabWords() * nms.SlabWords());
  workspace->Add(&nms.mask, nms.rows * nms.SlabRows() * nms.SlabWords());
}

DetectionTensors DetectionsOnCuda(const at::Tensor& scores, const at::Tensor& deltas,
                                  const at::Tensor& rois, const at::Tensor& frames,
                                  double min_score, double nms_iou_threshold, int64_t max_per_image,
                                  int64_t max_per_class, double min_side_px, Numbers weights,
                                  Numbers mean, Numbers stddev, double max_log_scale,
                                  bool inclusive, bool exact_inverse) {
  CountedDetectionOptions options;
  options.min_score = min_score;
  options.nms_iou_threshold = nms_iou_threshold;
  options.max_per_image = max_per_image;
  options.max_per_class = max_per_class;
  options.min_side_px = min_side_px;
  options.coder =
      ReadBoxCoderOptions(weights, mean, stddev, max_log_scale, inclusive, exact_inverse);
  CheckCountedDetectionArguments(scores, deltas, rois, frames, options);
  const c10::cuda::CUDAGuard guard(scores.device());
  const at::Tensor from[] = {Readable(scores), Readable(deltas), Readable(rois), Readable(frames)};
  const CountedDetections found = MakeCountedDetections(from[0], from[3], options);
  DeviceDetectionWork work = MakeWork(from, options, found);
  Workspace workspace;
  AddScratch(&work, &workspace);
  const at::Tensor memory = workspace.Allocate(from[0]);
  work.nms.boxes = work.chosen_boxes;
  work.nms.scores = work.chosen_scores;
  work.nms.groups = work.chosen_images;
  work.nms.counts = work.chosen_counts;
  CheckLaunch(LaunchDetections(work, CurrentStream()), "counted_detections");
  return {found.boxes, found.scores, found.labels, found.counts};
}

TORCH_LIBRARY_IMPL(rcnn, CUDA, m) { m.impl("counted_detections", &DetectionsOnCuda); }

}  // namespace
}  // namespace rcnn::ops
