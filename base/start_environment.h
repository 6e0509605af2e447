// The environment that a program with tensors must be started with.
//
// OpenBLAS's choice of kernels, glibc's use of huge pages, and how long idle threads of
// OpenMP and of OpenBLAS spin, are read from the environment before main(). The workspaces of
// cuBLAS, on which it depends whether its results vary, and whether LibTorch records collectives,
// are read when they are first used. A launcher (launcher_main.cc), or the program itself
// (runtime.h), sets what is missing and executes the program. Variables that the user has set are
// unchanged.
//
// So are the instructions that LibTorch's own kernels, oneDNN, MKL and OpenBLAS may use, where the
// user has lowered the level of instructions (instruction_level.h): rcnn's kernels ask for the
// level, but the libraries for the processor.
//
// Example:
//   const auto missing = MissingVariables(OpenBlasCore());
//   if (!missing.empty() && MayReexecute()) ExecuteWith(missing, "/proc/self/exe", argv);

#ifndef RCNN_BASE_START_ENVIRONMENT_H_
#define RCNN_BASE_START_ENVIRONMENT_H_

#include <string>
#include <utility>
#include <vector>

#include "rcnn/base/instruction_set.h"

namespace rcnn {

using StartVariables = std::vector<std::pair<std::string, std::string>>;

// CurrentInstructionLevel(), or the best level where that throws: what starts a program leaves it
// to the program to say what is wrong with its settings. Never throws.
InstructionLevel CurrentLevelOrBest();

// The variables that must still be set, names and values. `blas_core`: the kernels that
// OpenBLAS has chosen in this process; "" if another BLAS is used. Includes
// MissingLevelVariables(level).
StartVariables MissingVariables(const std::string& blas_core,
                                InstructionLevel level = CurrentLevelOrBest());

// Those that keep the libraries from newer instructions than `level`; none if that is the best
// level of the processor. No library can be kept from SSE4.2, which counts as portable here. MKL
// heeds its variable only on Intel's processors. What is read when the library is loaded
// (OpenBLAS), or first used (the others), must be set before.
StartVariables MissingLevelVariables(InstructionLevel level);

// The OpenBLAS core type that the CPU's instructions allow: "SKYLAKEX", "HASWELL", or ""
// to let OpenBLAS choose.
std::string BestOpenBlasCore();

// The kernels that the loaded OpenBLAS uses, "SkylakeX"; "" if none is loaded.
std::string OpenBlasCore();

// The relevant features of the CPU: "avx2 fma avx512f avx512_bf16".
std::string CpuFeatures();

// The settings for idle threads that are in force, "GOMP_SPINCOUNT=1000".
std::vector<std::string> DescribeIdleThreads();

// False if the user has forbidden a second execution (RCNN_NO_REEXEC=1).
bool MayReexecute();

// True, once, in a program that ExecuteWith has started. Removes the mark, so that child
// processes do not inherit it.
bool ConsumeExecutionMark();

// Replaces this process with `file`, with the variables added to the environment. Returns
// only if that fails; the environment is then as before.
void ExecuteWith(StartVariables variables, const char* file, char** argv);

}  // namespace rcnn

#endif  // RCNN_BASE_START_ENVIRONMENT_H_
