// Runs kernels of ops/kernels on the CPU, for operators whose CPU kernel has the source of the
// GPU's.
//
// The threads of a block run one after another, in order, and a phase ends before the next begins,
// so that all rules of kernel.h hold. Blocks are distributed over LibTorch's threads: a kernel
// whose blocks add to one counter (AtomicAdd on memory of the grid) is not for this launcher.
// Tests use HostGrid (ops/testing/host_grid.h), which looks for races.
//
// Example:
//   SerialGrid launch;
//   ReverseAll(launch, count, in, out);

#ifndef RCNN_OPS_CPU_SERIAL_GRID_H_
#define RCNN_OPS_CPU_SERIAL_GRID_H_

#include <ATen/Parallel.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "rcnn/ops/kernels/kernel.h"

namespace rcnn::ops {

class SerialGrid {
 public:
  // Runs all blocks of `kernel`.
  template <typename Kernel>
  void operator()(const Kernel& kernel) const {
    at::parallel_for(0, kernel.Blocks(), 1, [&kernel](int64_t begin, int64_t end) {
      const auto shared = std::make_unique<typename Kernel::Shared>();
      std::vector<typename Kernel::Private> values(Kernel::kThreads);
      for (int64_t block = begin; block < end; ++block) RunBlock(kernel, block, *shared, values);
    });
  }

 private:
  template <typename Kernel>
  static void RunBlock(const Kernel& kernel, int64_t block, typename Kernel::Shared& shared,
                       std::vector<typename Kernel::Private>& values) {
    const int64_t phases = kernel.Phases(block);
    for (int64_t phase = 0; phase < phases; ++phase) {
      for (int thread = 0; thread < Kernel::kThreads; ++thread) {
        kernel.Run(phase, {block, thread}, shared, values[static_cast<size_t>(thread)]);
      }
    }
  }
};

}  // namespace rcnn::ops

#endif  // RCNN_OPS_CPU_SERIAL_GRID_H_
