// Checks of the numbers in the options of losses.
//
// Internal to ops.

#ifndef RCNN_OPS_LOSS_CHECKS_H_
#define RCNN_OPS_LOSS_CHECKS_H_

#include <c10/util/Optional.h>

namespace rcnn::ops {

// Each throws c10::Error naming the option and its value.

// > 0 and finite, if it is set. `name` is that of the option.
void CheckLossNormalizer(const char* name, const c10::optional<double>& value);

// >= 0 and finite.
void CheckBoxWeight(double box_weight);

// >= 0 and finite as a float32, in which the loss may be computed.
void CheckSmoothL1Beta(double beta);

}  // namespace rcnn::ops

#endif  // RCNN_OPS_LOSS_CHECKS_H_
