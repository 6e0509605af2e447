#include "rcnn/detection/detections.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <vector>

#include "rcnn/detection/device_copy.h"
#include "rcnn/ops/batched_nms.h"
#include "rcnn/ops/box_voting.h"
#include "rcnn/ops/counted_detections.h"
#include "rcnn/ops/detection_candidates.h"
#include "rcnn/ops/unchecked_values.h"

namespace rcnn::detection {
namespace {

// The minimum score of voting boxes; lower scores have almost no weight.
constexpr double kVotingMinScore = 0.001;

// The scores [R, K + 1] of one image are softmax's, so that NaN fills a whole row.
void CheckFiniteRows(const at::Tensor& scores) {
  const int64_t columns = scores.size(1);
  const float* score = scores.data_ptr<float>();
  for (int64_t row = 0; row < scores.size(0); ++row) {
    const float background = score[row * columns];
    TORCH_CHECK(background == background, "logits: row ", row, " is not finite");
  }
}

// [B, 5], as counted_detections.h wants them, on `device`.
at::Tensor MakeFrames(const std::vector<DetectionFrame>& frames, const c10::Device& device) {
  std::vector<float> numbers;
  for (const DetectionFrame& frame : frames) {
    for (const double number :
         {static_cast<double>(frame.image.height), static_cast<double>(frame.image.width),
          frame.roi_scale, frame.scale_x, frame.scale_y}) {
      numbers.push_back(static_cast<float>(number));
    }
  }
  return CopyToDevice(at::tensor(numbers).view({-1, 5}), device);
}

// One tensor [B, 6 D + 1] float32, for one copy. Labels and counts are whole numbers below 2^24.
at::Tensor Pack(const ops::CountedDetections& found) {
  return at::cat({found.boxes.flatten(1), found.scores, found.labels.to(at::kFloat),
                  found.counts.to(at::kFloat).unsqueeze(1)},
                 1);
}

// A row of Pack. Undefined tensors where the count is -1.
Detections Unpack(const at::Tensor& row, int64_t most) {
  const auto count = static_cast<int64_t>(row[6 * most].item<float>());
  if (count < 0) return {};
  return {row.narrow(0, 0, 4 * count).view({count, 4}), row.narrow(0, 4 * most, count),
          row.narrow(0, 5 * most, count).to(at::kLong)};
}

}  // namespace

Detections SelectDetections(const at::Tensor& logits, const at::Tensor& deltas,
                            const at::Tensor& boxes, const ops::ImageSize& image,
                            const ops::BoxCoderOptions& coder,
                            const configs::DetectionsConfig& config) {
  at::NoGradGuard no_grad;
  const at::Tensor scores = at::softmax(logits.cpu().to(at::kFloat), 1).contiguous();
  const bool votes = config.voting_iou() < 1;
  const double lowest = votes ? std::min(config.min_score(), kVotingMinScore) : config.min_score();
  CheckFiniteRows(scores);
  const ops::DetectionCandidates found =
      ops::FindDetectionCandidates(scores, static_cast<float>(lowest), config.max_per_class());
  Detections all = {{}, found.scores, found.labels};
  const at::Tensor chosen = ops::CandidateDeltas(found, deltas.cpu().to(at::kFloat));
  const at::Tensor rois = boxes.cpu().index_select(0, found.rois);
  const ops::BoxConvention convention = {coder.inclusive};
  all.boxes = ops::DecodeBoxes(rois, chosen, coder);
  const ops::UncheckedValues unchecked;  // decoding has checked the deltas and the boxes
  all.boxes = ops::ClipBoxes(all.boxes, image, convention);
  const at::Tensor large = ops::LargeBoxes(all.boxes, config.min_side_px(), convention);
  const auto select = [](const Detections& from, const at::Tensor& rows) {
    return Detections{from.boxes.index_select(0, rows), from.scores.index_select(0, rows),
                      from.labels.index_select(0, rows)};
  };
  const Detections candidates = select(all, large);
  ops::NmsOptions nms;
  nms.iou_threshold = config.nms_iou();
  nms.max_keep = config.max_per_image();
  nms.inclusive = coder.inclusive;
  at::Tensor kept = ops::BatchedNms(candidates.boxes, candidates.scores, candidates.labels, nms);
  if (votes) {
    const at::Tensor is_detected =
        candidates.scores.index_select(0, kept) > static_cast<float>(config.min_score());
    kept = kept.masked_select(is_detected);
  }
  Detections detections = select(candidates, kept);
  if (votes) {
    detections.boxes = ops::VoteBoxes(candidates.boxes, candidates.scores, candidates.labels, kept,
                                      {config.voting_iou(), coder.inclusive});
  }
  return detections;
}

bool CanSelectTogether(const configs::DetectionsConfig& config) {
  return !(config.voting_iou() < 1);
}

std::vector<Detections> SelectDetectionsTogether(const at::Tensor& logits, const at::Tensor& deltas,
                                                 const at::Tensor& rois,
                                                 const std::vector<DetectionFrame>& frames,
                                                 const ops::BoxCoderOptions& coder,
                                                 const configs::DetectionsConfig& config) {
  at::NoGradGuard no_grad;
  TORCH_CHECK(CanSelectTogether(config), "voting is not for a whole batch");
  ops::CountedDetectionOptions options;
  options.min_score = config.min_score();
  options.nms_iou_threshold = config.nms_iou();
  options.max_per_image = config.max_per_image();
  options.max_per_class = config.max_per_class();
  options.min_side_px = config.min_side_px();
  options.coder = coder;
  const ops::CountedDetections found =
      ops::FindCountedDetections(at::softmax(logits.to(at::kFloat), 1), deltas.to(at::kFloat),
                                 rois.to(at::kFloat), MakeFrames(frames, logits.device()), options);
  const at::Tensor packed = Pack(found).cpu();
  std::vector<Detections> detections;
  for (size_t b = 0; b < frames.size(); ++b) {
    detections.push_back(Unpack(packed[static_cast<int64_t>(b)], found.scores.size(1)));
  }
  return detections;
}

}  // namespace rcnn::detection
