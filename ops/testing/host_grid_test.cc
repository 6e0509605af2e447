#include "rcnn/ops/testing/host_grid.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "rcnn/ops/kernels/kernel.h"

namespace rcnn::ops::testing {
namespace {

using ::testing::Each;
using ::testing::ElementsAreArray;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr int kThreads = 64;
constexpr int64_t kBlocks = 5;
constexpr uint64_t kSeeds = 50;

// What the kernels below share: a block of kThreads integers in, as many out.
struct Block {
  static constexpr int kThreads = testing::kThreads;
  struct Shared {
    int32_t values[kThreads];
    int32_t count;
  };
  using Private = None;

  int64_t Blocks() const { return kBlocks; }
  RCNN_HOST_DEVICE int64_t Index(const Place& place) const {
    return place.block * kThreads + place.thread;
  }

  const int32_t* in;
  int32_t* out;
};

// Sums each block in a tree; out[block * kThreads] is the sum.
struct TreeSum : Block {
  int64_t Phases(int64_t) const { return 8; }
  void Run(int64_t phase, const Place& place, Shared& shared, None&) const {
    if (phase == 0) {
      shared.values[place.thread] = in[Index(place)];
    } else if (phase < 7) {
      const int width = kThreads >> phase;
      if (place.thread < width) {
        shared.values[place.thread] += shared.values[place.thread + width];
      }
    } else if (place.thread == 0) {
      out[Index(place)] = shared.values[0];
    }
  }
};

// Without the barrier between writing and reading.
struct ReverseWithoutBarrier : Block {
  int64_t Phases(int64_t) const { return 1; }
  void Run(int64_t, const Place& place, Shared& shared, None&) const {
    shared.values[place.thread] = in[Index(place)];
    out[Index(place)] = shared.values[kThreads - 1 - place.thread];
  }
};

struct Reverse : ReverseWithoutBarrier {
  int64_t Phases(int64_t) const { return 2; }
  void Run(int64_t phase, const Place& place, Shared& shared, None&) const {
    if (phase == 0) {
      shared.values[place.thread] = in[Index(place)];
    } else {
      out[Index(place)] = shared.values[kThreads - 1 - place.thread];
    }
  }
};

// Two threads write each place.
struct WriteTwice : Block {
  int64_t Phases(int64_t) const { return 2; }
  void Run(int64_t phase, const Place& place, Shared& shared, None&) const {
    if (phase == 0) {
      shared.values[place.thread / 2] = in[Index(place)];
    } else {
      out[Index(place)] = shared.values[place.thread / 2];
    }
  }
};

// Adds without an atomic operation: in any order of whole threads the count is right.
template <bool kAtomic>
struct Count : Block {
  int64_t Phases(int64_t) const { return 3; }
  void Run(int64_t phase, const Place& place, Shared& shared, None&) const {
    if (phase == 0) {
      if (place.thread == 0) shared.count = 0;
    } else if (phase == 1) {
      if (kAtomic) {
        AtomicAdd(reinterpret_cast<uint32_t*>(&shared.count), 1);
      } else {
        shared.count += 1;
      }
    } else {
      out[Index(place)] = shared.count;
    }
  }
};

// Reads shared memory that nobody wrote.
struct ReadUnwritten : Block {
  int64_t Phases(int64_t) const { return 1; }
  void Run(int64_t, const Place& place, Shared& shared, None&) const {
    out[Index(place)] = shared.count;
  }
};

// Each block reads what its neighbour writes.
struct ReadNeighbour : Block {
  int64_t Phases(int64_t) const { return 1; }
  void Run(int64_t, const Place& place, Shared&, None&) const {
    const int64_t next = (place.block + 1) % kBlocks * kThreads + place.thread;
    out[Index(place)] = in[Index(place)] + out[next];
  }
};

// A private value survives the barrier.
struct KeepPrivate : Block {
  struct Private {
    int32_t value;
  };
  int64_t Phases(int64_t) const { return 2; }
  void Run(int64_t phase, const Place& place, Shared&, Private& values) const {
    if (phase == 0) {
      values.value = in[Index(place)];
    } else {
      out[Index(place)] = values.value;
    }
  }
};

struct Outcome {
  std::vector<int32_t> out;
  std::string conflict;
};

template <typename Kernel>
Outcome RunKernel(HostOrder order, uint64_t seed) {
  std::vector<int32_t> in(kBlocks * kThreads);
  for (size_t i = 0; i < in.size(); ++i) in[i] = static_cast<int32_t>(i) + 1;
  Outcome outcome{std::vector<int32_t>(in.size()), ""};
  Kernel kernel;
  kernel.in = in.data();
  kernel.out = outcome.out.data();
  HostGrid launch(order, seed);
  launch(kernel);
  outcome.conflict = launch.conflict();
  return outcome;
}

template <typename Kernel>
std::vector<int32_t> Out(HostOrder order, uint64_t seed = 1) {
  return RunKernel<Kernel>(order, seed).out;
}

TEST(HostGridTest, KernelWithBarriersGivesTheSameInAnyOrder) {
  std::vector<int32_t> reversed;
  for (int32_t b = 0; b < kBlocks; ++b) {
    for (int32_t i = kThreads; i > 0; --i) reversed.push_back(b * kThreads + i);
  }
  for (const HostOrder order : kAllHostOrders) {
    for (uint64_t seed = 0; seed < kSeeds; ++seed) {
      const Outcome sum = RunKernel<TreeSum>(order, seed);
      for (int64_t b = 0; b < kBlocks; ++b) {
        EXPECT_EQ(sum.out[b * kThreads], kThreads * (kThreads * b + (kThreads + 1) / 2.0));
      }
      EXPECT_EQ(sum.conflict, "");
      EXPECT_THAT(Out<Reverse>(order, seed), ElementsAreArray(reversed));
    }
  }
}

// For every seed, not by luck: in one of the two orders some thread reads before the other writes.
TEST(HostGridTest, MissingBarrierIsSeenForEverySeed) {
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    EXPECT_THAT(Out<ReverseWithoutBarrier>(HostOrder::kForward, seed),
                Not(ElementsAreArray(Out<ReverseWithoutBarrier>(HostOrder::kReversed, seed))));
    EXPECT_THAT(Out<ReverseWithoutBarrier>(HostOrder::kIsolated, seed), Each(-1))
        << "an isolated thread sees none of the others' writes";
  }
}

TEST(HostGridTest, TwoWritersOfOnePlaceAreSeenForEverySeed) {
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    EXPECT_THAT(Out<WriteTwice>(HostOrder::kForward, seed),
                Not(ElementsAreArray(Out<WriteTwice>(HostOrder::kReversed, seed))));
    EXPECT_THAT(RunKernel<WriteTwice>(HostOrder::kIsolated, seed).conflict,
                HasSubstr("changed it in phase 0"));
  }
}

