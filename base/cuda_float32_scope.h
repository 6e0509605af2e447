// How CUDA multiplies float32 numbers, during its lifetime.
//
// cuBLAS and cuDNN can round the factors to TensorFloat-32, which has float32's range and 10 bits
// of fraction; LibTorch lets cuDNN do so unless it is told otherwise. Of the whole process, so
// scopes of several threads must not overlap in part. Without effect on the CPU.
//
// Example:
//   const CudaFloat32Scope scope(/*allow_tf32=*/false);
//   Multiply();

#ifndef RCNN_BASE_CUDA_FLOAT32_SCOPE_H_
#define RCNN_BASE_CUDA_FLOAT32_SCOPE_H_

namespace rcnn {

class CudaFloat32Scope {
 public:
  explicit CudaFloat32Scope(bool allow_tf32);
  // Restores what was set before.
  ~CudaFloat32Scope();
  CudaFloat32Scope(const CudaFloat32Scope&) = delete;
  CudaFloat32Scope& operator=(const CudaFloat32Scope&) = delete;

 private:
  bool cublas_ = false;
  bool cudnn_ = false;
};

}  // namespace rcnn

#endif  // RCNN_BASE_CUDA_FLOAT32_SCOPE_H_
