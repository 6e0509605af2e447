#include "rcnn/ops/testing/torchvision.h"

#include <ATen/core/dispatch/Dispatcher.h>
#include <dlfcn.h>
#include <glob.h>
#include <torch/version.h>

#include <cstdlib>
#include <string>

#include "absl/strings/str_cat.h"

namespace rcnn::ops::testing {
namespace {

constexpr char kInstalled[] = "/usr/lib/python3/dist-packages/torchvision/_C.*.so";

std::string FirstMatch(const char* pattern) {
  glob_t found{};
  std::string path;
  if (glob(pattern, 0, nullptr, &found) == 0) path = found.gl_pathv[0];
  globfree(&found);
  return path;
}

// Debian's torchvision needs Debian's LibTorch. In a process with another LibTorch it would
// load a second one.
bool RunsDebiansLibtorch() {
  const std::string soname =
      absl::StrCat("libtorch_cpu.so.", TORCH_VERSION_MAJOR, ".", TORCH_VERSION_MINOR);
  return dlopen(soname.c_str(), RTLD_NOW | RTLD_NOLOAD) != nullptr;
}

absl::Status Open(const std::string& path) {
  if (dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL) == nullptr) {
    return absl::FailedPreconditionError(absl::StrCat("cannot load torchvision: ", dlerror()));
  }
  if (!c10::Dispatcher::singleton().findSchema({"torchvision::nms", ""}).has_value()) {
    return absl::FailedPreconditionError(absl::StrCat(path, " registers no torchvision::nms"));
  }
  return absl::OkStatus();
}

absl::Status Load() {
  const char* chosen = std::getenv("TORCHVISION_C_SO");
  if (chosen != nullptr && chosen[0] != '\0') return Open(chosen);
  const std::string installed = FirstMatch(kInstalled);
  if (installed.empty()) {
    return absl::NotFoundError(
        "torchvision is not installed (Debian: python3-torchvision); $TORCHVISION_C_SO may name "
        "its _C*.so");
  }
  if (!RunsDebiansLibtorch()) {
    return absl::FailedPreconditionError(absl::StrCat(
        installed, " belongs to another LibTorch than this program's ", TORCH_VERSION));
  }
  return Open(installed);
}

template <typename Signature>
c10::TypedOperatorHandle<Signature> Find(const char* name) {
  return c10::Dispatcher::singleton().findSchemaOrThrow(name, "").typed<Signature>();
}

}  // namespace

const absl::Status& LoadTorchvision() {
  static const absl::Status* const status = new absl::Status(Load());
  return *status;
}

at::Tensor TorchvisionNms(const at::Tensor& boxes, const at::Tensor& scores, double iou_threshold) {
  static const auto op =
      Find<at::Tensor(const at::Tensor&, const at::Tensor&, double)>("torchvision::nms");
  return op.call(boxes, scores, iou_threshold);
}

at::Tensor TorchvisionRoiAlign(const at::Tensor& input, const at::Tensor& rois,
                               const TorchvisionRoiOptions& options) {
  static const auto op = Find<at::Tensor(const at::Tensor&, const at::Tensor&, double, int64_t,
                                         int64_t, int64_t, bool)>("torchvision::roi_align");
  return op.call(input, rois, options.spatial_scale, options.pooled_height, options.pooled_width,
                 options.sampling_ratio, options.aligned);
}

at::Tensor TorchvisionRoiAlignBackward(const at::Tensor& grad, const at::Tensor& rois,
                                       const TorchvisionRoiOptions& options,
                                       at::IntArrayRef input_sizes) {
  static const auto op =
      Find<at::Tensor(const at::Tensor&, const at::Tensor&, double, int64_t, int64_t, int64_t,
                      int64_t, int64_t, int64_t, int64_t, bool)>(
          "torchvision::_roi_align_backward");
  return op.call(grad, rois, options.spatial_scale, options.pooled_height, options.pooled_width,
                 input_sizes[0], input_sizes[1], input_sizes[2], input_sizes[3],
                 options.sampling_ratio, options.aligned);
}

std::tuple<at::Tensor, at::Tensor> TorchvisionRoiPool(const at::Tensor& input,
                                                      const at::Tensor& rois,
                                                      const TorchvisionRoiOptions& options) {
  static const auto op = Find<std::tuple<at::Tensor, at::Tensor>(
      const at::Tensor&, const at::Tensor&, double, int64_t, int64_t)>("torchvision::roi_pool");
  return op.call(input, rois, options.spatial_scale, options.pooled_height, options.pooled_width);
}

at::Tensor TorchvisionRoiPoolBackward(const at::Tensor& grad, const at::Tensor& rois,
                                      const at::Tensor& argmax,
                                      const TorchvisionRoiOptions& options,
                                      at::IntArrayRef input_sizes) {
  static const auto op =
      Find<at::Tensor(const at::Tensor&, const at::Tensor&, const at::Tensor&, double, int64_t,
                      int64_t, int64_t, int64_t, int64_t, int64_t)>(
          "torchvision::_roi_pool_backward");
  return op.call(grad, rois, argmax, options.spatial_scale, options.pooled_height,
                 options.pooled_width, input_sizes[0], input_sizes[1], input_sizes[2],
                 input_sizes[3]);
}

}  // namespace rcnn::ops::testing
