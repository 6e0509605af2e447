#include "rcnn/ops/proposals_request.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "rcnn/ops/check.h"

namespace rcnn::ops {
namespace {

std::string LevelName(const char* argument, size_t level) {
  return std::string(argument) + " of level " + std::to_string(level);
}

void CheckOptions(const ProposalOptions& options) {
  TORCH_CHECK(options.pre_nms_top_n >= 1, "pre_nms_top_n: is ", options.pre_nms_top_n,
              ", not >= 1");
  TORCH_CHECK(options.post_nms_top_n >= 1, "post_nms_top_n: is ", options.post_nms_top_n,
              ", not >= 1");
  TORCH_CHECK(options.nms_iou_threshold >= 0 && options.nms_iou_threshold <= 1,
              "nms_iou_threshold: is ", options.nms_iou_threshold, ", not in [0, 1]");
  TORCH_CHECK(options.min_side_px >= 0, "min_side_px: is ", options.min_side_px, ", not >= 0");
  CheckBoxCoderOptions(options.coder);
}

// Checks everything but the values of logits and deltas.
void CheckLevel(const ProposalLevel& level, size_t index, const ProposalLevel& first,
                ObjectnessKind kind) {
  const auto dtypes = {at::kFloat, at::kDouble, at::kBFloat16, at::kHalf};
  const std::string logits = LevelName("logits", index), deltas = LevelName("deltas", index),
                    anchors = LevelName("anchors", index);
  CheckShape(level.deltas, deltas.c_str(), {-1, -1, -1, -1});
  CheckDtype(level.deltas, deltas.c_str(), dtypes);
  CheckSameDevice(level.deltas, deltas.c_str(), first.deltas, "deltas of level 0");
  TORCH_CHECK(level.deltas.size(1) > 0 && level.deltas.size(1) % 4 == 0, deltas,
              ": the number of channels is not a multiple of 4: is ", Describe(level.deltas));
  TORCH_CHECK(level.deltas.size(0) == first.deltas.size(0), deltas, ": is ", Describe(level.deltas),
              ", of another batch than level 0");
  const int64_t height = level.deltas.size(2), width = level.deltas.size(3);
  const int64_t per_cell = level.deltas.size(1) / 4;
  const int64_t channels = kind == ObjectnessKind::kSoftmaxPair ? 2 * per_cell : per_cell;
  CheckShape(level.logits, logits.c_str(), {level.deltas.size(0), channels, height, width});
  CheckDtype(level.logits, logits.c_str(), dtypes);
  CheckSameDevice(level.logits, logits.c_str(), level.deltas, deltas.c_str());
  CheckShape(level.anchors, anchors.c_str(), {height * width * per_cell, 4});
  CheckDtype(level.anchors, anchors.c_str(), {at::kFloat});
  CheckSameDevice(level.anchors, anchors.c_str(), level.deltas, deltas.c_str());
  CheckBoxes(level.anchors, anchors.c_str());
}

ObjectnessKind FindObjectness(c10::string_view name) {
  if (name == "sigmoid") return ObjectnessKind::kSigmoid;
  TORCH_CHECK(name == "softmax_pair", "objectness: is '", name,
              "', not 'sigmoid' or 'softmax_pair'");
  return ObjectnessKind::kSoftmaxPair;
}

std::vector<ProposalLevel> MakeLevels(at::TensorList logits, at::TensorList deltas,
                                      at::TensorList anchors) {
  TORCH_CHECK(logits.size() == deltas.size() && logits.size() == anchors.size(), "logits, deltas, ",
              "anchors: expected equally long lists, got lengths ", logits.size(), ", ",
              deltas.size(), " and ", anchors.size());
  std::vector<ProposalLevel> levels;
  for (size_t i = 0; i < logits.size(); ++i) levels.push_back({logits[i], deltas[i], anchors[i]});
  return levels;
}

// (height, width, scale) of each image.
std::vector<ProposalImage> ReadImages(at::ArrayRef<double> image_info, int64_t batch,
                                      double min_side_px) {
  TORCH_CHECK(static_cast<int64_t>(image_info.size()) == 3 * batch, "image_info: expected 3 x ",
              batch, " numbers, got ", image_info.size());
  std::vector<ProposalImage> images;
  for (int64_t b = 0; b < batch; ++b) {
    const double* row = image_info.data() + 3 * b;
    TORCH_CHECK(row[0] >= 1 && row[1] >= 1 && row[2] > 0 && std::isfinite(row[0] + row[1] + row[2]),
                "image_info: row ", b, " is (", row[0], ", ", row[1], ", ", row[2],
                "): not a size >= 1 and a scale > 0");
    images.push_back({static_cast<float>(row[0]), static_cast<float>(row[1]),
                      static_cast<float>(min_side_px * row[2])});
  }
  return images;
}

void CheckCountedImageInfo(at::TensorList deltas, const at::Tensor& image_info) {
  TORCH_CHECK(!deltas.empty(), "levels: expected at least one, got none");
  CheckShape(deltas[0], "deltas of level 0", {-1, -1, -1, -1});
  CheckShape(image_info, "image_info", {deltas[0].size(0), 3});
  CheckDtype(image_info, "image_info", {at::kFloat});
  CheckSameDevice(image_info, "image_info", deltas[0], "deltas of level 0");
}

}  // namespace

int64_t ProposalRequest::LevelCapacity() const {
  int64_t most = 0;
  for (const ProposalLevel& level : levels) most = std::max(most, level.anchors.size(0));
  return std::min(options.pre_nms_top_n, most);
}

int64_t ProposalRequest::Capacity() const {
  return std::min(options.post_nms_top_n, static_cast<int64_t>(levels.size()) * LevelCapacity());
}

ProposalRequest ReadProposalRequest(at::TensorList logits, at::TensorList deltas,
                                    at::TensorList anchors, at::ArrayRef<double> image_info,
                                    c10::string_view objectness, int64_t pre_nms_top_n,
                                    int64_t post_nms_top_n, double nms_iou_threshold,
                                    bool nms_suppress_equal, double min_side_px,
                                    bool drop_small_before_top_n, at::ArrayRef<double> weights,
                                    at::ArrayRef<double> mean, at::ArrayRef<double> stddev,
                                    double max_log_scale, bool inclusive, bool exact_inverse) {
  const ProposalOptions options = {
      FindObjectness(objectness),
      pre_nms_top_n,
      post_nms_top_n,
      nms_iou_threshold,
      nms_suppress_equal,
      min_side_px,
      drop_small_before_top_n,
      ReadBoxCoderOptions(weights, mean, stddev, max_log_scale, inclusive, exact_inverse)};
  CheckOptions(options);
  ProposalRequest request = {MakeLevels(logits, deltas, anchors), options, {}};
  TORCH_CHECK(!request.levels.empty(), "levels: expected at least one, got none");
  for (size_t i = 0; i < request.levels.size(); ++i) {
    CheckLevel(request.levels[i], i, request.levels[0], options.objectness);
  }
  request.images = ReadImages(image_info, request.batch(), min_side_px);
  return request;
}

ProposalRequest ReadCountedProposalRequest(
    at::TensorList logits, at::TensorList deltas, at::TensorList anchors,
    const at::Tensor& image_info, c10::string_view objectness, int64_t pre_nms_top_n,
    int64_t post_nms_top_n, double nms_iou_threshold, bool nms_suppress_equal, double min_side_px,
    bool drop_small_before_top_n, at::ArrayRef<double> weights, at::ArrayRef<double> mean,
    at::ArrayRef<double> stddev, double max_log_scale, bool inclusive, bool exact_inverse) {
  CheckCountedImageInfo(deltas, image_info);
  const std::vector<double> unread(static_cast<size_t>(image_info.numel()), 1);
  return ReadProposalRequest(logits, deltas, anchors, unread, objectness, pre_nms_top_n,
                             post_nms_top_n, nms_iou_threshold, nms_suppress_equal, min_side_px,
                             drop_small_before_top_n, weights, mean, stddev, max_log_scale,
                             inclusive, exact_inverse);
}

}  // namespace rcnn::ops
