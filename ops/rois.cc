#include "rcnn/ops/rois.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>

#include <cmath>
#include <sstream>
#include <string>
#include <vector>

#include "rcnn/base/not_finite_error.h"
#include "rcnn/ops/check.h"

namespace rcnn::ops {
namespace {

// The bins of a single RoI would not fit into memory with more.
constexpr int64_t kMaxPooledSize = 1 << 14;
constexpr int64_t kMaxSamplingRatio = 1 << 14;

constexpr char kNotFinite[] = "not finite";

std::string RowText(const double* row) {
  std::ostringstream text;
  text.precision(9);
  for (int i = 0; i < 5; ++i) text << (i == 0 ? "(" : ", ") << row[i];
  text << ')';
  return text.str();
}

// Why a row is not a RoI, or "".
std::string RoiFault(const double* roi, int64_t images, double spatial_scale) {
  for (int i = 0; i < 5; ++i) {
    if (!std::isfinite(roi[i])) return kNotFinite;
  }
  if (roi[0] != std::floor(roi[0]) || roi[0] < 0 || roi[0] >= static_cast<double>(images)) {
    return "the image index is not in [0, " + std::to_string(images) + ")";
  }
  if (roi[3] < roi[1]) return "x2 < x1";
  if (roi[4] < roi[2]) return "y2 < y1";
  for (int i = 1; i < 5; ++i) {
    if (!(std::abs(roi[i]) * spatial_scale <= kMaxRoiCoordinate)) {
      return "a coordinate is beyond 1e9 pixels of the feature map";
    }
  }
  return "";
}

}  // namespace

at::Tensor RoisFromBoxes(at::TensorList boxes) {
  TORCH_CHECK(!boxes.empty(), "boxes: expected one list per image, got none");
  std::vector<at::Tensor> parts;
  parts.reserve(boxes.size());
  for (size_t i = 0; i < boxes.size(); ++i) {
    const std::string name = "boxes[" + std::to_string(i) + "]";
    CheckBoxesShape(boxes[i], name.c_str());
    CheckSameDtypeAndDevice(boxes[i], name.c_str(), boxes[0], "boxes[0]");
    const at::Tensor image =
        at::full({boxes[i].size(0), 1}, static_cast<double>(i), boxes[i].options());
    parts.push_back(at::cat({image, boxes[i]}, 1));
  }
  return at::cat(parts, 0);
}

void CheckRoisShape(const at::Tensor& rois, const char* name) {
  CheckShape(rois, name, {-1, 5});
  CheckDtype(rois, name, {at::kFloat, at::kDouble, at::kBFloat16});
}

void CheckRois(const at::Tensor& rois, const char* name, int64_t images, double spatial_scale) {
  CheckRoisShape(rois, name);
  if (!HasValues(rois) || rois.size(0) == 0) return;
  const at::Tensor values = rois.detach().to(at::kDouble).contiguous();
  const double* roi = values.data_ptr<double>();
  for (int64_t i = 0; i < rois.size(0); ++i, roi += 5) {
    const std::string fault = RoiFault(roi, images, spatial_scale);
    if (fault.empty()) continue;
    const std::string message = c10::str(name, ": row ", i, " is ", RowText(roi), ": ", fault, " (",
                                         name, " is ", Describe(rois), ")");
    if (fault == kNotFinite) ThrowNotFinite(message);
    TORCH_CHECK(false, message);
  }
}

void CheckRoiInput(const at::Tensor& input, const char* name, const at::Tensor& rois,
                   bool takes_half) {
  CheckShape(input, name, {-1, -1, -1, -1});
  const bool is_half = takes_half && !input.is_cpu() && input.scalar_type() == at::kHalf;
  if (!is_half) CheckDtype(input, name, {at::kFloat, at::kDouble, at::kBFloat16});
  CheckSameDevice(rois, "rois", input, name);
  if (!HasKnownSizes(input) || !HasKnownSizes(rois)) return;
  TORCH_CHECK(rois.size(0) == 0 || (input.size(2) > 0 && input.size(3) > 0), name,
              ": expected at least one pixel, got ", Describe(input));
  TORCH_CHECK(input.size(2) < INT32_MAX && input.size(3) < INT32_MAX &&
                  input.size(2) * input.size(3) < INT32_MAX,
              name, ": expected fewer than 2^31 pixels, got ", Describe(input));
}

void CheckPooledSize(int64_t pooled_height, int64_t pooled_width) {
  TORCH_CHECK(pooled_height > 0 && pooled_height <= kMaxPooledSize, "pooled_height: expected 1 to ",
              kMaxPooledSize, ", got ", pooled_height);
  TORCH_CHECK(pooled_width > 0 && pooled_width <= kMaxPooledSize, "pooled_width: expected 1 to ",
              kMaxPooledSize, ", got ", pooled_width);
}

void CheckSpatialScale(double spatial_scale) {
  TORCH_CHECK(std::isfinite(spatial_scale) && spatial_scale > 0,
              "spatial_scale: expected a positive number, got ", spatial_scale);
}

void CheckSamplingRatio(int64_t sampling_ratio) {
  TORCH_CHECK(sampling_ratio <= kMaxSamplingRatio, "sampling_ratio: expected at most ",
              kMaxSamplingRatio, ", got ", sampling_ratio);
}

}  // namespace rcnn::ops
