#include "rcnn/base/cuda_float32_scope.h"

#include <ATen/Context.h>

namespace rcnn {

CudaFloat32Scope::CudaFloat32Scope(bool allow_tf32)
    : cublas_(at::globalContext().allowTF32CuBLAS()),
      cudnn_(at::globalContext().allowTF32CuDNN()) {
  at::globalContext().setAllowTF32CuBLAS(allow_tf32);
  at::globalContext().setAllowTF32CuDNN(allow_tf32);
}

CudaFloat32Scope::~CudaFloat32Scope() {
  at::globalContext().setAllowTF32CuBLAS(cublas_);
  at::globalContext().setAllowTF32CuDNN(cudnn_);
}

}  // namespace rcnn
