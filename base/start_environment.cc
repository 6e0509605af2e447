#include "rcnn/base/start_environment.h"

#include <dlfcn.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <exception>

#include "absl/algorithm/container.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "rcnn/base/heap.h"

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
// Eight workspaces of 4 MiB, with which cuBLAS gives the same bits each time
// (determinism_scope.h).
constexpr std::pair<const char*, const char*> kCublasWorkspace = {"CUBLAS_WORKSPACE_CONFIG",
                                                                  ":4096:8"};

// No record of collectives for torch.distributed's debugger. LibTorch 2.11 looks a group up in it
// without a lock, so two threads that use their groups for the first time at once may crash.
constexpr std::pair<const char*, const char*> kCollectiveRecord = {"TORCH_FR_BUFFER_SIZE", "0"};
// Another name of the same variable.
constexpr char kOldCollectiveRecord[] = "TORCH_NCCL_TRACE_BUFFER_SIZE";

// What the libraries call the levels.
struct LevelNames {
  const char* aten;
  const char* onednn;
  const char* mkl;
  const char* open_blas;
};

// `level` is below kAvx512Bf16, since it is below the best one.
LevelNames NameLevel(InstructionLevel level) {
  if (level == InstructionLevel::kPortable) return {"default", "SSE41", "SSE4_2", "NEHALEM"};
  if (level == InstructionLevel::kAvx2) return {"avx2", "AVX2", "AVX2", "HASWELL"};
  return {"avx512", "AVX512_CORE", "AVX512", "SKYLAKEX"};
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

bool NeedsBlasCore(const std::string& core) {
  const std::string best = BestOpenBlasCore();
  return !core.empty() && !best.empty() && !IsAsGoodAs(core, best);
}

bool IsSet(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr && absl::string_view(value) != "" && absl::string_view(value) != "0";
}

void AddUnlessSet(const char* name, const std::string& value, StartVariables& missing) {
  if (std::getenv(name) == nullptr) missing.emplace_back(name, value);
}

}  // namespace

InstructionLevel CurrentLevelOrBest() {
  try {
    return CurrentInstructionLevel();
  } catch (const std::exception&) {
    return SupportedInstructionLevel();
  }
}

StartVariables MissingVariables(const std::string& blas_core, InstructionLevel level) {
  StartVariables missing = MissingLevelVariables(level);
  const bool is_best = level >= SupportedInstructionLevel();
  if (is_best && NeedsBlasCore(blas_core)) AddUnlessSet(kBlasCore, BestOpenBlasCore(), missing);
  for (const HeapVariable& variable : HeapEnvironment()) {
    AddUnlessSet(variable.name, variable.value, missing);
  }
  if (std::getenv(kWaitPolicy) == nullptr) {
    for (const auto& [name, value] : kWaiting) AddUnlessSet(name, value, missing);
  }
  AddUnlessSet(kCublasWorkspace.first, kCublasWorkspace.second, missing);
  if (std::getenv(kOldCollectiveRecord) == nullptr) {
    AddUnlessSet(kCollectiveRecord.first, kCollectiveRecord.second, missing);
  }
  return missing;
}

StartVariables MissingLevelVariables(InstructionLevel level) {
  StartVariables missing;
  if (level >= SupportedInstructionLevel()) return missing;
  const LevelNames names = NameLevel(level);
  AddUnlessSet("ATEN_CPU_CAPABILITY", names.aten, missing);
  // oneDNN's name of today wins over its old one, which the user may have set.
  if (std::getenv("DNNL_MAX_CPU_ISA") == nullptr) {
    AddUnlessSet("ONEDNN_MAX_CPU_ISA", names.onednn, missing);
  }
  AddUnlessSet("MKL_ENABLE_INSTRUCTIONS", names.mkl, missing);
  AddUnlessSet(kBlasCore, names.open_blas, missing);
  return missing;
}

std::string BestOpenBlasCore() {
  if (Supports("avx512f") && Supports("avx512bw") && Supports("avx512dq") && Supports("avx512vl")) {
    return "SKYLAKEX";
  }
  return Supports("avx2") && Supports("fma") ? "HASWELL" : "";
}

std::string OpenBlasCore() {
  using CoreName = const char* (*)();
  const auto corename = reinterpret_cast<CoreName>(dlsym(RTLD_DEFAULT, "openblas_get_corename"));
  return corename == nullptr ? "" : corename();
}

std::string CpuFeatures() {
  std::vector<std::string> present;
  for (const char* feature : {"avx2", "fma", "avx512f", "avx512bw", "avx512dq", "avx512vl",
                              "avx512vnni", "avx512_bf16"}) {
    if (Supports(feature)) present.push_back(feature);
  }
  return absl::StrJoin(present, " ");
}

std::vector<std::string> DescribeIdleThreads() {
  std::vector<std::string> set;
  for (const char* name : {kWaiting[0].first, kWaiting[1].first, kWaitPolicy}) {
    const char* value = std::getenv(name);
    if (value != nullptr) set.push_back(absl::StrCat(name, "=", value));
  }
  return set;
}

bool MayReexecute() { return !IsSet(kForbid); }

bool ConsumeExecutionMark() {
  const char* mark = std::getenv(kGuard);
  const bool marked = mark != nullptr && absl::StrCat(getpid()) == mark;
  unsetenv(kGuard);
  return marked;
}

void ExecuteWith(StartVariables variables, const char* file, char** argv) {
  variables.emplace_back(kGuard, absl::StrCat(getpid()));
  for (const auto& [name, value] : variables) setenv(name.c_str(), value.c_str(), /*overwrite=*/1);
  std::fflush(nullptr);
  execv(file, argv);
  // execv failed: restore the environment, in which none of them was set.
  for (const auto& [name, value] : variables) unsetenv(name.c_str());
}

}  // namespace rcnn
