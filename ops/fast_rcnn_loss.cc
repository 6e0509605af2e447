#include "rcnn/ops/fast_rcnn_loss.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/log_softmax.h>

#include <tuple>

#include "rcnn/ops/check.h"
#include "rcnn/ops/dispatch.h"
#include "rcnn/ops/loss_checks.h"
#include "rcnn/ops/loss_normalizer.h"
#include "rcnn/ops/smooth_l1.h"

namespace rcnn::ops {
namespace {

void CheckOptions(const FastRcnnLossOptions& options) {
  CheckLossNormalizer("normalizer", options.normalizer);
  CheckBoxWeight(options.box_weight);
}

void CheckTensors(const at::Tensor& class_logits, const at::Tensor& deltas,
                  const at::Tensor& labels, const at::Tensor& target_deltas) {
  CheckShape(class_logits, "class_logits", {-1, -1});
  CheckDtype(class_logits, "class_logits", {at::kFloat, at::kDouble});
  const int64_t columns = FixedSize(class_logits, 1);
  TORCH_CHECK(columns >= 2,
              "class_logits: expected a column for the background and one per class, got ",
              Describe(class_logits));
  CheckFinite(class_logits, "class_logits");
  CheckShape(deltas, "deltas", {-1, -1});
  const int64_t width = FixedSize(deltas, 1);
  TORCH_CHECK(width == 4 * columns || width == 4 * (columns - 1) || width == 4, "deltas: expected ",
              4 * columns, ", ", 4 * (columns - 1), " or 4 columns, got ", Describe(deltas));
  CheckSameLength(deltas, "deltas", class_logits, "class_logits");
  CheckSameDtypeAndDevice(deltas, "deltas", class_logits, "class_logits");
  CheckShape(labels, "labels", {class_logits.sym_size(0)});
  CheckIndices(labels, "labels", 0, columns - 1);
  CheckSameDevice(labels, "labels", class_logits, "class_logits");
  CheckShape(target_deltas, "target_deltas", {class_logits.sym_size(0), 4});
  CheckSameDtypeAndDevice(target_deltas, "target_deltas", class_logits, "class_logits");
}

// The 4 columns of each row's class, [R, 4].
at::Tensor DeltasOfClass(const at::Tensor& deltas, const at::Tensor& labels,
                         int64_t logit_columns) {
  const int64_t groups = FixedSize(deltas, 1) / 4;
  if (groups == 1) return deltas;
  const at::Tensor group = labels - (logit_columns - groups);
  const at::Tensor index = group.view({-1, 1, 1}).expand({-1, 1, 4});
  return deltas.reshape({-1, groups, 4}).gather(1, index).squeeze(1);
}

struct BoxRows {
  at::Tensor predictions;  // [F, 4]
  at::Tensor targets;      // [F, 4]
};

BoxRows ForegroundRows(const at::Tensor& deltas, const at::Tensor& labels,
                       const at::Tensor& target_deltas, int64_t logit_columns) {
  const at::Tensor foreground = labels.gt(0).nonzero().squeeze(1);
  const at::Tensor classes = labels.index_select(0, foreground);
  BoxRows rows = {DeltasOfClass(deltas.index_select(0, foreground), classes, logit_columns),
                  target_deltas.index_select(0, foreground)};
  CheckFinite(rows.predictions, "deltas of foreground RoIs");
  CheckFinite(rows.targets, "target_deltas of foreground RoIs");
  return rows;
}

// In a trace the number of foreground rows is unknown: all rows, those of the background 0.
BoxRows TracedRows(const at::Tensor& deltas, const at::Tensor& labels,
                   const at::Tensor& target_deltas, int64_t logit_columns) {
  const at::Tensor background = labels.eq(0).unsqueeze(1);
  const at::Tensor predictions = DeltasOfClass(deltas, labels.clamp_min(1), logit_columns);
  return {predictions.masked_fill(background, 0), target_deltas.masked_fill(background, 0)};
}

}  // namespace

FastRcnnLosses FastRcnnLoss(const at::Tensor& class_logits, const at::Tensor& deltas,
                            const at::Tensor& labels, const at::Tensor& target_deltas,
                            const FastRcnnLossOptions& options) {
  CheckOptions(options);
  CheckTensors(class_logits, deltas, labels, target_deltas);
  if (class_logits.is_meta()) {
    return {at::empty({}, class_logits.options()), at::empty({}, class_logits.options())};
  }
  const at::Tensor log_probabilities =
      at::log_softmax(class_logits, 1).gather(1, labels.unsqueeze(1));
  const auto select_rows = IsTraced(labels) ? &TracedRows : &ForegroundRows;
  const auto [predictions, targets] =
      select_rows(deltas, labels, target_deltas, FixedSize(class_logits, 1));
  const at::Tensor distance = options.box_distance
                                  ? options.box_distance(predictions, targets)
                                  : SmoothL1Sum(predictions, targets, {options.beta});
  const LossNormalizer normalizer(options.normalizer, {labels});
  return {normalizer.Divide(-log_probabilities.sum()),
          normalizer.Scale(distance, options.box_weight)};
}

namespace {

TORCH_LIBRARY_FRAGMENT(rcnn, m) {
  DefineCompositeOperator(
      m,
      "fast_rcnn_loss(Tensor class_logits, Tensor deltas, Tensor labels, Tensor target_deltas, *, "
      "float? normalizer=None, float box_weight=1., float beta=1.) "
      "-> (Tensor classification, Tensor box)",
      [](const at::Tensor& class_logits, const at::Tensor& deltas, const at::Tensor& labels,
         const at::Tensor& target_deltas, c10::optional<double> normalizer, double box_weight,
         double beta) {
        const FastRcnnLosses losses = FastRcnnLoss(class_logits, deltas, labels, target_deltas,
                                                   {normalizer, box_weight, beta});
        return std::make_tuple(losses.classification, losses.box);
      });
}

}  // namespace

}  // namespace rcnn::ops
