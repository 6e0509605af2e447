#include "rcnn/base/cuda_float32_scope.h"

#include <ATen/Context.h>
#include <c10/util/Exception.h>

#include "rcnn/base/libtorch_version.h"

namespace rcnn {
namespace {

#if RCNN_LIBTORCH_2

class IgnoreWarnings : public c10::WarningHandler {
 public:
  void process(const c10::Warning&) override {}
};

// LibTorch 2.9 and later warn that there is another interface, which 1.13 does not have.
class Silence {
 private:
  IgnoreWarnings handler_;
  c10::WarningUtils::WarningHandlerGuard guard_{&handler_};
};

using Option = at::CuBLASReductionOption;

constexpr int kShort = static_cast<int>(Option::AllowReducedPrecisionWithSplitK);
constexpr int kWhole = static_cast<int>(Option::DisallowReducedPrecisionDisallowSplitK);
constexpr int kFloat32 = static_cast<int>(Option::DisallowReducedPrecisionAllowSplitK);

int Float16Sums() { return static_cast<int>(at::globalContext().allowFP16ReductionCuBLAS()); }
int Bfloat16Sums() { return static_cast<int>(at::globalContext().allowBF16ReductionCuBLAS()); }
void SetFloat16Sums(int sums) {
  at::globalContext().setAllowFP16ReductionCuBLAS(sums == kShort, sums != kWhole);
}
void SetBfloat16Sums(int sums) {
  at::globalContext().setAllowBF16ReductionCuBLAS(sums == kShort, sums != kWhole);
}

#else

struct Silence {
  Silence() {}  // so that an object counts as used
};

// 1.13 has no option for bfloat16.
constexpr int kShort = 0;
constexpr int kFloat32 = 1;

int Float16Sums() { return at::globalContext().allowFP16ReductionCuBLAS() ? kShort : kFloat32; }
int Bfloat16Sums() { return kFloat32; }
void SetFloat16Sums(int sums) { at::globalContext().setAllowFP16ReductionCuBLAS(sums == kShort); }
void SetBfloat16Sums(int /*sums*/) {}

#endif

}  // namespace

CudaFloat32Scope::Settings CudaFloat32Scope::Read() {
  const Silence silence;
  const at::Context& context = at::globalContext();
  return {context.allowTF32CuBLAS(), context.allowTF32CuDNN(), Float16Sums(), Bfloat16Sums()};
}

void CudaFloat32Scope::Apply(const Settings& settings) {
  const Silence silence;
  at::globalContext().setAllowTF32CuBLAS(settings.cublas_tf32);
  at::globalContext().setAllowTF32CuDNN(settings.cudnn_tf32);
  SetFloat16Sums(settings.float16_sums);
  SetBfloat16Sums(settings.bfloat16_sums);
}

CudaFloat32Scope::CudaFloat32Scope(bool allow_tf32) : before_(Read()) {
  Apply({allow_tf32, allow_tf32, kFloat32, kFloat32});
}

CudaFloat32Scope::~CudaFloat32Scope() { Apply(before_); }

}  // namespace rcnn
