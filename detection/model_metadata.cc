#include "rcnn/detection/model_metadata.h"

#include <google/protobuf/text_format.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/detection/anchor_grid.h"
#include "rcnn/detection/weights/image_normalization.h"

namespace rcnn::detection {
namespace {

using Metadata = std::map<std::string, std::string>;
using weights::ChannelOrder;
using weights::ImageNormalization;

constexpr char kAnchors[] = "anchors";
constexpr char kClassNames[] = "class_names";

std::string AnchorsText(const configs::ModelConfig& model) {
  size_t levels = 1;
  if (model.has_fpn()) levels = model.fpn().last_level_max_pool() ? 5 : 4;
  google::protobuf::TextFormat::Printer printer;
  printer.SetSingleLineMode(true);
  printer.SetUseShortRepeatedPrimitives(true);
  std::string text;
  printer.PrintToString(WithDefaults(model.rpn().anchors(), levels), &text);
  return std::string(absl::StripSuffix(text, " "));
}

ImageNormalization MakeNormalization(const configs::NormalizationConfig& config) {
  ImageNormalization image;
  image.channel_order = config.channel_order() == configs::NormalizationConfig::BGR
                            ? ChannelOrder::kBgr
                            : ChannelOrder::kRgb;
  image.max_value = config.scale() * 255;
  if (config.mean_size() == 3) std::copy_n(config.mean().begin(), 3, image.mean.begin());
  if (config.std_size() == 3) std::copy_n(config.std().begin(), 3, image.std.begin());
  return image;
}

// input = pixel * gain + offset, (gain, offset) of R, G and B.
std::vector<double> GainsAndOffsets(const ImageNormalization& image) {
  std::vector<double> values;
  for (int c = 0; c < 3; ++c) {
    const int i = image.channel_order == ChannelOrder::kBgr ? 2 - c : c;
    values.push_back(image.max_value / 255 / image.std[i]);
    values.push_back(-image.mean[i] / image.std[i]);
  }
  return values;
}

bool SameNormalization(const ImageNormalization& a, const ImageNormalization& b) {
  const std::vector<double> x = GainsAndOffsets(a), y = GainsAndOffsets(b);
  const bool close = std::equal(x.begin(), x.end(), y.begin(), [](double u, double v) {
    return std::abs(u - v) <= 1e-4 * std::max(std::abs(u), std::abs(v));
  });
  return close && a.channel_order == b.channel_order;
}

std::string Describe(const ImageNormalization& image) {
  return absl::StrCat(image.channel_order == ChannelOrder::kBgr ? "BGR" : "RGB", " in 0..",
                      image.max_value, " minus [", absl::StrJoin(image.mean, ", "), "] over [",
                      absl::StrJoin(image.std, ", "), "]");
}

absl::Status CheckAnchors(const configs::ModelConfig& model, const Metadata& metadata) {
  const auto found = metadata.find(kAnchors);
  if (found == metadata.end() || !model.has_rpn()) return absl::OkStatus();
  const std::string text = AnchorsText(model);
  if (found->second == text) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      "the weights were trained with anchors {", found->second, "}, the config has {", text, "}"));
}

absl::Status CheckClassNames(const configs::DetectorConfig& config, const Metadata& metadata) {
  const auto found = metadata.find(kClassNames);
  if (found == metadata.end()) return absl::OkStatus();
  const std::vector<std::string> trained = absl::StrSplit(found->second, '\n');
  for (int i = 0; i < config.class_name_size(); ++i) {
    const auto at = std::find(trained.begin(), trained.end(), config.class_name(i));
    if (at == trained.end() || at - trained.begin() == i) continue;
    return absl::FailedPreconditionError(absl::StrCat(
        "class ", i + 1, " is '", config.class_name(i), "', which was class ",
        at - trained.begin() + 1, " of the weights: [", absl::StrJoin(trained, ", "), "]"));
  }
  return absl::OkStatus();
}

absl::Status CheckNormalization(const configs::ModelConfig& model, const Metadata& metadata) {
  if (!weights::HasImageNormalization(metadata)) return absl::OkStatus();
  RCNN_ASSIGN_OR_RETURN(const ImageNormalization trained, weights::GetImageNormalization(metadata));
  const ImageNormalization image = MakeNormalization(model.normalization());
  if (SameNormalization(trained, image)) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat("the weights were trained on pixels ",
                                                    Describe(trained), ", model.normalization is ",
                                                    Describe(image)));
}

}  // namespace

void SetModelMetadata(const configs::DetectorConfig& config, Metadata& metadata) {
  if (config.model().has_rpn()) metadata[kAnchors] = AnchorsText(config.model());
  if (config.class_name_size() > 0) {
    metadata[kClassNames] = absl::StrJoin(config.class_name(), "\n");
  }
  weights::SetImageNormalization(MakeNormalization(config.model().normalization()), metadata);
}

absl::Status CheckModelMetadata(const configs::DetectorConfig& config, const Metadata& metadata) {
  RCNN_RETURN_IF_ERROR(CheckAnchors(config.model(), metadata));
  RCNN_RETURN_IF_ERROR(CheckNormalization(config.model(), metadata));
  return CheckClassNames(config, metadata);
}

}  // namespace rcnn::detection
