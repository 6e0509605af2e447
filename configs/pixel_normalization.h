// Checks a NormalizationConfig and converts it to units of byte values.
//
// The loader and the detector both read the message through this, so that training and
// inference reject the same values and see the same pixels.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(PixelNormalization pixels, ReadNormalization(config));

#ifndef RCNN_CONFIGS_PIXEL_NORMALIZATION_H_
#define RCNN_CONFIGS_PIXEL_NORMALIZATION_H_

#include <array>

#include "absl/status/statusor.h"
#include "rcnn/configs/normalization.pb.h"

namespace rcnn::configs {

// input[c] = (byte value[c] - mean[c]) / std[c], for the channels c of `channel_order`.
struct PixelNormalization {
  NormalizationConfig::ChannelOrder channel_order = NormalizationConfig::RGB;
  std::array<double, 3> mean = {0, 0, 0};
  std::array<double, 3> std = {1, 1, 1};
};

// kInvalidArgument, naming the field, if `scale` or `std` is not in [1e-9, 1e9], `mean` is
// not in [-1e9, 1e9], or `mean` or `std` has neither three numbers nor none.
absl::StatusOr<PixelNormalization> ReadNormalization(const NormalizationConfig& config);

}  // namespace rcnn::configs

#endif  // RCNN_CONFIGS_PIXEL_NORMALIZATION_H_
