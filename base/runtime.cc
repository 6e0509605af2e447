#include "rcnn/base/runtime.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <dlfcn.h>
#include <gflags/gflags.h>
#include <sys/auxv.h>
#include <torch/version.h>

#include <string>

#include "absl/strings/string_view.h"
#include "rcnn/base/heap.h"
#include "rcnn/base/instructions_flag.h"
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
  SetUp(*argv);
  ProgramOptions with_version = options;
  with_version.version_lines = [] { return VersionLines(GetRuntimeInfo()); };
  InitProgram(with_version, argc, argv);
  CheckThreadsFlag();
  ApplyInstructionsFlag();
  SetThreads(FLAGS_threads);
}

RuntimeInfo GetRuntimeInfo() {
  RuntimeInfo info;
  info.libtorch_version = TORCH_VERSION;
  info.onednn_version = OneDnnVersion();
  info.blas_core = OpenBlasCore();
  info.cpu_features = CpuFeatures();
  info.threads = at::get_num_threads();
  info.allowed_cores = AllowedCores();
  info.cuda = at::hasCUDA();
  info.heap = DescribeHeap();
  info.waiting = DescribeIdleThreads();
  return info;
}

}  // namespace rcnn
