#include "rcnn/data/loader/sample_transform.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "rcnn/base/check_range.h"
#include "rcnn/base/exception_status.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/ops/resize_rule.h"

namespace rcnn::data {
namespace {

using configs::JitterConfig;
using configs::ResizeConfig;
using configs::TransformConfig;

// Represents "no limit" for the resize rule.
constexpr double kNoLimitPx = 1 << 30;

absl::StatusOr<SampleTransform> Resize(const ResizeConfig& config, int64_t shortest_side_px,
                                       const ImageInfo& info) {
  ops::ResizeRule rule;
  rule.shorter_side_px = static_cast<double>(shortest_side_px);
  rule.longer_side_px = config.longest_side_px() > 0 ? config.longest_side_px() : kNoLimitPx;
  const bool down = config.rounding() == ResizeConfig::DOWN;
  rule.rounding = down ? ops::SizeRounding::kDown : ops::SizeRounding::kHalfToEven;
  RCNN_ASSIGN_OR_RETURN(const ops::Resized size,
                        CatchExceptions(
                            [&]() -> absl::StatusOr<ops::Resized> {
                              return ops::ResizedSize(info.height, info.width, rule);
                            },
                            absl::StatusCode::kInvalidArgument),
                        info.name);
  SampleTransform transform;
  transform.height = size.height;
  transform.width = size.width;
  transform.scale_y = transform.scale_x = size.scale;
  transform.place_by_scale = !down;
  if (down) {
    transform.scale_y = static_cast<double>(transform.height) / static_cast<double>(info.height);
    transform.scale_x = static_cast<double>(transform.width) / static_cast<double>(info.width);
  }
  return transform;
}

// shortest_side_px < 0: the image keeps its size.
absl::StatusOr<SampleTransform> ResizeAndCheck(const TransformConfig& config,
                                               int64_t shortest_side_px, const ImageInfo& info) {
  SampleTransform transform;
  transform.height = info.height;
  transform.width = info.width;
  if (shortest_side_px > 0) {
    RCNN_ASSIGN_OR_RETURN(transform, Resize(config.resize(), shortest_side_px, info));
  }
  if (transform.height * transform.width > kMaxInputPixels) {
    return absl::InvalidArgumentError(absl::StrCat(
        info.name, ": ", info.width, " x ", info.height, " pixels become ", transform.width, " x ",
        transform.height, ", more than ", kMaxInputPixels, "; set resize.longest_side_px"));
  }
  return transform;
}

std::optional<ColorMatrix> DrawColor(const JitterConfig& config, const StreamKey& key) {
  RandomStream stream(key);
  if (!stream.Bernoulli(config.probability())) return std::nullopt;
  const auto factor = [&](double range) { return stream.Uniform(1 - range, 1 + range); };
  ColorMatrix matrix = Brightness(factor(config.brightness()));
  matrix = Contrast(factor(config.contrast())).After(matrix);
  matrix = Saturation(factor(config.saturation())).After(matrix);
  return Hue(stream.Uniform(-config.hue_degrees(), config.hue_degrees())).After(matrix);
}

// A box along one axis, in pixels.
struct Interval {
  double first = 0;
  double last = 0;
};

// end: the coordinate that is swapped with 0.
Interval Along(const Interval& interval, int64_t end, bool flipped) {
  if (!flipped) return interval;
  return {static_cast<double>(end) - interval.last, static_cast<double>(end) - interval.first};
}

int64_t DrawnSide(const ResizeConfig& config, int index) {
  return config.shortest_side_px_size() == 0 ? -1 : config.shortest_side_px(index);
}

}  // namespace

Box SampleTransform::Apply(const Box& box, const ImageInfo& info, bool inclusive) const {
  const Interval x = Along({box.x1, box.x2}, inclusive ? info.width - 1 : info.width, flipped);
  const Interval y =
      Along({box.y1, box.y2}, inclusive ? info.height - 1 : info.height, flipped_vertically);
  return {static_cast<float>(x.first * scale_x), static_cast<float>(y.first * scale_y),
          static_cast<float>(x.last * scale_x), static_cast<float>(y.last * scale_y)};
}

absl::Status CheckTransformConfig(const TransformConfig& config) {
  for (const int32_t side : config.resize().shortest_side_px()) {
    RCNN_RETURN_IF_ERROR(CheckRange("resize.shortest_side_px", side, 1, 1 << 16));
  }
  if (config.has_resize() && config.resize().shortest_side_px_size() == 0) {
    return absl::InvalidArgumentError("resize.shortest_side_px is not set");
  }
  RCNN_RETURN_IF_ERROR(
      CheckRange("resize.longest_side_px", config.resize().longest_side_px(), 0, 1 << 16));
  RCNN_RETURN_IF_ERROR(CheckRange("pad_to_multiple_px", config.pad_to_multiple_px(), 1, 1024));
  const JitterConfig& jitter = config.jitter();
  RCNN_RETURN_IF_ERROR(CheckRange("jitter.probability", jitter.probability(), 0, 1));
  RCNN_RETURN_IF_ERROR(CheckRange("jitter.brightness", jitter.brightness(), 0, 1));
  RCNN_RETURN_IF_ERROR(CheckRange("jitter.contrast", jitter.contrast(), 0, 1));
  RCNN_RETURN_IF_ERROR(CheckRange("jitter.saturation", jitter.saturation(), 0, 1));
  return CheckRange("jitter.hue_degrees", jitter.hue_degrees(), 0, 180);
}

absl::StatusOr<SampleTransform> EvaluationTransform(const TransformConfig& config,
                                                    const ImageInfo& info) {
  const ResizeConfig& resize = config.resize();
  return ResizeAndCheck(config, DrawnSide(resize, resize.shortest_side_px_size() - 1), info);
}

absl::StatusOr<SampleTransform> DrawTransform(const TransformConfig& config, const ImageInfo& info,
                                              StreamKey key, int64_t scale_step) {
  const ResizeConfig& resize = config.resize();
  int side = 0;
  if (resize.shortest_side_px_size() > 1) {
    StreamKey scale_key = key;
    scale_key.step = scale_step;
    scale_key.purpose = "scale";
    side = static_cast<int>(RandomStream(scale_key).UniformInt(resize.shortest_side_px_size()));
  }
  RCNN_ASSIGN_OR_RETURN(SampleTransform transform,
                        ResizeAndCheck(config, DrawnSide(resize, side), info));
  key.purpose = "flip";
  transform.flipped =
      config.flip() == TransformConfig::AT_RANDOM && RandomStream(key).Bernoulli(0.5);
  key.purpose = "vertical flip";
  transform.flipped_vertically = config.flip_vertically() && RandomStream(key).Bernoulli(0.5);
  key.purpose = "jitter";
  if (config.has_jitter()) transform.color = DrawColor(config.jitter(), key);
  return transform;
}

absl::StatusOr<SampleTransform> DrawTransform(const TransformConfig& config, const ImageInfo& info,
                                              StreamKey key) {
  const int64_t step = key.step;
  return DrawTransform(config, info, std::move(key), step);
}

}  // namespace rcnn::data
