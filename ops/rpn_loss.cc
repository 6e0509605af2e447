#include "rcnn/ops/rpn_loss.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/log_sigmoid.h>

#include <tuple>

#include "rcnn/ops/check.h"
#include "rcnn/ops/dispatch.h"
#include "rcnn/ops/loss_checks.h"
#include "rcnn/ops/loss_normalizer.h"
#include "rcnn/ops/smooth_l1.h"

namespace rcnn::ops {
namespace {

void CheckOptions(const RpnLossOptions& options) {
  CheckLossNormalizer("objectness_normalizer", options.objectness_normalizer);
  CheckLossNormalizer("box_normalizer", options.box_normalizer);
  CheckBoxWeight(options.box_weight);
}

void CheckIndex(const at::Tensor& index, const char* name, const at::Tensor& deltas) {
  CheckShape(index, name, {-1});
  CheckRowIndices(index, name, deltas);
  CheckSameDevice(index, name, deltas, "deltas");
}

void CheckTensors(const at::Tensor& objectness, const at::Tensor& deltas,
                  const at::Tensor& positive, const at::Tensor& negative,
                  const at::Tensor& target_deltas) {
  CheckBoxesShape(deltas, "deltas");
  CheckSameDtypeAndDevice(objectness, "objectness", deltas, "deltas");
  TORCH_CHECK(objectness.dim() == 1 || (objectness.dim() == 2 && objectness.sym_size(1) == 2),
              "objectness: expected shape [N] or [N, 2], got ", Describe(objectness));
  CheckSameLength(objectness, "objectness", deltas, "deltas");
  CheckIndex(positive, "positive", deltas);
  CheckIndex(negative, "negative", deltas);
  CheckBoxesShape(target_deltas, "target_deltas");
  CheckSameLength(target_deltas, "target_deltas", positive, "positive");
  CheckSameDtypeAndDevice(target_deltas, "target_deltas", deltas, "deltas");
}

// The logit of foreground against background. The log loss of a softmax over two classes is that
// of a sigmoid of their difference.
at::Tensor SampledLogits(const at::Tensor& objectness, const at::Tensor& index) {
  const at::Tensor rows = objectness.index_select(0, index);
  CheckFinite(rows, "objectness at sampled anchors");
  return rows.dim() == 1 ? rows : rows.select(1, 1) - rows.select(1, 0);
}

}  // namespace

at::Tensor FlattenObjectness(const at::Tensor& map, bool two_classes) {
  CheckShape(map, "map", {-1, -1, -1, -1});
  if (!two_classes) return map.permute({0, 2, 3, 1}).flatten(1);
  TORCH_CHECK(map.size(1) % 2 == 0, "map: expected an even number of channels, got ",
              Describe(map));
  const int64_t anchors = map.size(1) / 2;
  const at::Tensor classes = map.view({map.size(0), 2, anchors, map.size(2), map.size(3)});
  return classes.permute({0, 3, 4, 2, 1}).flatten(1, 3);
}

at::Tensor FlattenDeltas(const at::Tensor& map) {
  CheckShape(map, "map", {-1, -1, -1, -1});
  TORCH_CHECK(map.size(1) % 4 == 0, "map: expected a multiple of 4 channels, got ", Describe(map));
  const int64_t count = map.size(1) / 4 * map.size(2) * map.size(3);
  return map.permute({0, 2, 3, 1}).reshape({map.size(0), count, 4});
}

RpnLosses RpnLoss(const at::Tensor& objectness, const at::Tensor& deltas,
                  const at::Tensor& positive, const at::Tensor& negative,
                  const at::Tensor& target_deltas, const RpnLossOptions& options) {
  CheckOptions(options);
  CheckTensors(objectness, deltas, positive, negative, target_deltas);
  const at::Tensor log_loss = -at::log_sigmoid(SampledLogits(objectness, positive)).sum() -
                              at::log_sigmoid(-SampledLogits(objectness, negative)).sum();
  const at::Tensor predictions = deltas.index_select(0, positive);
  CheckFinite(predictions, "deltas at positive anchors");
  const at::Tensor distance = options.box_distance
                                  ? options.box_distance(predictions, target_deltas)
                                  : SmoothL1Sum(predictions, target_deltas, {options.beta});
  const LossNormalizer of_objectness(options.objectness_normalizer, {positive, negative});
  const LossNormalizer of_boxes(options.box_normalizer, {positive, negative});
  return {of_objectness.Divide(log_loss), of_boxes.Scale(distance, options.box_weight)};
}

namespace {

TORCH_LIBRARY_FRAGMENT(rcnn, m) {
  DefineCompositeOperator(
      m,
      "rpn_loss(Tensor objectness, Tensor deltas, Tensor positive, Tensor negative, "
      "Tensor target_deltas, *, float? objectness_normalizer=None, float? box_normalizer=None, "
      "float box_weight=1., float beta=0.1111111111111111) -> (Tensor objectness, Tensor box)",
      [](const at::Tensor& objectness, const at::Tensor& deltas, const at::Tensor& positive,
         const at::Tensor& negative, const at::Tensor& target_deltas,
         c10::optional<double> objectness_normalizer, c10::optional<double> box_normalizer,
         double box_weight, double beta) {
        const RpnLosses losses = RpnLoss(objectness, deltas, positive, negative, target_deltas,
                                         {objectness_normalizer, box_normalizer, box_weight, beta});
        return std::make_tuple(losses.objectness, losses.box);
      });
}

}  // namespace

}  // namespace rcnn::ops
