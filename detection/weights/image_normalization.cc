#include "rcnn/detection/weights/image_normalization.h"

#include <ATen/ops/flip.h>

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "rcnn/base/status_macros.h"

namespace rcnn::detection::weights {
namespace {

using Metadata = std::map<std::string, std::string>;

constexpr char kOrderKey[] = "image_channel_order";
constexpr char kMaxValueKey[] = "image_max_value";
constexpr char kMeanKey[] = "image_mean";
constexpr char kStdKey[] = "image_std";

std::string Exact(double value) {
  std::string text = absl::StrCat(value);
  double parsed = 0.0;
  if (absl::SimpleAtod(text, &parsed) && parsed == value) return text;
  return absl::StrFormat("%.17g", value);
}

std::string Exact(const std::array<double, 3>& values) {
  return absl::StrCat(Exact(values[0]), " ", Exact(values[1]), " ", Exact(values[2]));
}

absl::Status Malformed(const std::string& key, const std::string& value) {
  return absl::InvalidArgumentError(absl::StrCat("metadata ", key, " is '", value, "'"));
}

absl::StatusOr<std::string> Value(const Metadata& metadata, const std::string& key) {
  const auto found = metadata.find(key);
  if (found == metadata.end()) return absl::NotFoundError(absl::StrCat("no metadata ", key));
  return found->second;
}

absl::StatusOr<std::vector<double>> Numbers(const Metadata& metadata, const std::string& key,
                                            size_t count) {
  RCNN_ASSIGN_OR_RETURN(const std::string text, Value(metadata, key));
  std::vector<double> numbers;
  for (const absl::string_view word : absl::StrSplit(text, ' ', absl::SkipEmpty())) {
    double number = 0.0;
    if (!absl::SimpleAtod(word, &number) || !std::isfinite(number)) return Malformed(key, text);
    numbers.push_back(number);
  }
  if (numbers.size() != count) return Malformed(key, text);
  return numbers;
}

absl::StatusOr<std::array<double, 3>> Triple(const Metadata& metadata, const std::string& key) {
  RCNN_ASSIGN_OR_RETURN(const std::vector<double> numbers, Numbers(metadata, key, 3));
  return std::array<double, 3>{numbers[0], numbers[1], numbers[2]};
}

absl::StatusOr<ChannelOrder> Order(const Metadata& metadata) {
  RCNN_ASSIGN_OR_RETURN(const std::string text, Value(metadata, kOrderKey));
  if (text == "rgb") return ChannelOrder::kRgb;
  if (text == "bgr") return ChannelOrder::kBgr;
  return Malformed(kOrderKey, text);
}

bool IsFirstConvolution(absl::string_view name) {
  return name == "backbone.conv1.weight" || name == "backbone.conv1_1.weight";
}

}  // namespace

void SetImageNormalization(const ImageNormalization& image, Metadata& metadata) {
  metadata[kOrderKey] = image.channel_order == ChannelOrder::kRgb ? "rgb" : "bgr";
  metadata[kMaxValueKey] = Exact(image.max_value);
  metadata[kMeanKey] = Exact(image.mean);
  metadata[kStdKey] = Exact(image.std);
}

bool HasImageNormalization(const Metadata& metadata) {
  return metadata.count(kOrderKey) + metadata.count(kMaxValueKey) + metadata.count(kMeanKey) +
             metadata.count(kStdKey) >
         0;
}

absl::StatusOr<ImageNormalization> GetImageNormalization(const Metadata& metadata) {
  ImageNormalization image;
  RCNN_ASSIGN_OR_RETURN(image.channel_order, Order(metadata));
  RCNN_ASSIGN_OR_RETURN(const std::vector<double> max_value, Numbers(metadata, kMaxValueKey, 1));
  image.max_value = max_value[0];
  RCNN_ASSIGN_OR_RETURN(image.mean, Triple(metadata, kMeanKey));
  RCNN_ASSIGN_OR_RETURN(image.std, Triple(metadata, kStdKey));
  const bool positive = std::all_of(image.std.begin(), image.std.end(),
                                    [](double deviation) { return deviation > 0.0; });
  if (!positive) return Malformed(kStdKey, metadata.at(kStdKey));
  if (image.max_value <= 0.0) return Malformed(kMaxValueKey, metadata.at(kMaxValueKey));
  return image;
}

absl::Status ConvertChannelOrder(ChannelOrder order, StateDict& state) {
  RCNN_ASSIGN_OR_RETURN(ImageNormalization image, GetImageNormalization(state.metadata()),
                        "cannot tell the channel order of the weights");
  if (image.channel_order == order) return absl::OkStatus();
  StateDict converted;
  bool found = false;
  for (const StateDict::Entry& entry : state) {
    at::Tensor tensor = entry.tensor;
    if (IsFirstConvolution(entry.name)) {
      if (tensor.dim() != 4 || tensor.size(1) != 3) {
        return absl::InvalidArgumentError(absl::StrCat(entry.name, " ", ShapeString(tensor.sizes()),
                                                       " does not have three input channels"));
      }
      tensor = at::flip(tensor, {1});
      found = true;
    }
    converted.Add(entry.name, std::move(tensor));
  }
  if (!found) {
    return absl::NotFoundError("neither backbone.conv1.weight nor backbone.conv1_1.weight exists");
  }
  image.channel_order = order;
  std::reverse(image.mean.begin(), image.mean.end());
  std::reverse(image.std.begin(), image.std.end());
  converted.metadata() = state.metadata();
  SetImageNormalization(image, converted.metadata());
  state = std::move(converted);
  return absl::OkStatus();
}

}  // namespace rcnn::detection::weights
