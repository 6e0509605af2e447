#include "rcnn/base/runtime.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <dlfcn.h>
#include <gflags/gflags.h>
#include <sched.h>
#include <sys/auxv.h>
#include <torch/version.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "rcnn/base/heap.h"
#include "rcnn/base/tensor_allocator.h"

DEFINE_int32(threads, 0,
             "Threads that one tensor operation may use; 0: as many as the cores that the process "
             "may run on.");

namespace rcnn {
namespace {

// Set to the process id before the re-execution, which keeps the id. So the second
// run recognises itself, and child processes, whose id differs, do not.
constexpr char kGuard[] = "RCNN_REEXECUTED_PID";
constexpr char kForbid[] = "RCNN_NO_REEXEC";
constexpr char kBlasCore[] = "OPENBLAS_CORETYPE";

// Idle threads spin for tens of microseconds, then sleep. The values are loop
// iterations for OpenMP, and the n of 2^n clock ticks for OpenBLAS.
constexpr std::pair<const char*, const char*> kWaiting[] = {{"GOMP_SPINCOUNT", "1000"},
                                                            {"OPENBLAS_THREAD_TIMEOUT", "6"}};
// OpenMP's standard variable for the same.
constexpr char kWaitPolicy[] = "OMP_WAIT_POLICY";

template <typename Function>
Function FindSymbol(const char* name) {
  return reinterpret_cast<Function>(dlsym(RTLD_DEFAULT, name));
}

std::string OpenBlasCore() {
  const auto corename = FindSymbol<const char* (*)()>("openblas_get_corename");
  return corename == nullptr ? "" : corename();
}

bool Supports(absl::string_view feature) {
#if defined(__x86_64__)
  if (feature == "avx2") return __builtin_cpu_supports("avx2");
  if (feature == "fma") return __builtin_cpu_supports("fma");
  if (feature == "avx512f") return __builtin_cpu_supports("avx512f");
  if (feature == "avx512bw") return __builtin_cpu_supports("avx512bw");
  if (feature == "avx512dq") return __builtin_cpu_supports("avx512dq");
  if (feature == "avx512vl") return __builtin_cpu_supports("avx512vl");
  if (feature == "avx512vnni") return __builtin_cpu_supports("avx512vnni");
  if (feature == "avx512_bf16") return __builtin_cpu_supports("avx512bf16");
#endif
  return false;
}

std::string CpuFeatures() {
  std::vector<std::string> present;
  for (const char* feature : {"avx2", "fma", "avx512f", "avx512bw", "avx512dq", "avx512vl",
                              "avx512vnni", "avx512_bf16"}) {
    if (Supports(feature)) present.push_back(feature);
  }
  return absl::StrJoin(present, " ");
}

// Whether OpenBLAS's kernels named `core` use at least the instruction set of
// `best` ("SKYLAKEX", "HASWELL").
bool IsAsGoodAs(const std::string& core, const std::string& best) {
  static const auto& avx512 =
      *new std::vector<std::string>{"skylakex", "cooperlake", "sapphirerapids"};
  static const auto& avx2 = *new std::vector<std::string>{"haswell", "zen"};
  const std::string name = absl::AsciiStrToLower(core);
  return absl::c_linear_search(avx512, name) ||
         (best == "HASWELL" && absl::c_linear_search(avx2, name));
}

bool NeedsBlasCore() {
  const std::string core = OpenBlasCore(), best = BestOpenBlasCore();
  return !core.empty() && !best.empty() && !IsAsGoodAs(core, best);
}

// The environment variables that a program must be started with, without those that
// the user set.
std::vector<std::pair<std::string, std::string>> LackingVariables() {
  std::vector<std::pair<std::string, std::string>> lacking;
  const auto add_unless_set = [&](const char* name, const std::string& value) {
    if (std::getenv(name) == nullptr) lacking.emplace_back(name, value);
  };
  if (NeedsBlasCore()) add_unless_set(kBlasCore, BestOpenBlasCore());
  for (const HeapVariable& variable : HeapEnvironment()) {
    add_unless_set(variable.name, variable.value);
  }
  if (std::getenv(kWaitPolicy) == nullptr) {
    for (const auto& [name, value] : kWaiting) add_unless_set(name, value);
  }
  return lacking;
}

bool IsSet(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr && absl::string_view(value) != "" && absl::string_view(value) != "0";
}

// Re-executes the program if the environment lacks a variable that is read only at
// start-up. Returns if none is missing, if this was done before, or if it is
// impossible. Not done if the program was run through the dynamic loader (AT_BASE
// is then missing), because that would execute the loader.
void ReexecuteIfNeeded(char** argv) {
  const std::string self = absl::StrCat(getpid());
  const char* guard = std::getenv(kGuard);
  const bool done = guard != nullptr && self == guard;
  unsetenv(kGuard);
  if (done || IsSet(kForbid) || getauxval(AT_BASE) == 0) return;
  auto variables = LackingVariables();
  if (variables.empty()) return;
  variables.emplace_back(kGuard, self);
  for (const auto& [name, value] : variables) setenv(name.c_str(), value.c_str(), /*overwrite=*/1);
  std::fflush(nullptr);
  execv("/proc/self/exe", argv);
  // It failed: continue, and unset the variables that were not read.
  for (const auto& [name, value] : variables) unsetenv(name.c_str());
}

int AllowedCores() {
  cpu_set_t cores;
  CPU_ZERO(&cores);
  if (sched_getaffinity(0, sizeof(cores), &cores) != 0) return 1;
  return std::max(1, CPU_COUNT(&cores));
}

void SetThreads(int requested) {
  const int threads = requested > 0 ? requested : AllowedCores();
  at::set_num_threads(threads);
  // OpenBLAS has its own thread pool, which LibTorch does not configure.
  const auto set_blas = FindSymbol<void (*)(int)>("openblas_set_num_threads");
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

std::vector<std::string> WaitingInForce() {
  std::vector<std::string> set;
  for (const char* name : {kWaiting[0].first, kWaiting[1].first, kWaitPolicy}) {
    const char* value = std::getenv(name);
    if (value != nullptr) set.push_back(absl::StrCat(name, "=", value));
  }
  return set;
}

std::vector<std::string> VersionLines() {
  const RuntimeInfo info = GetRuntimeInfo();
  return {absl::StrCat("libtorch: ", info.libtorch_version, info.cuda ? " with CUDA" : ""),
          absl::StrCat("onednn: ", info.onednn_version),
          absl::StrCat("blas core: ", info.blas_core.empty() ? "not OpenBLAS" : info.blas_core),
          absl::StrCat("cpu features: ", info.cpu_features),
          absl::StrCat("threads: ", info.threads, " of ", info.allowed_cores, " allowed cores"),
          absl::StrCat("heap: ", absl::StrJoin(info.heap, " ")),
          absl::StrCat("waiting: ", absl::StrJoin(info.waiting, " "))};
}

// Reports a wrong value as InitProgram does.
void CheckThreads() {
  if (FLAGS_threads >= 0 && FLAGS_threads <= 4096) return;
  std::fprintf(stderr, "error: --threads=%d is not a number of threads (0 to 4096)\n",
               FLAGS_threads);
  std::exit(2);
}

}  // namespace

std::string BestOpenBlasCore() {
  if (Supports("avx512f") && Supports("avx512bw") && Supports("avx512dq") && Supports("avx512vl")) {
    return "SKYLAKEX";
  }
  return Supports("avx2") && Supports("fma") ? "HASWELL" : "";
}

void InitRuntimeWithoutFlags(char** argv) {
  ReexecuteIfNeeded(argv);
  KeepHeap();
  UseTensorAllocator();
  SetThreads(FLAGS_threads);
}

void InitRuntime(const ProgramOptions& options, int* argc, char*** argv) {
  InitRuntimeWithoutFlags(*argv);
  ProgramOptions with_versions = options;
  for (std::string& line : VersionLines()) with_versions.version_lines.push_back(std::move(line));
  InitProgram(with_versions, argc, argv);
  CheckThreads();
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
  info.waiting = WaitingInForce();
  return info;
}

}  // namespace rcnn
