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

#else

struct Silence {
  Silence() {}  // so that an object counts as used
};

#endif

void Allow(bool cublas, bool cudnn) {
  const Silence silence;
  at::globalContext().setAllowTF32CuBLAS(cublas);
  at::globalContext().setAllowTF32CuDNN(cudnn);
}

}  // namespace

CudaFloat32Scope::CudaFloat32Scope(bool allow_tf32) {
  {
    const Silence silence;
    cublas_ = at::globalContext().allowTF32CuBLAS();
    cudnn_ = at::globalContext().allowTF32CuDNN();
  }
  Allow(allow_tf32, allow_tf32);
}

CudaFloat32Scope::~CudaFloat32Scope() { Allow(cublas_, cudnn_); }

}  // namespace rcnn
