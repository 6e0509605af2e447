#include "rcnn/ops/proposals.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "rcnn/base/not_finite_error.h"
#include "rcnn/ops/check.h"
#include "rcnn/ops/cpu/greedy_suppression.h"
#include "rcnn/ops/cpu/score_order.h"
#include "rcnn/ops/dispatch.h"
#include "rcnn/ops/kernels/box_coding.h"
#include "rcnn/ops/kernels/region_proposals.h"
#include "rcnn/ops/proposals_request.h"

namespace rcnn::ops {
namespace {

// The maps [channels, height, width] of one image, with any strides.
struct Maps {
  explicit Maps(const at::Tensor& tensor, int64_t image)
      : data(tensor.data_ptr<float>() + image * tensor.stride(0)),
        channel(tensor.stride(1)),
        row(tensor.stride(2)),
        column(tensor.stride(3)) {}

  const float* data;
  int64_t channel, row, column;
};

// The proposals of one level of one image, best first.
struct Found {
  std::vector<float> boxes;   // [n, 4]
  std::vector<float> logits;  // [n]
};

// One level of one image.
class LevelTask {
 public:
  LevelTask(const ProposalLevel& level, int64_t level_index, int64_t image_index,
            const ProposalImage& image, const ProposalOptions& options)
      : logits_(level.logits, image_index),
        deltas_(level.deltas, image_index),
        anchors_(level.anchors.data_ptr<float>()),
        per_cell_(level.deltas.size(1) / 4),
        height_(level.deltas.size(2)),
        width_(level.deltas.size(3)),
        level_index_(level_index),
        image_index_(image_index),
        image_(image),
        options_(options),
        coder_(options.coder) {}

  Found Run() {
    const std::vector<float> logits = AnchorLogits();
    Select(logits);
    const NmsOptions nms = {options_.nms_iou_threshold, options_.post_nms_top_n,
                            options_.nms_suppress_equal, options_.coder.inclusive};
    Found found;
    for (const int64_t i :
         SuppressGreedily(boxes_.data(), static_cast<int64_t>(selected_.size()), nms)) {
      found.boxes.insert(found.boxes.end(), boxes_.begin() + 4 * i, boxes_.begin() + 4 * i + 4);
      found.logits.push_back(logits[selected_[i]]);
    }
    return found;
  }

 private:
  // Fills boxes_ and selected_ with the candidates for suppression.
  void Select(const std::vector<float>& logits) {
    const int64_t count = static_cast<int64_t>(logits.size());
    int64_t looked_at = std::min(options_.pre_nms_top_n, count);
    Decode(BestFirst(logits.data(), count, looked_at));
    while (options_.drop_small_before_top_n && looked_at < count &&
           static_cast<int64_t>(selected_.size()) < options_.pre_nms_top_n) {
      looked_at = std::min(2 * looked_at, count);
      Decode(BestFirst(logits.data(), count, looked_at));
    }
  }

  // Decodes the given anchors until pre_nms_top_n are large enough.
  void Decode(const std::vector<int64_t>& order) {
    selected_.clear();
    boxes_.resize(4 * order.size());
    float* box = boxes_.data();
    for (const int64_t anchor : order) {
      if (static_cast<int64_t>(selected_.size()) == options_.pre_nms_top_n) break;
      DecodeOne(anchor, box);
      if (IsSmall(box)) continue;
      selected_.push_back(anchor);
      box += 4;
    }
  }

  // Also true for inclusive boxes smaller than a pixel, whose corners are swapped.
  bool IsSmall(const float* box) const {
    return coder_.Side(box, 0) < image_.min_side || coder_.Side(box, 1) < image_.min_side ||
           box[2] < box[0] || box[3] < box[1];
  }

  void DecodeOne(int64_t anchor, float* box) const {
    const int64_t cell = anchor / per_cell_;
    const float* delta = deltas_.data + 4 * (anchor % per_cell_) * deltas_.channel +
                         cell / width_ * deltas_.row + cell % width_ * deltas_.column;
    const float deltas[4] = {delta[0], delta[deltas_.channel], delta[2 * deltas_.channel],
                             delta[3 * deltas_.channel]};
    coder_.Decode(anchors_ + 4 * anchor, deltas, box);
    if (!std::isfinite(box[0] + box[1] + box[2] + box[3])) {
      ThrowAt("deltas", anchor, "the decoded box is not finite; dx is ", deltas[0]);
    }
    const float edge = options_.coder.inclusive ? 1 : 0;
    for (int i = 0; i < 4; i += 2) {
      box[i] = std::clamp(box[i], 0.0f, image_.width - edge);
      box[i + 1] = std::clamp(box[i + 1], 0.0f, image_.height - edge);
    }
  }

