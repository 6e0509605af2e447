// Runs kernels of ops/kernels on the host: all blocks and threads one after another.
//
// For operators whose kernels have no loops of their own for the CPU. Slow for large ones.

#ifndef RCNN_OPS_CPU_KERNEL_LOOP_H_
#define RCNN_OPS_CPU_KERNEL_LOOP_H_

#include <cstdint>
#include <vector>

#include "rcnn/ops/kernels/kernel.h"

namespace rcnn::ops {

// A launcher of kernels. Not for several threads.
class KernelLoop {
 public:
  template <typename Kernel>
  void operator()(const Kernel& kernel) {
    for (int64_t block = 0; block < kernel.Blocks(); ++block) RunBlock(kernel, block);
  }

 private:
  template <typename Kernel>
  static void RunBlock(const Kernel& kernel, int64_t block) {
    typename Kernel::Shared shared{};
    std::vector<typename Kernel::Private> values(Kernel::kThreads);
    const int64_t phases = kernel.Phases(block);
    for (int64_t phase = 0; phase < phases; ++phase) {
      for (int thread = 0; thread < Kernel::kThreads; ++thread) {
        kernel.Run(phase, {block, thread}, shared, values[static_cast<size_t>(thread)]);
      }
    }
  }
};

}  // namespace rcnn::ops

#endif  // RCNN_OPS_CPU_KERNEL_LOOP_H_
