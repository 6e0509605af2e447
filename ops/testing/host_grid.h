// Runs kernels of ops/kernels on the host, in ways that show races and missing barriers.
//
// Blocks run in random order, the threads of a phase too, and what is shared by a block
// or private to a thread starts as bytes 0xff: NaN, or -1. A kernel without races gives
// the same bits in each of these orders:
//
//   kForward   a random order of the blocks, and another for each phase
//   kReversed  the same orders backwards. So of any two threads of a phase each runs
//              first once: a read of what the other writes is seen to depend on the order
//   kIsolated  each thread of a phase sees shared memory as it was at the barrier, and
//              what it writes appears at the next. Two threads that change one byte are a
//              conflict. This shows lost updates, such as `shared.count += 1`
//
// Limits: writes to global memory are seen at once in each order, so that a lost update
// there is not shown; and equal bytes written over equal ones are not seen.
//
// Example:
//   for (const HostOrder order : kAllHostOrders) {
//     HostGrid launch(order, seed);
//     std::vector<float> out(in.size());
//     ReverseAll(launch, in.size(), in.data(), out.data());
//     EXPECT_EQ(launch.conflict(), "");
//     EXPECT_EQ(out, expected);
//   }

#ifndef RCNN_OPS_TESTING_HOST_GRID_H_
#define RCNN_OPS_TESTING_HOST_GRID_H_

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <numeric>
#include <random>
#include <string>
#include <type_traits>
#include <vector>

#include "rcnn/ops/kernels/kernel.h"

namespace rcnn::ops::testing {

enum class HostOrder { kForward, kReversed, kIsolated };

constexpr HostOrder kAllHostOrders[] = {HostOrder::kForward, HostOrder::kReversed,
                                        HostOrder::kIsolated};

// A launcher of kernels. Not for several threads.
class HostGrid {
 public:
  explicit HostGrid(HostOrder order, uint64_t seed = 1) : order_(order), random_(seed) {}

  // Runs all blocks of `kernel`.
  template <typename Kernel>
  void operator()(const Kernel& kernel) {
    static_assert(std::is_trivially_copyable_v<Kernel>, "a kernel is copied to the device");
    static_assert(std::is_trivially_copyable_v<typename Kernel::Shared>);
    static_assert(std::is_trivially_copyable_v<typename Kernel::Private>);
    static_assert(sizeof(typename Kernel::Shared) <= 48 * 1024, "a GPU block has 48 KiB");
    static_assert(Kernel::kThreads >= 1 && Kernel::kThreads <= 1024);
    for (const int64_t block : Shuffled<int64_t>(kernel.Blocks())) RunBlock(kernel, block);
  }

  // Where two threads of a phase first changed the same byte of shared memory; "" if nowhere.
  const std::string& conflict() const { return conflict_; }

 private:
  // Values that no constructor has touched, poisoned. On the heap, so that a sanitizer sees access
  // beyond them.
  template <typename T>
  class Poisoned {
   public:
    explicit Poisoned(int64_t count) : bytes_(new Slot[count]) {
      std::memset(static_cast<void*>(bytes_.get()), 0xff, count * sizeof(Slot));
    }
    T& operator[](int64_t i) { return *reinterpret_cast<T*>(&bytes_[i]); }

   private:
    using Slot = std::aligned_storage_t<sizeof(T), alignof(T)>;
    std::unique_ptr<Slot[]> bytes_;
  };

  template <typename Index>
  std::vector<Index> Shuffled(Index count) {
    std::vector<Index> order(count);
    std::iota(order.begin(), order.end(), Index{0});
    std::shuffle(order.begin(), order.end(), random_);
    if (order_ == HostOrder::kReversed) std::reverse(order.begin(), order.end());
    return order;
  }

  template <typename Kernel>
  void RunBlock(const Kernel& kernel, int64_t block) {
    Poisoned<typename Kernel::Shared> shared(1);
    Poisoned<typename Kernel::Private> values(Kernel::kThreads);
    const int64_t phases = kernel.Phases(block);
    for (int64_t phase = 0; phase < phases; ++phase) {
      if (order_ == HostOrder::kIsolated) {
        RunIsolated(kernel, phase, block, shared[0], values);
      } else {
        for (const int thread : Shuffled<int>(Kernel::kThreads)) {
          kernel.Run(phase, {block, thread}, shared[0], values[thread]);
        }
      }
    }
  }

  template <typename Kernel>
  void RunIsolated(const Kernel& kernel, int64_t phase, int64_t block,
                   typename Kernel::Shared& shared, Poisoned<typename Kernel::Private>& values) {
    constexpr size_t kBytes = sizeof(shared);
    constexpr size_t kCompared = 64;  // bytes that are compared at a time
    const auto* bytes = reinterpret_cast<const unsigned char*>(&shared);
    const std::vector<unsigned char> before(bytes, bytes + kBytes);
    std::vector<unsigned char> after = before;
    std::vector<bool> changed(kBytes);
    HostAdditions additions;
    PendingHostAdditions() = &additions;
    for (const int thread : Shuffled<int>(Kernel::kThreads)) {
      kernel.Run(phase, {block, thread}, shared, values[thread]);
      if (std::memcmp(&shared, before.data(), kBytes) == 0) continue;
      for (size_t begin = 0; begin < kBytes; begin += kCompared) {
        const size_t end = std::min(begin + kCompared, kBytes);
        if (std::memcmp(bytes + begin, before.data() + begin, end - begin) == 0) continue;
        for (size_t i = begin; i < end; ++i) {
          if (bytes[i] == before[i]) continue;
          if (changed[i]) NoteConflict(phase, {block, thread}, i);
          changed[i] = true;
          after[i] = bytes[i];
        }
      }
      std::memcpy(static_cast<void*>(&shared), before.data(), kBytes);
    }
    PendingHostAdditions() = nullptr;
    std::memcpy(static_cast<void*>(&shared), after.data(), kBytes);
    for (const auto& [counter, value] : additions) *counter += value;
  }

  void NoteConflict(int64_t phase, const Place& place, size_t byte) {
    if (!conflict_.empty()) return;
    conflict_ = "byte " + std::to_string(byte) + " of shared memory: thread " +
                std::to_string(place.thread) + " and another changed it in phase " +
                std::to_string(phase) + " of block " + std::to_string(place.block);
  }

  HostOrder order_;
  std::mt19937_64 random_;
  std::string conflict_;
};

}  // namespace rcnn::ops::testing

#endif  // RCNN_OPS_TESTING_HOST_GRID_H_
