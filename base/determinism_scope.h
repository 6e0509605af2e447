// Whether LibTorch's operators on a GPU must give the same bits each time, during its lifetime.
//
// cuDNN and LibTorch have algorithms that add with atomics, in an order that differs from run to
// run, and cuDNN can choose among its algorithms by timing them. With `deterministic` they use
// neither; an operator without such an algorithm then throws c10::Error, which names it. Without
// it cuDNN times its algorithms for each new size. Of the whole process, so scopes of several
// threads must not overlap in part. rcnn's own kernels are always deterministic
// (docs/gpu.md).
//
// Example:
//   RCNN_RETURN_IF_ERROR(CheckCublasWorkspace());
//   const DeterminismScope scope(c10::DeviceType::CUDA, /*deterministic=*/true);
//   Multiply();

#ifndef RCNN_BASE_DETERMINISM_SCOPE_H_
#define RCNN_BASE_DETERMINISM_SCOPE_H_

#include <c10/core/DeviceType.h>

#include "absl/status/status.h"

namespace rcnn {

class DeterminismScope {
 public:
  // Without effect where `device` is the CPU.
  DeterminismScope(c10::DeviceType device, bool deterministic);
  // Restores what was set before.
  ~DeterminismScope();
  DeterminismScope(const DeterminismScope&) = delete;
  DeterminismScope& operator=(const DeterminismScope&) = delete;

 private:
  struct Settings {
    bool algorithms = false;  // LibTorch's operators
    bool only_warns = false;  // instead of an error where an operator has none
    bool cudnn = false;
    bool benchmark = false;  // cuDNN times its algorithms
    bool fills = false;      // new tensors are filled with NaN; LibTorch 2 alone
  };
  static Settings Read();
  static void Apply(const Settings& settings);

  const Settings before_;
};

// OK if cuBLAS may use only workspaces with which its results do not vary:
// CUBLAS_WORKSPACE_CONFIG is ":4096:8" or ":16:8" (start_environment.h sets it). cuBLAS reads it
// when it is first used.
absl::Status CheckCublasWorkspace();

}  // namespace rcnn

#endif  // RCNN_BASE_DETERMINISM_SCOPE_H_