  // The logit of each anchor, in the order of the anchors.
  std::vector<float> AnchorLogits() const {
    std::vector<float> logits(height_ * width_ * per_cell_);
    float sum_of_zeros = 0;
    for (int64_t a = 0; a < per_cell_; ++a) {
      float* out = logits.data() + a;
      for (int64_t y = 0; y < height_; ++y) {
        const float* in = logits_.data + a * logits_.channel + y * logits_.row;
        for (int64_t x = 0; x < width_; ++x, out += per_cell_, in += logits_.column) {
          *out = Logit(in);
          sum_of_zeros += *out * 0;
        }
      }
    }
    if (sum_of_zeros != 0) ThrowFirstNotFinite(logits);
    return logits;
  }

  float Logit(const float* in) const {
    if (options_.objectness == ObjectnessKind::kSigmoid) return *in;
    return in[per_cell_ * logits_.channel] - *in;
  }

  void ThrowFirstNotFinite(const std::vector<float>& logits) const {
    for (size_t i = 0; i < logits.size(); ++i) {
      if (!std::isfinite(logits[i])) {
        ThrowAt("logits", static_cast<int64_t>(i), "not finite: ", logits[i]);
      }
    }
  }

  [[noreturn]] void ThrowAt(const char* argument, int64_t anchor, const char* fault,
                            float value) const {
    const int64_t cell = anchor / per_cell_;
    ThrowNotFinite(c10::str(argument, " of level ", level_index_, ", image ", image_index_,
                            ", anchor ", anchor, " (row ", cell / width_, ", column ",
                            cell % width_, ", kind ", anchor % per_cell_, "): ", fault, value));
  }

  Maps logits_, deltas_;
  const float* anchors_;
  int64_t per_cell_, height_, width_, level_index_, image_index_;
  ProposalImage image_;
  const ProposalOptions& options_;
  BoxCoding<float> coder_;
  std::vector<float> boxes_;       // [n, 4], best first
  std::vector<int64_t> selected_;  // [n], their anchors
};

// The best of several levels of an image.
Found Merge(const Found* levels, int64_t count, int64_t limit) {
  if (count == 1) return levels[0];
  Found all;
  for (const Found* level = levels; level != levels + count; ++level) {
    all.boxes.insert(all.boxes.end(), level->boxes.begin(), level->boxes.end());
    all.logits.insert(all.logits.end(), level->logits.begin(), level->logits.end());
  }
  Found best;
  for (const int64_t i :
       BestFirst(all.logits.data(), static_cast<int64_t>(all.logits.size()), limit)) {
    best.boxes.insert(best.boxes.end(), all.boxes.begin() + 4 * i, all.boxes.begin() + 4 * i + 4);
    best.logits.push_back(all.logits[i]);
  }
  return best;
}

Proposals ToTensors(const std::vector<Found>& images) {
  int64_t total = 0;
  for (const Found& image : images) total += static_cast<int64_t>(image.logits.size());
  const int64_t batch = static_cast<int64_t>(images.size());
  Proposals result = {at::empty({total, 5}, at::kFloat), at::empty({total}, at::kFloat),
                      at::empty({batch}, at::kLong)};
  float* roi = result.rois.data_ptr<float>();
  float* score = result.scores.data_ptr<float>();
  for (int64_t b = 0; b < batch; ++b) {
    const Found& image = images[b];
    result.counts.data_ptr<int64_t>()[b] = static_cast<int64_t>(image.logits.size());
    for (size_t i = 0; i < image.logits.size(); ++i, roi += 5) {
      roi[0] = static_cast<float>(b);
      std::copy_n(image.boxes.data() + 4 * i, 4, roi + 1);
      *score++ = 1 / (1 + std::exp(-image.logits[i]));
    }
  }
  return result;
}

// The level as float32; logits and deltas that already are keep their strides.
ProposalLevel Readable(const ProposalLevel& level) {
  return {level.logits.detach().to(at::kFloat), level.deltas.detach().to(at::kFloat),
          level.anchors.detach().contiguous()};
}

Proposals FindProposals(const ProposalRequest& request) {
  std::vector<ProposalLevel> readable;
  for (const ProposalLevel& level : request.levels) readable.push_back(Readable(level));
  const int64_t batch = request.batch(), depth = static_cast<int64_t>(readable.size());
  std::vector<Found> found(batch * depth);
  at::parallel_for(0, batch * depth, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t b = i / depth, l = i % depth;
      found[i] = LevelTask(readable[l], l, b, request.images[b], request.options).Run();
    }
  });
  std::vector<Found> merged;
  for (int64_t b = 0; b < batch; ++b) {
    merged.push_back(Merge(&found[b * depth], depth, request.options.post_nms_top_n));
  }
  return ToTensors(merged);
}

