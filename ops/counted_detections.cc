#include "rcnn/ops/counted_detections.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <tuple>
#include <utility>

#include "rcnn/ops/batched_nms.h"
#include "rcnn/ops/box_coder_schema.h"
#include "rcnn/ops/boxes.h"
#include "rcnn/ops/check.h"
#include "rcnn/ops/detection_candidates.h"
#include "rcnn/ops/dispatch.h"
#include "rcnn/ops/kernels/nms_options.h"
#include "rcnn/ops/unchecked_values.h"

namespace rcnn::ops {
namespace {

using Numbers = at::ArrayRef<double>;
using DetectionTensors = std::tuple<at::Tensor, at::Tensor, at::Tensor, at::Tensor>;

// As in SelectSmallest, whose indices have 32 bits.
constexpr int64_t kMaxPlaces = int64_t{1} << 32;

struct ImageDetections {
  at::Tensor boxes, scores, labels;
};

bool AllFinite(const at::Tensor& values) { return values.isfinite().all().item<bool>(); }

NmsOptions MakeNmsOptions(const CountedDetectionOptions& options) {
  NmsOptions nms;
  nms.iou_threshold = options.nms_iou_threshold;
  nms.max_keep = options.max_per_image;
  nms.inclusive = options.coder.inclusive;
  return nms;
}

// Of one image, whose row of the frames is `frame`. None where a value is not finite.
std::optional<ImageDetections> DetectImage(const at::Tensor& scores, const at::Tensor& deltas,
                                           const at::Tensor& boxes, const float* frame,
                                           const CountedDetectionOptions& options) {
  if (!AllFinite(scores.slice(1, 1))) return std::nullopt;
  const DetectionCandidates found =
      FindDetectionCandidates(scores, static_cast<float>(options.min_score), options.max_per_class);
  const at::Tensor chosen = CandidateDeltas(found, deltas);
  const at::Tensor decoded =
      DecodeBoxes(boxes.div(frame[2]).index_select(0, found.rois), chosen, options.coder);
  if (!AllFinite(chosen) || !AllFinite(decoded)) return std::nullopt;
  const BoxConvention convention = {options.coder.inclusive};
  const ImageSize size = {static_cast<int64_t>(frame[0]), static_cast<int64_t>(frame[1])};
  const at::Tensor clipped = ClipBoxes(decoded, size, convention);
  const at::Tensor large = LargeBoxes(clipped, options.min_side_px, convention);
  const auto select = [](const ImageDetections& from, const at::Tensor& rows) {
    return ImageDetections{from.boxes.index_select(0, rows), from.scores.index_select(0, rows),
                           from.labels.index_select(0, rows)};
  };
  const ImageDetections candidates = select({clipped, found.scores, found.labels}, large);
  ImageDetections kept = select(candidates, BatchedNms(candidates.boxes, candidates.scores,
                                                       candidates.labels, MakeNmsOptions(options)));
  kept.boxes = kept.boxes * at::tensor({frame[3], frame[4], frame[3], frame[4]});
  return kept;
}

void DetectOnCpu(const at::Tensor& scores, const at::Tensor& deltas, const at::Tensor& rois,
                 const at::Tensor& frames, const CountedDetectionOptions& options,
                 const CountedDetections& results) {
  CheckFinite(frames, "frames");
  const UncheckedValues unchecked;  // values that are not finite are in the counts
  const at::Tensor readable = frames.contiguous();
  for (int64_t b = 0; b < frames.size(0); ++b) {
    const at::Tensor rows = rois.select(1, 0).eq(b).nonzero().squeeze(1);
    const std::optional<ImageDetections> found =
        DetectImage(scores.index_select(0, rows), deltas.index_select(0, rows),
                    rois.index_select(0, rows).slice(1, 1).contiguous(),
                    readable.data_ptr<float>() + 5 * b, options);
    results.counts[b].fill_(found ? found->scores.size(0) : -1);
    if (!found) continue;
    const int64_t count = found->scores.size(0);
    results.boxes[b].narrow(0, 0, count).copy_(found->boxes);
    results.scores[b].narrow(0, 0, count).copy_(found->scores);
    results.labels[b].narrow(0, 0, count).copy_(found->labels);
  }
}

DetectionTensors OnCpuOrMeta(const at::Tensor& scores, const at::Tensor& deltas,
                             const at::Tensor& rois, const at::Tensor& frames, double min_score,
                             double nms_iou_threshold, int64_t max_per_image, int64_t max_per_class,
                             double min_side_px, Numbers weights, Numbers mean, Numbers stddev,
                             double max_log_scale, bool inclusive, bool exact_inverse) {
  const CountedDetectionOptions options = {
      min_score,
      nms_iou_threshold,
      max_per_image,
      max_per_class,
      min_side_px,
      ReadBoxCoderOptions(weights, mean, stddev, max_log_scale, inclusive, exact_inverse)};
  CheckCountedDetectionArguments(scores, deltas, rois, frames, options);
  const CountedDetections results = MakeCountedDetections(scores, frames, options);
  if (!scores.is_meta()) {
    DetectOnCpu(scores.detach(), deltas.detach(), rois.detach(), frames.detach(), options, results);
  }
  return {results.boxes, results.scores, results.labels, results.counts};
}

TORCH_LIBRARY_FRAGMENT(rcnn, m) {
  DefineOperator(m,
                 "counted_detections(Tensor scores, Tensor deltas, Tensor rois, Tensor frames, *, "
                 "float min_score=0.05, float nms_iou_threshold=0.5, int max_per_image=100, "
                 "int max_per_class=0, float min_side_px=0.01, " RCNN_BOX_CODER_SCHEMA
                 ") -> (Tensor boxes, Tensor scores, Tensor labels, Tensor counts)",
                 &OnCpuOrMeta, &OnCpuOrMeta);
}

}  // namespace

CountedDetections FindCountedDetections(const at::Tensor& scores, const at::Tensor& deltas,
                                        const at::Tensor& rois, const at::Tensor& frames,
                                        const CountedDetectionOptions& options) {
  static const auto op = FindOperator<decltype(OnCpuOrMeta)>("counted_detections");
  const BoxCoderOptions& coder = options.coder;
  auto [boxes, found_scores, labels, counts] =
      op.call(scores, deltas, rois, frames, options.min_score, options.nms_iou_threshold,
              options.max_per_image, options.max_per_class, options.min_side_px, coder.weights,
              coder.mean, coder.stddev, coder.max_log_scale, coder.inclusive, coder.exact_inverse);
  return {std::move(boxes), std::move(found_scores), std::move(labels), std::move(counts)};
}

void CheckCountedDetectionArguments(const at::Tensor& scores, const at::Tensor& deltas,
                                    const at::Tensor& rois, const at::Tensor& frames,
                                    const CountedDetectionOptions& options) {
  TORCH_CHECK(!std::isnan(options.min_score), "min_score: is not a number");
  TORCH_CHECK(options.nms_iou_threshold >= 0 && options.nms_iou_threshold <= 1,
              "nms_iou_threshold: is ", options.nms_iou_threshold, ", not in [0, 1]");
  TORCH_CHECK(options.max_per_image >= 0, "max_per_image: is ", options.max_per_image,
              ", not >= 0");
  TORCH_CHECK(options.max_per_class >= 0, "max_per_class: is ", options.max_per_class,
              ", not >= 0");
  TORCH_CHECK(options.min_side_px >= 0 && std::isfinite(options.min_side_px),
              "min_side_px: expected >= 0 and finite, got ", options.min_side_px);
  CheckBoxCoderOptions(options.coder);
  CheckShape(scores, "scores", {-1, -1});
  CheckDtype(scores, "scores", {at::kFloat});
  const int64_t num_rois = scores.size(0), columns = scores.size(1);
  TORCH_CHECK(columns > 0, "scores: expected a column for the background, got ", Describe(scores));
  TORCH_CHECK(num_rois * columns < kMaxPlaces, "scores: expected fewer than 2^32, got ",
              Describe(scores));
  CheckShape(deltas, "deltas", {num_rois, 4 * columns});
  CheckSameDtypeAndDevice(deltas, "deltas", scores, "scores");
  CheckShape(rois, "rois", {num_rois, 5});
  CheckSameDtypeAndDevice(rois, "rois", scores, "scores");
  CheckShape(frames, "frames", {-1, 5});
  CheckSameDtypeAndDevice(frames, "frames", scores, "scores");
}

CountedDetections MakeCountedDetections(const at::Tensor& scores, const at::Tensor& frames,
                                        const CountedDetectionOptions& options) {
  const int64_t images = frames.size(0);
  const int64_t most = std::min(options.max_per_image, scores.size(0) * (scores.size(1) - 1));
  const at::TensorOptions floats = scores.options();
  return {at::zeros({images, most, 4}, floats), at::zeros({images, most}, floats),
          at::zeros({images, most}, floats.dtype(at::kLong)),
          at::zeros({images}, floats.dtype(at::kLong))};
}

}  // namespace rcnn::ops
