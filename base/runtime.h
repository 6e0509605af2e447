// Gives LibTorch the machine it runs on: threads, BLAS kernels, heap.
//
// Four things are wrong when LibTorch starts by itself on Debian: it uses one
// thread where several cores are allowed; OpenBLAS takes CPUs newer than it
// knows for 20-year-old ones and is several times slower; glibc returns every
// large tensor to the kernel; and OpenMP and OpenBLAS each have a pool of
// threads that, out of work, spin for milliseconds on the cores that the other
// needs (a training step with both takes a fifth more time). The last three
// can only be cured from the environment before the program loads, so InitRuntime sets the
// variables and executes the program once more, at most once. Variables that the user has set are
// left as they are.
//
// Call it first thing in the main of every program with tensors. Tests and
// benchmarks get it from //base:runtime_test_main and
// //base:runtime_benchmark_main. RCNN_NO_REEXEC=1 in the environment forbids
// the second execution.
//
// Example:
//   int main(int argc, char** argv) {
//     rcnn::InitRuntime({.usage = "Detects objects."}, &argc, &argv);
//     return rcnn::ExitCode(Run());
//   }

#ifndef RCNN_BASE_RUNTIME_H_
#define RCNN_BASE_RUNTIME_H_

#include <string>
#include <vector>

#include "rcnn/base/program.h"

namespace rcnn {

// Does what InitProgram does, and sets threads, BLAS kernels and heap. Adds the
// flag --threads (0: the cores of the affinity mask).
void InitRuntime(const ProgramOptions& options, int* argc, char*** argv);

// The same without flags, for main functions that parse their own.
void InitRuntimeWithoutFlags(char** argv);

// What the process runs with.
struct RuntimeInfo {
  std::string libtorch_version;   // "1.13.0"
  std::string onednn_version;     // "2.6.3"
  std::string blas_core;          // OpenBLAS's kernels, "SkylakeX"; "" with another BLAS
  std::string cpu_features;       // "avx2 fma avx512f avx512_bf16"
  int threads = 0;                // LibTorch's intra-op threads
  int allowed_cores = 0;          // cores of the affinity mask
  bool cuda = false;              // LibTorch has CUDA and sees a device
  std::vector<std::string> heap;  // settings, "mmap_threshold=4294967296"
  // How long idle threads spin: "GOMP_SPINCOUNT=1000"; without those not set.
  std::vector<std::string> waiting;
};

RuntimeInfo GetRuntimeInfo();

// The OpenBLAS core type that the CPU's instructions allow: "SKYLAKEX",
// "HASWELL", or "" where OpenBLAS is to choose.
std::string BestOpenBlasCore();

}  // namespace rcnn

#endif  // RCNN_BASE_RUNTIME_H_
