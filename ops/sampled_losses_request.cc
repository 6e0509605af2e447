#include "rcnn/ops/sampled_losses_request.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

#include <algorithm>

#include "rcnn/ops/check.h"
#include "rcnn/ops/loss_checks.h"

namespace rcnn::ops {
namespace {

double ReadNormalizer(const char* name, c10::optional<double> value) {
  CheckLossNormalizer(name, value);
  return value.value_or(0);
}

void CheckFactors(double box_weight, double beta) {
  CheckBoxWeight(box_weight);
  CheckSmoothL1Beta(beta);
}

// The same dtype and device as `like`, and finite.
void CheckFloats(const at::Tensor& tensor, const char* name, c10::SymIntArrayRef shape,
                 const at::Tensor& like, const char* like_name) {
  CheckShape(tensor, name, shape);
  CheckDtype(tensor, name, {at::kFloat, at::kDouble});
  CheckSameDtypeAndDevice(tensor, name, like, like_name);
  CheckFinite(tensor, name);
}

// [images, capacity] rows below `rows`, and their counts.
void CheckRows(const at::Tensor& picks, const char* name, const at::Tensor& counts,
               const char* counts_name, const at::Tensor& logits) {
  CheckShape(picks, name, {logits.size(0), -1});
  CheckIndices(picks, name, 0, std::max<int64_t>(logits.size(1), 1) - 1);
  CheckSameDevice(picks, name, logits, "logits");
  CheckShape(counts, counts_name, {logits.size(0)});
  CheckIndices(counts, counts_name, 0, std::min(picks.size(1), logits.size(1)));
  CheckSameDevice(counts, counts_name, logits, "logits");
}

at::Tensor Readable(const at::Tensor& tensor) { return tensor.detach().contiguous(); }

}  // namespace

SampledRpnRequest ReadSampledRpnRequest(
    const at::Tensor& logits, const at::Tensor& deltas, const at::Tensor& positive,
    const at::Tensor& positive_count, const at::Tensor& target_deltas, const at::Tensor& negative,
    const at::Tensor& negative_count, c10::optional<double> objectness_normalizer,
    c10::optional<double> box_normalizer, double box_weight, double beta) {
  CheckFactors(box_weight, beta);
  CheckFloats(logits, "logits", {-1, -1}, logits, "logits");
  CheckFloats(deltas, "deltas", {logits.size(0), logits.size(1), 4}, logits, "logits");
  CheckRows(positive, "positive", positive_count, "positive_count", logits);
  CheckRows(negative, "negative", negative_count, "negative_count", logits);
  CheckFloats(target_deltas, "target_deltas", {logits.size(0), positive.size(1), 4}, logits,
              "logits");
  return {Readable(logits),
          Readable(deltas),
          Readable(positive),
          Readable(positive_count),
          Readable(target_deltas),
          Readable(negative),
          Readable(negative_count),
          {ReadNormalizer("objectness_normalizer", objectness_normalizer),
           ReadNormalizer("box_normalizer", box_normalizer), box_weight, beta}};
}

SampledFastRcnnRequest ReadSampledFastRcnnRequest(const at::Tensor& class_logits,
                                                  const at::Tensor& deltas,
                                                  const at::Tensor& labels,
                                                  const at::Tensor& target_deltas,
                                                  c10::optional<double> normalizer,
                                                  double box_weight, double beta) {
  CheckFactors(box_weight, beta);
  CheckFloats(class_logits, "class_logits", {-1, -1}, class_logits, "class_logits");
  const int64_t rois = class_logits.size(0), columns = class_logits.size(1);
  TORCH_CHECK(columns >= 2,
              "class_logits: expected a column for the background and one per class, got ",
              Describe(class_logits));
  CheckFloats(deltas, "deltas", {rois, -1}, class_logits, "class_logits");
  const int64_t width = deltas.size(1);
  TORCH_CHECK(width == 4 * columns || width == 4 * (columns - 1) || width == 4, "deltas: expected ",
              4 * columns, ", ", 4 * (columns - 1), " or 4 columns, got ", Describe(deltas));
  CheckShape(labels, "labels", {rois});
  CheckIndices(labels, "labels", -1, columns - 1);
  CheckSameDevice(labels, "labels", class_logits, "class_logits");
  CheckFloats(target_deltas, "target_deltas", {rois, 4}, class_logits, "class_logits");
  const double divisor = ReadNormalizer("normalizer", normalizer);
  return {Readable(class_logits),
          Readable(deltas),
          Readable(labels),
          Readable(target_deltas),
          {divisor, divisor, box_weight, beta}};
}

SampledLossResults AllocateSampledLoss(const at::Tensor& logits, const at::Tensor& deltas,
                                       int64_t rows) {
  return {at::empty({2}, logits.options()), at::empty_like(logits), at::empty_like(deltas),
          at::empty({3 * rows + 3}, logits.options())};
}

}  // namespace rcnn::ops
