#include "rcnn/ops/cpu/serial_grid.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <numeric>
#include <vector>

namespace rcnn::ops {
namespace {

// Each thread writes a value, and then reads that of its neighbour: needs the barrier.
struct Rotate {
  static constexpr int kThreads = 64;
  struct Shared {
    int64_t values[kThreads];
  };
  struct Private {
    int64_t own;
  };

  int64_t Blocks() const { return blocks; }
  int64_t Phases(int64_t /*block*/) const { return 2; }
  void Run(int64_t phase, const Place& place, Shared& shared, Private& mine) const {
    const int64_t at = place.block * kThreads + place.thread;
    if (phase == 0) {
      mine.own = in[at];
      shared.values[place.thread] = in[at];
    } else {
      out[at] = shared.values[(place.thread + 1) % kThreads] + 1000000 * mine.own;
    }
  }

  int64_t blocks;
  const int64_t* in;
  int64_t* out;
};

TEST(SerialGridTest, EndsAPhaseBeforeTheNext) {
  constexpr int64_t kBlocks = 100;
  std::vector<int64_t> in(kBlocks * Rotate::kThreads), out(in.size());
  std::iota(in.begin(), in.end(), int64_t{0});
  SerialGrid launch;
  launch(Rotate{kBlocks, in.data(), out.data()});
  for (size_t i = 0; i < in.size(); ++i) {
    const size_t block = i / Rotate::kThreads, next = (i + 1) % Rotate::kThreads;
    EXPECT_EQ(out[i], in[block * Rotate::kThreads + next] + 1000000 * in[i]);
  }
}

TEST(SerialGridTest, RunsNoBlockOfAnEmptyGrid) {
  SerialGrid launch;
  launch(Rotate{0, nullptr, nullptr});
}

TEST(SerialGridTest, CoversEveryElementOfForEach) {
  std::vector<int> visits(1000);
  int* const data = visits.data();
  SerialGrid launch;
  LaunchForEach(launch, 1000, [data](int64_t i) { ++data[i]; });
  EXPECT_EQ(visits, std::vector<int>(1000, 1));
}

}  // namespace
}  // namespace rcnn::ops
