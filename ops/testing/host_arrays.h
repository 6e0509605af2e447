// Scratch arrays for kernels under HostGrid.
//
// Each array is an allocation of its own, so that a sanitizer sees access beyond it, and is filled
// with bytes 0xff: NaN, or -1, where a kernel reads what it has not written.
//
// Example:
//   HostArrays arrays;
//   double* sums;
//   arrays.Add(&sums, count);

#ifndef RCNN_OPS_TESTING_HOST_ARRAYS_H_
#define RCNN_OPS_TESTING_HOST_ARRAYS_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

namespace rcnn::ops::testing {

class HostArrays {
 public:
  // Sets `*pointer` to `count` elements, which live as long as this.
  template <typename T>
  void Add(T** pointer, int64_t count) {
    static_assert(std::is_trivially_copyable_v<T>);
    const size_t bytes = static_cast<size_t>(count) * sizeof(T);
    std::unique_ptr<unsigned char[]> array(new unsigned char[bytes]);
    std::memset(array.get(), 0xff, bytes);
    *pointer = reinterpret_cast<T*>(array.get());
    arrays_.push_back(std::move(array));
  }

 private:
  std::vector<std::unique_ptr<unsigned char[]>> arrays_;
};

}  // namespace rcnn::ops::testing

#endif  // RCNN_OPS_TESTING_HOST_ARRAYS_H_