// For the meta device.
Proposals MaxProposals(const ProposalRequest& request) {
  int64_t anchors = 0;
  for (const ProposalLevel& level : request.levels) anchors += level.anchors.size(0);
  const int64_t rows = request.batch() * std::min(anchors, request.options.post_nms_top_n);
  const at::TensorOptions floats = request.levels[0].deltas.options().dtype(at::kFloat);
  return {at::empty({rows, 5}, floats), at::empty({rows}, floats),
          at::empty({request.batch()}, floats.dtype(at::kLong))};
}

using ProposalTensors = std::tuple<at::Tensor, at::Tensor, at::Tensor>;

ProposalTensors ProposalsOnCpuOrMeta(at::TensorList logits, at::TensorList deltas,
                                     at::TensorList anchors, at::ArrayRef<double> image_info,
                                     c10::string_view objectness, int64_t pre_nms_top_n,
                                     int64_t post_nms_top_n, double nms_iou_threshold,
                                     bool nms_suppress_equal, double min_side_px,
                                     bool drop_small_before_top_n, at::ArrayRef<double> weights,
                                     at::ArrayRef<double> mean, at::ArrayRef<double> stddev,
                                     double max_log_scale, bool inclusive, bool exact_inverse) {
  const ProposalRequest request = ReadProposalRequest(
      logits, deltas, anchors, image_info, objectness, pre_nms_top_n, post_nms_top_n,
      nms_iou_threshold, nms_suppress_equal, min_side_px, drop_small_before_top_n, weights, mean,
      stddev, max_log_scale, inclusive, exact_inverse);
  const bool is_meta = request.levels[0].deltas.is_meta();
  const Proposals found = is_meta ? MaxProposals(request) : FindProposals(request);
  return {found.rois, found.scores, found.counts};
}

c10::TypedOperatorHandle<decltype(ProposalsOnCpuOrMeta)> FindProposalsOperator() {
  return FindOperator<decltype(ProposalsOnCpuOrMeta)>("proposals", "sizes");
}

// The sizes in a tensor [B, 3], as numbers. Those of a meta tensor are 1.
std::vector<double> ReadSizes(const at::Tensor& image_info) {
  CheckShape(image_info, "image_info", {-1, 3});
  CheckFinite(image_info, "image_info");
  if (image_info.is_meta()) return std::vector<double>(image_info.numel(), 1);
  const at::Tensor values = image_info.detach().to(at::kCPU, at::kDouble).contiguous();
  const double* first = values.data_ptr<double>();
  return std::vector<double>(first, first + values.numel());
}

// With the sizes in a tensor. On another device than the CPU, reading it waits for the device.
ProposalTensors ProposalsWithSizeTensor(at::TensorList logits, at::TensorList deltas,
                                        at::TensorList anchors, const at::Tensor& image_info,
                                        c10::string_view objectness, int64_t pre_nms_top_n,
                                        int64_t post_nms_top_n, double nms_iou_threshold,
                                        bool nms_suppress_equal, double min_side_px,
                                        bool drop_small_before_top_n, at::ArrayRef<double> weights,
                                        at::ArrayRef<double> mean, at::ArrayRef<double> stddev,
                                        double max_log_scale, bool inclusive, bool exact_inverse) {
  TORCH_CHECK(!deltas.empty(), "levels: expected at least one, got none");
  return FindProposalsOperator().call(
      logits, deltas, anchors, ReadSizes(image_info), objectness, pre_nms_top_n, post_nms_top_n,
      nms_iou_threshold, nms_suppress_equal, min_side_px, drop_small_before_top_n, weights, mean,
      stddev, max_log_scale, inclusive, exact_inverse);
}

TORCH_LIBRARY_FRAGMENT(rcnn, m) {
  DefineOperator(m, RCNN_PROPOSALS_SCHEMA("proposals.sizes", "float[]"), &ProposalsOnCpuOrMeta,
                 &ProposalsOnCpuOrMeta);
  DefineComposedOperator(m, RCNN_PROPOSALS_SCHEMA("proposals", "Tensor"), &ProposalsWithSizeTensor,
                         &ProposalsWithSizeTensor, &ProposalsWithSizeTensor);
}

}  // namespace

Proposals GenerateProposals(const std::vector<ProposalLevel>& levels,
                            const std::vector<InputSize>& sizes, const ProposalOptions& options) {
  TORCH_CHECK(!levels.empty(), "levels: expected at least one, got none");
  static const auto op = FindProposalsOperator();
  std::vector<double> numbers;
  for (const InputSize& size : sizes) {
    numbers.insert(numbers.end(), {size.height, size.width, size.scale});
  }
  auto [rois, scores, counts] = CallProposalOperator(op, levels, numbers, options);
  return {std::move(rois), std::move(scores), std::move(counts)};
}

}  // namespace rcnn::ops
