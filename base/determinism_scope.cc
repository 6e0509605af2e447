#include "rcnn/base/determinism_scope.h"

#include <ATen/Context.h>

#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "rcnn/base/libtorch_version.h"

namespace rcnn {
namespace {

constexpr char kWorkspace[] = "CUBLAS_WORKSPACE_CONFIG";

// Filling new tensors finds reads of values that nobody wrote, and costs time.
#if RCNN_LIBTORCH_2
bool Fills() { return at::globalContext().deterministicFillUninitializedMemory(); }
void SetFills(bool on) { at::globalContext().setDeterministicFillUninitializedMemory(on); }
#else
bool Fills() { return false; }
void SetFills(bool) {}
#endif

}  // namespace

DeterminismScope::Settings DeterminismScope::Read() {
  const at::Context& context = at::globalContext();
  return {context.deterministicAlgorithms(), context.deterministicAlgorithmsWarnOnly(),
          context.deterministicCuDNN(), context.benchmarkCuDNN(), Fills()};
}

void DeterminismScope::Apply(const Settings& settings) {
  at::Context& context = at::globalContext();
  context.setDeterministicAlgorithms(settings.algorithms, settings.only_warns);
  context.setDeterministicCuDNN(settings.cudnn);
  context.setBenchmarkCuDNN(settings.benchmark);
  SetFills(settings.fills);
}

DeterminismScope::DeterminismScope(c10::DeviceType device, bool deterministic) : before_(Read()) {
  if (device == c10::DeviceType::CPU) return;
  Settings settings;
  settings.algorithms = deterministic;
  settings.cudnn = deterministic;
  settings.benchmark = !deterministic;
  Apply(settings);
}

DeterminismScope::~DeterminismScope() { Apply(before_); }

absl::Status CheckCublasWorkspace() {
  const char* const value = std::getenv(kWorkspace);
  const absl::string_view found = value == nullptr ? "" : value;
  if (found == ":4096:8" || found == ":16:8") return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("results on a GPU are the same each time only with ", kWorkspace,
                   "=:4096:8 or :16:8 in the environment, and it is \"", found,
                   "\"; unset it, and do not set RCNN_NO_REEXEC, or train with deterministic: "
                   "false"));
}

}  // namespace rcnn
