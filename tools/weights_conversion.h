// `convert_weights` without its flags: reads a weights file, renames its tensors and
// writes another file.
//
// Example:
//   WeightsConversion conversion;
//   conversion.input = "vgg16.pth";
//   conversion.output = "vgg16.safetensors";
//   RCNN_ASSIGN_OR_RETURN(std::string table, ConvertWeights(conversion));

#ifndef RCNN_TOOLS_WEIGHTS_CONVERSION_H_
#define RCNN_TOOLS_WEIGHTS_CONVERSION_H_

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "rcnn/detection/weights/image_normalization.h"
#include "rcnn/detection/weights/name_map.h"

namespace rcnn::tools {

struct WeightsConversion {
  std::string input;
  std::string output;  // ends in .safetensors, .pth or .pt
  // A map's name, or "auto": to rcnn's names, the map whose signature the file has;
  // in reverse, the map that the file's metadata names.
  std::string map = "auto";
  detection::weights::NameDirection direction = detection::weights::NameDirection::kToOurs;
  // The channel order of the converted first convolution; unchanged if not given.
  // Only for conversions to rcnn's names; in reverse the map determines the order.
  std::optional<detection::weights::ChannelOrder> channel_order = std::nullopt;
  // List every tensor in the table, not only those left out.
  bool every_tensor = false;
};

// Returns a table of what happened to each tensor. kInvalidArgument or kNotFound if the
// map does not exist, cannot be detected, or matches none of the tensors; kDataLoss if the input
// is a damaged file of a finished run (base/recorded_result.h); otherwise the errors of reading and
// writing.
absl::StatusOr<std::string> ConvertWeights(const WeightsConversion& conversion);

// The file's tensors and metadata, as text. Errors: those of reading, and kDataLoss as above.
absl::StatusOr<std::string> ListWeights(const std::string& input);

// All name maps with their rules, as text.
std::string ListNameMaps();

}  // namespace rcnn::tools

#endif  // RCNN_TOOLS_WEIGHTS_CONVERSION_H_
