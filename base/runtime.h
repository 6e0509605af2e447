// Sets up LibTorch for the machine: threads, BLAS kernels, heap.
//
// LibTorch's defaults on Debian have four problems. It uses one thread even if several cores are
// allowed. OpenBLAS takes CPUs that it does not know for 20-year-old ones and is several times
// slower. glibc returns every large tensor to the kernel. OpenMP and OpenBLAS each have a thread
// pool whose idle threads spin for milliseconds on the cores that the other pool needs, so that a
// training step with both takes a fifth more time. The last three can be fixed only through the
// environment before the program loads, so InitRuntime sets the variables and re-executes the
// program, at most once; and once more if --instructions lowers the level of instructions, which
// the libraries are told in the same way (start_environment.h). Variables set by the user are kept.
//
// Call it first in the main of every program with tensors. Tests and benchmarks get
// it from //base:runtime_test_main and //base:runtime_benchmark_main.
// RCNN_NO_REEXEC=1 in the environment prevents the second execution.
//
// Example:
//   int main(int argc, char** argv) {
//     rcnn::InitRuntime({.usage = "Detects objects."}, &argc, &argv);
//     return rcnn::ExitCode(Run());
//   }

#ifndef RCNN_BASE_RUNTIME_H_
#define RCNN_BASE_RUNTIME_H_

#include "rcnn/base/program.h"
#include "rcnn/base/runtime_description.h"

namespace rcnn {

// Does what InitProgram does, and sets threads, BLAS kernels and heap. Adds the
// flags --threads (0: the cores of the affinity mask) and --instructions
// (instructions_flag.h).
void InitRuntime(const ProgramOptions& options, int* argc, char*** argv);

// The same without flags, for main functions that parse their own.
void InitRuntimeWithoutFlags(char** argv);

// The settings of this process.
RuntimeInfo GetRuntimeInfo();

}  // namespace rcnn

#endif  // RCNN_BASE_RUNTIME_H_
