#include "rcnn/ops/cuda/waits.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/zeros.h>
#include <c10/cuda/CUDAFunctions.h>
#include <c10/util/Exception.h>
#include <dlfcn.h>

namespace rcnn::ops::cuda {
namespace {

constexpr DeviceWaitLibrary kLibrary = {c10::DeviceType::CUDA, &ForbidWaits, &WaitFails};
[[maybe_unused]] const bool kRegistered = SetDeviceWaitLibrary(&kLibrary);

// The mode is a variable of the inline function warning_state(). A program that exports nothing
// (tools/build/hidden.lds) has one of its own, which LibTorch does not read; this is LibTorch's.
c10::cuda::WarningState* FindState() {
  static void* const state = dlsym(RTLD_DEFAULT, "_ZZN3c104cuda13warning_stateEvE14warning_state_");
  return static_cast<c10::cuda::WarningState*>(state);
}

template <typename Work>
bool Throws(const Work& work) {
  try {
    work();
  } catch (const c10::Error&) {
    return true;
  }
  return false;
}

}  // namespace

void ForbidWaits(bool forbidden) {
  using c10::cuda::SyncDebugMode;
  if (c10::cuda::WarningState* const state = FindState()) {
    state->set_sync_debug_mode(forbidden ? SyncDebugMode::L_ERROR : SyncDebugMode::L_DISABLED);
  }
}

bool WaitFails() {
  if (!Throws([] { c10::cuda::warn_or_error_on_sync(); })) return false;
  if (c10::cuda::device_count() == 0) return true;
  const at::Tensor value = at::zeros({}, at::TensorOptions(c10::DeviceType::CUDA));
  return Throws([&value] { value.item(); });
}

}  // namespace rcnn::ops::cuda
