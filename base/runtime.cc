#include "rcnn/base/runtime.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <dlfcn.h>
#include <gflags/gflags.h>
#include <sys/auxv.h>
#include <torch/version.h>

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "rcnn/base/heap.h"
#include "rcnn/base/instruction_level.h"
#include "rcnn/base/instructions_flag.h"
#include "rcnn/base/instructions_variable.h"
#include "rcnn/base/start_environment.h"
#include "rcnn/base/tensor_allocator.h"
#include "rcnn/base/threads_flag.h"

namespace rcnn {
namespace {

// Re-executes the program if the environment lacks a variable that is read only at
// start-up. Returns if none is missing, if this was done before, or if it is
// impossible. Not done if the program was run through the dynamic loader (AT_BASE
// is then missing), because that would execute the loader.
void ReexecuteIfNeeded(char** argv) {
  if (ConsumeExecutionMark() || !MayReexecute() || getauxval(AT_BASE) == 0) return;
  const StartVariables missing = MissingVariables(OpenBlasCore());
  if (!missing.empty()) ExecuteWith(missing, "/proc/self/exe", argv);
}

// Re-executes the program, which was started as `words` with their null, if its flags have lowered
// the level of instructions and the libraries do not know: its launcher would have told them.
void ReexecuteForLevel(std::vector<char*> words) {
  if (!MayReexecute() || getauxval(AT_BASE) == 0) return;
  const StartVariables missing = MissingLevelVariables(CurrentLevelOrBest());
  if (!missing.empty()) ExecuteWith(missing, "/proc/self/exe", words.data());
}

void SetThreads(int requested) {
  const int threads = requested > 0 ? requested : AllowedCores();
  at::set_num_threads(threads);
  // OpenBLAS has its own thread pool, which LibTorch does not configure.
  using SetNumThreads = void (*)(int);
  const auto set_blas =
      reinterpret_cast<SetNumThreads>(dlsym(RTLD_DEFAULT, "openblas_set_num_threads"));
  if (set_blas != nullptr) set_blas(threads);
}

// The version after "MKL-DNN v" or "oneDNN v" in LibTorch's build description.
std::string OneDnnVersion() {
  const std::string config = at::show_config();
  for (const char* name : {"MKL-DNN) v", "MKL-DNN v", "oneDNN v"}) {
    const size_t at = config.find(name);
    if (at == std::string::npos) continue;
    const size_t begin = at + absl::string_view(name).size();
    return config.substr(begin, config.find_first_not_of("0123456789.", begin) - begin);
  }
  return "none";
}

// What LibTorch's build description says: "AVX512", or "NO AVX" for the baseline.
std::string LibtorchKernels() {
  constexpr char kName[] = "CPU capability usage: ";
  const std::string config = at::show_config();
  const size_t at = config.find(kName);
  if (at == std::string::npos) return "unknown";
  const size_t begin = at + sizeof(kName) - 1;
  return config.substr(begin, config.find('\n', begin) - begin);
}

void SetUp(char** argv) {
  ReexecuteIfNeeded(argv);
  KeepHeap();
  UseTensorAllocator();
  SetThreads(FLAGS_threads);
}

}  // namespace

void InitRuntimeWithoutFlags(char** argv) {
  SetUp(argv);
  CheckInstructionsVariable();
}

void InitRuntime(const ProgramOptions& options, int* argc, char*** argv) {
  const std::vector<char*> words(*argv, *argv + *argc + 1);
  SetUp(*argv);
  ProgramOptions with_version = options;
  with_version.version_lines = [] {
    ApplyInstructionsFlag();
    return VersionLines(GetRuntimeInfo());
  };
  InitProgram(with_version, argc, argv);
  CheckThreadsFlag();
  ApplyInstructionsFlag();
  ReexecuteForLevel(words);
  SetThreads(FLAGS_threads);
}

RuntimeInfo GetRuntimeInfo() {
  RuntimeInfo info;
  info.libtorch_version = TORCH_VERSION;
  info.onednn_version = OneDnnVersion();
  info.blas_core = OpenBlasCore();
  info.cpu_features = CpuFeatures();
  info.instructions = std::string(InstructionLevelName(CurrentLevelOrBest()));
  info.libtorch_kernels = LibtorchKernels();
  info.threads = at::get_num_threads();
  info.allowed_cores = AllowedCores();
  info.cuda = at::hasCUDA();
  info.heap = DescribeHeap();
  info.waiting = DescribeIdleThreads();
  return info;
}

}  // namespace rcnn
