// Kernels whose source runs on a GPU and on the host.
//
// A kernel is a struct of plain values and pointers. Its work is a grid of blocks of
// kThreads threads, and the work of a block is a sequence of phases with a barrier
// between each two: what a thread wrote in one phase, the other threads of its block
// may read in the next, and not before. Nothing orders the threads of a phase, or the
// blocks.
//
// Phases(block) is the same for all threads of a block; it may read memory that an
// earlier kernel wrote. Shared and Private are trivially copyable.
//
// A launcher runs a kernel: CudaLauncher (ops/cuda/launch.h) on the GPU, HostGrid
// (ops/testing/host_grid.h) in tests. An operator is a function template over the
// launcher that launches its kernels one after another; each sees all that those before
// it wrote.
//
// Files in ops/kernels include no ATen, allocate nothing and call only functions marked
// RCNN_HOST_DEVICE. Multiply-adds are not contracted on either device, so results differ
// only where the devices' exp and log do.
//
// Example, a kernel that reverses the values of each block, and its operator:
//   struct Reverse {
//     static constexpr int kThreads = 128;
//     struct Shared { float values[kThreads]; };      // of a block; not initialised
//     using Private = None;                           // of a thread; outlives a phase
//
//     int64_t Blocks() const { return count / kThreads; }
//     RCNN_HOST_DEVICE int64_t Phases(int64_t) const { return 2; }
//     RCNN_HOST_DEVICE void Run(int64_t phase, const Place& place, Shared& shared, None&) const {
//       if (phase == 0) {
//         shared.values[place.thread] = in[place.block * kThreads + place.thread];
//       } else {
//         out[place.block * kThreads + place.thread] = shared.values[kThreads - 1 - place.thread];
//       }
//     }
//     int64_t count;
//     const float* in;
//     float* out;
//   };
//
//   template <typename Launch>
//   void ReverseAll(Launch& launch, int64_t count, const float* in, float* out) {
//     launch(Reverse{count, in, out});
//   }

#ifndef RCNN_OPS_KERNELS_KERNEL_H_
#define RCNN_OPS_KERNELS_KERNEL_H_

#include <cstdint>
#include <utility>
#include <vector>

#if defined(__CUDACC__)
#define RCNN_HOST_DEVICE __host__ __device__
#else
#define RCNN_HOST_DEVICE
#endif

// Before a loop of a constant number of steps, all of which a GPU is to have in a row: then loads
// do not wait for each other.
#if defined(__CUDA_ARCH__)
#define RCNN_UNROLL _Pragma("unroll")
#else
#define RCNN_UNROLL
#endif

namespace rcnn::ops {

// Which thread of which block runs.
struct Place {
  int64_t block;
  int thread;
};

// For kernels without shared or private values.
struct None {};

// Calls body(i) for each i in [0, count), each in a thread of its own.
template <typename Body>
struct ForEach {
  static constexpr int kThreads = 256;
  using Shared = None;
  using Private = None;

  int64_t Blocks() const { return (count + kThreads - 1) / kThreads; }
  RCNN_HOST_DEVICE int64_t Phases(int64_t /*block*/) const { return 1; }
  RCNN_HOST_DEVICE void Run(int64_t /*phase*/, const Place& place, None& /*shared*/,
                            None& /*private_values*/) const {
    const int64_t i = place.block * kThreads + place.thread;
    if (i < count) body(i);
  }

  int64_t count;
  Body body;
};

template <typename Launch, typename Body>
void LaunchForEach(Launch& launch, int64_t count, const Body& body) {
  launch(ForEach<Body>{count, body});
}

template <typename T>
RCNN_HOST_DEVICE T Lesser(T a, T b) {
  return b < a ? b : a;
}
template <typename T>
RCNN_HOST_DEVICE T Greater(T a, T b) {
  return a < b ? b : a;
}
template <typename T>
RCNN_HOST_DEVICE T Clamped(T value, T low, T high) {
  return Lesser(Greater(value, low), high);
}

RCNN_HOST_DEVICE inline int64_t CeilDivide(int64_t a, int64_t b) { return (a + b - 1) / b; }

// a / b and a % b of numbers in [0, 2^32): a GPU needs a fraction of the instructions that numbers
// of 64 bits take, which it has no division for.
RCNN_HOST_DEVICE inline int64_t Divide32(int64_t a, int64_t b) {
  return static_cast<uint32_t>(a) / static_cast<uint32_t>(b);
}
RCNN_HOST_DEVICE inline int64_t Modulo32(int64_t a, int64_t b) {
  return static_cast<uint32_t>(a) % static_cast<uint32_t>(b);
}

RCNN_HOST_DEVICE inline int64_t CountBits(uint64_t bits) {
#if defined(__CUDA_ARCH__)
  return __popcll(bits);
#else
  return __builtin_popcountll(bits);
#endif
}

// The number of the lowest bit that is set; `bits` is not 0.
RCNN_HOST_DEVICE inline int64_t LowestBit(uint64_t bits) {
#if defined(__CUDA_ARCH__)
  return __ffsll(static_cast<long long>(bits)) - 1;
#else
  return __builtin_ctzll(bits);
#endif
}

// Additions that AtomicAdd has put off; null unless HostGrid isolates the threads of a phase.
using HostAdditions = std::vector<std::pair<uint32_t*, uint32_t>>;
inline HostAdditions*& PendingHostAdditions() {
  static thread_local HostAdditions* pending = nullptr;
  return pending;
}

// Adds to a counter that other threads add to in the same phase, and none reads before the next.
// The sum does not depend on the order. There is none for floating-point numbers, whose sum does.
RCNN_HOST_DEVICE inline void AtomicAdd(uint32_t* counter, uint32_t value) {
#if defined(__CUDA_ARCH__)
  atomicAdd(counter, value);
#else
  if (HostAdditions* pending = PendingHostAdditions()) {
    pending->emplace_back(counter, value);
  } else {
    *counter += value;
  }
#endif
}

}  // namespace rcnn::ops

#endif  // RCNN_OPS_KERNELS_KERNEL_H_
