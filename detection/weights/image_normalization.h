// The pixel normalisation that a network expects, stored with its weights.
//
// Caffe's networks take BGR in 0…255 minus a mean, torchvision's RGB in 0…1 minus a
// mean over a deviation. Weights used with the wrong normalisation give plausible
// nonsense, so every import records it in the file's metadata, and a model's
// configuration is checked against it.
//
//   input[c] = (pixel[c] * max_value / 255 - mean[c]) / std[c], c in channel_order
//
// Example:
//   SetImageNormalization({.channel_order = ChannelOrder::kBgr}, state.metadata());

#ifndef RCNN_DETECTION_WEIGHTS_IMAGE_NORMALIZATION_H_
#define RCNN_DETECTION_WEIGHTS_IMAGE_NORMALIZATION_H_

#include <array>
#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "rcnn/detection/weights/state_dict.h"

namespace rcnn::detection::weights {

enum class ChannelOrder { kRgb, kBgr };

struct ImageNormalization {
  ChannelOrder channel_order = ChannelOrder::kRgb;
  // The value of byte 255 before the mean is subtracted: 1 for torchvision, 255 for Caffe.
  double max_value = 1.0;
  // In channel_order, for pixels in 0..max_value.
  std::array<double, 3> mean = {0.0, 0.0, 0.0};
  std::array<double, 3> std = {1.0, 1.0, 1.0};

  bool operator==(const ImageNormalization& other) const {
    return channel_order == other.channel_order && max_value == other.max_value &&
           mean == other.mean && std == other.std;
  }
};

// Writes the four keys image_channel_order ("rgb", "bgr"), image_max_value,
// image_mean, image_std (three numbers with spaces between, exact).
void SetImageNormalization(const ImageNormalization& image,
                           std::map<std::string, std::string>& metadata);

// True if any of the four keys is there.
bool HasImageNormalization(const std::map<std::string, std::string>& metadata);

// kNotFound when a key is missing, kInvalidArgument naming key and value when one
// is malformed.
absl::StatusOr<ImageNormalization> GetImageNormalization(
    const std::map<std::string, std::string>& metadata);

// Reverses the input channels of the first convolution, backbone.conv1 or backbone.conv1_1
// (rcnn's names), and the recorded normalisation, so that the network gives the same
// results for images in `order`. Does nothing if the order is already `order`. Fails if the
// tensor is missing or does not have three input channels, or if no normalisation is
// recorded.
absl::Status ConvertChannelOrder(ChannelOrder order, StateDict& state);

}  // namespace rcnn::detection::weights

#endif  // RCNN_DETECTION_WEIGHTS_IMAGE_NORMALIZATION_H_
