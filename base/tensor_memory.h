// The most memory that tensors take at a time while a piece of code runs.
//
// Counts tensors that this thread creates in its lifetime; those from before count neither
// when they live nor when they are freed. What other threads create inside of an operator,
// and scratch that is not a tensor, is not counted. Uses what LibTorch's profiler uses, so it
// does not work while that records memory.
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

  int64_t peak_bytes() const;

 private:
  struct Listening;
  std::unique_ptr<Listening> listening_;
};

}  // namespace rcnn

#endif  // RCNN_BASE_TENSOR_MEMORY_H_
