#include "rcnn/detection/convolution/bfloat16_linear.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <mutex>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "rcnn/base/testing/instruction_levels.h"

namespace rcnn::detection {
namespace {

at::Tensor Draw(at::IntArrayRef shape, uint64_t seed) {
  return at::randn(shape, at::detail::createCPUGenerator(seed));
}

at::Tensor Rounded(const at::Tensor& t) { return t.to(at::kBFloat16).to(at::kDouble); }

at::Tensor Apply(const at::Tensor& weight, const at::Tensor& bias, const at::Tensor& x, bool relu) {
  const Bfloat16Linear linear(weight.data_ptr<float>(),
                              bias.defined() ? bias.data_ptr<float>() : nullptr, weight.size(0),
                              weight.size(1));
  at::Tensor y = at::full({x.size(0), weight.size(0)}, NAN);
  linear.Run(x.data_ptr<float>(), x.size(0), relu, y.data_ptr<float>());
  return y;
}

class Bfloat16LinearTest : public InstructionLevelTest {};

INSTANTIATE_TEST_SUITE_P(Levels, Bfloat16LinearTest, LevelsFrom(InstructionLevel::kPortable),
                         LevelName);

// Sizes around those of panels (16), an odd depth, and one of several parts.
TEST_P(Bfloat16LinearTest, EqualsAProductOfRoundedOperands) {
  for (const int64_t count : {1, 16, 35}) {
    for (const int64_t in : {1, 2, 33, 1500}) {
      for (const int64_t out : {1, 16, 40}) {
        SCOPED_TRACE(::testing::Message() << count << " x " << in << " to " << out);
        const at::Tensor weight = Draw({out, in}, 1) / std::sqrt(static_cast<double>(in));
        const at::Tensor bias = Draw({out}, 2), x = Draw({count, in}, 3);
        const at::Tensor product = at::matmul(Rounded(x), Rounded(weight).t());
        const auto distance = [](const at::Tensor& a, const at::Tensor& b) {
          return (a - b).abs().max().item<double>();
        };
        EXPECT_LE(distance(Apply(weight, {}, x, false), product), 1e-5);
        EXPECT_LE(distance(Apply(weight, bias, x, true), (product + bias).relu()), 1e-5);
      }
    }
  }
}

TEST_P(Bfloat16LinearTest, ThreadsChangeNoBit) {
  const at::Tensor weight = Draw({70, 300}, 1), x = Draw({50, 300}, 2);
  const at::Tensor expected = Apply(weight, {}, x, false);
  const int threads = at::get_num_threads();
  for (const int n : {1, 2, 3}) {
    at::set_num_threads(n);
    EXPECT_TRUE(Apply(weight, {}, x, false).equal(expected)) << n;
  }
  at::set_num_threads(threads);
}

// 5 MB in rows of 2 KB: a part has at most 2096 of the 2500 rows, and the last panel four. What has
// been released is overwritten.
TEST_P(Bfloat16LinearTest, ReleasesEachWeightOnceAndReadsItNoMore) {
  const at::Tensor weight = Draw({2500, 500}, 1), x = Draw({3, 500}, 2);
  const at::Tensor expected = Apply(weight, {}, x, false);
  const int threads = at::get_num_threads();
  for (const int n : {1, 2}) {
    at::set_num_threads(n);
    const at::Tensor lent = weight.clone();
    std::mutex mutex;
    std::vector<std::pair<int64_t, int64_t>> released;  // [begin, end) in numbers
    const Bfloat16Linear linear(
        lent.data_ptr<float>(), nullptr, 2500, 500, {}, [&](const void* data, size_t bytes) {
          const int64_t begin = static_cast<const float*>(data) - lent.data_ptr<float>();
          const int64_t count = static_cast<int64_t>(bytes / sizeof(float));
          std::fill_n(lent.data_ptr<float>() + begin, count, NAN);
          const std::lock_guard<std::mutex> lock(mutex);
          released.emplace_back(begin, begin + count);
        });
    std::sort(released.begin(), released.end());
    ASSERT_GE(released.size(), 2u) << n;
    int64_t end = 0;
    for (const auto& [first, last] : released) {
      EXPECT_EQ(first, end);
      EXPECT_LE((last - first) * int64_t{sizeof(float)}, Bfloat16Linear::kReleasedBytes);
      end = last;
    }
    EXPECT_EQ(end, lent.numel());
    EXPECT_TRUE(lent.isnan().all().item<bool>());
    at::Tensor y = at::full(expected.sizes(), NAN);
    linear.Run(x.data_ptr<float>(), 3, false, y.data_ptr<float>());
    EXPECT_TRUE(y.equal(expected)) << n;
  }
  at::set_num_threads(threads);
}

// A panel of 16 rows is larger than a part.
TEST_P(Bfloat16LinearTest, ReleasesPanelsOfLongRowsOneByOne) {
  constexpr int64_t kIn = 70'000;
  const at::Tensor weight = at::zeros({40, kIn});
  std::mutex mutex;
  std::vector<size_t> bytes;
  const Bfloat16Linear linear(weight.data_ptr<float>(), nullptr, 40, kIn, {},
                              [&](const void*, size_t count) {
                                const std::lock_guard<std::mutex> lock(mutex);
                                bytes.push_back(count);
                              });
  std::sort(bytes.begin(), bytes.end());
  EXPECT_EQ(bytes, (std::vector<size_t>{8 * kIn * 4, 16 * kIn * 4, 16 * kIn * 4}));
}

TEST_P(Bfloat16LinearTest, NoRowsGiveNoOutput) {
  EXPECT_EQ(Apply(Draw({3, 4}, 1), {}, at::empty({0, 4}), true).numel(), 0);
}

}  // namespace
}  // namespace rcnn::detection
