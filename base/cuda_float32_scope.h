// How CUDA multiplies float32 numbers, and that sums of products are float32, during its lifetime.
//
// cuBLAS and cuDNN can round the factors to TensorFloat-32, which has float32's range and 10 bits
// of fraction; LibTorch lets cuDNN do so unless it is told otherwise. cuBLAS can add up a product
// of float16 or bfloat16 in parts and round these to 16 bits; LibTorch lets it do so, and here it
// may not. Of the whole process, so scopes of several threads must not overlap in part. Without
// effect on the CPU.
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
  struct Settings {
    bool cublas_tf32 = false;
    bool cudnn_tf32 = false;
    // Of products of float16 and of bfloat16: LibTorch's CuBLASReductionOption.
    int float16_sums = 0;
    int bfloat16_sums = 0;
  };
  static Settings Read();
  static void Apply(const Settings& settings);

  const Settings before_;
};

}  // namespace rcnn

#endif  // RCNN_BASE_CUDA_FLOAT32_SCOPE_H_