// The order of threads that run one after another cannot show it, isolation does.
TEST(HostGridTest, LostUpdateIsSeenByIsolation) {
  EXPECT_THAT(Out<Count<false>>(HostOrder::kForward), Each(kThreads));
  EXPECT_THAT(RunKernel<Count<false>>(HostOrder::kIsolated, 1).conflict,
              HasSubstr("changed it in phase 1"));
  for (const HostOrder order : kAllHostOrders) {
    EXPECT_THAT(Out<Count<true>>(order), Each(kThreads));
    EXPECT_EQ(RunKernel<Count<true>>(order, 1).conflict, "");
  }
}

TEST(HostGridTest, UnwrittenSharedMemoryIsPoison) {
  for (const HostOrder order : kAllHostOrders) EXPECT_THAT(Out<ReadUnwritten>(order), Each(-1));
}

TEST(HostGridTest, RaceBetweenBlocksIsSeenForEverySeed) {
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    EXPECT_THAT(Out<ReadNeighbour>(HostOrder::kForward, seed),
                Not(ElementsAreArray(Out<ReadNeighbour>(HostOrder::kReversed, seed))));
  }
}

TEST(HostGridTest, PrivateValuesOutliveAPhase) {
  std::vector<int32_t> expected(kBlocks * kThreads);
  for (size_t i = 0; i < expected.size(); ++i) expected[i] = static_cast<int32_t>(i) + 1;
  for (const HostOrder order : kAllHostOrders) {
    EXPECT_THAT(Out<KeepPrivate>(order), ElementsAreArray(expected));
  }
}

TEST(HostGridTest, ForEachCallsEveryIndexOnce) {
  for (const int64_t count : {0, 1, 255, 256, 257, 1000}) {
    std::vector<int32_t> calls(count);
    int32_t* data = calls.data();
    for (const HostOrder order : kAllHostOrders) {
      HostGrid launch(order);
      LaunchForEach(launch, count, [data](int64_t i) { ++data[i]; });
    }
    EXPECT_THAT(calls, Each(3));
  }
}

}  // namespace
}  // namespace rcnn::ops::testing
