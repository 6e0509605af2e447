// Measures the peak memory of the tensors that a piece of code creates.
//
// Counts the CPU tensors that this thread creates while the object exists. Earlier tensors
// count neither while they exist nor when they are freed. Tensors that other threads create
// inside an operator, and scratch that is not a tensor, are not counted. Uses the hook of
// LibTorch's profiler, so it does not work while the profiler records memory.
//
// Example:
//   const TensorMemory memory;
//   const at::Tensor zeros = at::zeros({1000, 1000});
//   memory.peak_bytes();  // 4,000,000

#ifndef RCNN_BASE_TENSOR_MEMORY_H_
#define RCNN_BASE_TENSOR_MEMORY_H_

#include <cstdint>
#include <memory>

namespace rcnn {

class TensorMemory {
 public:
  TensorMemory();
  ~TensorMemory();
  TensorMemory(const TensorMemory&) = delete;
  TensorMemory& operator=(const TensorMemory&) = delete;

  // The most bytes that these tensors have taken at a time so far.
  int64_t peak_bytes() const;

 private:
  struct Listening;
  std::unique_ptr<Listening> listening_;
};

}  // namespace rcnn

#endif  // RCNN_BASE_TENSOR_MEMORY_H_
