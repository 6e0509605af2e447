#include "rcnn/ops/loss_checks.h"

#include <c10/util/Exception.h>

#include <cmath>
#include <limits>

namespace rcnn::ops {

void CheckLossNormalizer(const char* name, const c10::optional<double>& value) {
  TORCH_CHECK(!value.has_value() || (*value > 0 && std::isfinite(*value)), name,
              ": expected > 0 and finite, got ", value.value_or(0));
}

void CheckBoxWeight(double box_weight) {
  TORCH_CHECK(box_weight >= 0 && std::isfinite(box_weight),
              "box_weight: expected >= 0 and finite, got ", box_weight);
}

void CheckSmoothL1Beta(double beta) {
  TORCH_CHECK(beta >= 0 && beta <= std::numeric_limits<float>::max(),
              "beta: expected >= 0 and finite, got ", beta);
}

}  // namespace rcnn::ops
