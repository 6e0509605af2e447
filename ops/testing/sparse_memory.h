// Many gigabytes of addresses, of which only the pages that are touched take memory: for offsets
// beyond 2^31 elements.

#ifndef RCNN_OPS_TESTING_SPARSE_MEMORY_H_
#define RCNN_OPS_TESTING_SPARSE_MEMORY_H_

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>

namespace rcnn::ops::testing {

class SparseMemory {
 public:
  // Reserves `bytes`, all 0.
  explicit SparseMemory(int64_t bytes)
      : bytes_(static_cast<size_t>(bytes)),
        data_(mmap(nullptr, bytes_, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)) {}
  ~SparseMemory() {
    if (data_ != MAP_FAILED) munmap(data_, bytes_);
  }
  SparseMemory(const SparseMemory&) = delete;
  SparseMemory& operator=(const SparseMemory&) = delete;

  // The first byte; null where the system refuses, as with a limit on addresses.
  void* data() const { return data_ == MAP_FAILED ? nullptr : data_; }

 private:
  size_t bytes_;
  void* data_;
};

}  // namespace rcnn::ops::testing

#endif  // RCNN_OPS_TESTING_SPARSE_MEMORY_H_
