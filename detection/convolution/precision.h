// The precision of a network in inference.
//
// kBfloat16: convolutions and fully connected layers round their operands to bfloat16 and sum the
// products in float32; maps between layers, biases, norms and everything else are float32. Kernels
// of large 3 x 3 layers are rounded to half precision first, with an eighth of that error
// (bfloat16_winograd.h). These layers stay in float32:
//   * convolutions of fewer than 16 channels, which are the first of every backbone: they see the
//     pixels, and take a few hundredths of the time;
//   * the last layers of RPN and head, which give scores and box deltas (KeepFloat32 in
//     prepared_layer.h): their errors are not averaged by a later layer, and they take less than a
//     hundredth.
// Faster only where the level of instructions has products of bfloat16 (HasBfloat16Products in
// base/instruction_set.h); elsewhere kBfloat16 computes in float32.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(const Precision wanted, ParsePrecision("bfloat16"));
//   const bool notice = SupportedPrecision(wanted) != wanted;

#ifndef RCNN_DETECTION_CONVOLUTION_PRECISION_H_
#define RCNN_DETECTION_CONVOLUTION_PRECISION_H_

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace rcnn::detection {

enum class Precision { kFloat32, kBfloat16 };

// "float32" or "bfloat16".
absl::string_view PrecisionName(Precision precision);

// Reverses it. kInvalidArgument for another name.
absl::StatusOr<Precision> ParsePrecision(absl::string_view name);

// What a network asked for `wanted` computes in: kFloat32 where bfloat16 would not be faster.
Precision SupportedPrecision(Precision wanted);

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_CONVOLUTION_PRECISION_H_
