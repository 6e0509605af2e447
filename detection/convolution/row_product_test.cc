#include "rcnn/detection/convolution/row_product.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <tuple>

#include "gtest/gtest.h"
#include "rcnn/base/testing/instruction_levels.h"
#include "rcnn/detection/convolution/panel_product.h"

namespace rcnn::detection {
namespace {

at::Tensor Draw(at::IntArrayRef shape, uint64_t seed) {
  return at::randn(shape, at::detail::createCPUGenerator(seed));
}

at::Tensor Multiply(const at::Tensor& a, const at::Tensor& b, const at::Tensor& bias, bool relu) {
  RowProductOptions options;
  if (bias.defined()) options.bias = bias.data_ptr<float>();
  options.relu = relu;
  at::Tensor c = at::full({a.size(0), b.size(0)}, NAN);
  RowProduct({a.data_ptr<float>(), a.size(0)}, {b.data_ptr<float>(), b.size(0)}, a.size(1), options,
             c.data_ptr<float>());
  return c;
}

class RowProductTest : public InstructionLevelTest {};

INSTANTIATE_TEST_SUITE_P(Levels, RowProductTest, LevelsFrom(InstructionLevel::kAvx2), LevelName);

// At most as far from the product in float64 as its roundings allow (Higham, Accuracy and Stability
// of Numerical Algorithms, 2nd ed., Sec. 4.2). A term goes through the additions of its chunk,
// those of the chunks and that of the bias.
void ExpectWithinRounding(const at::Tensor& c, const at::Tensor& a, const at::Tensor& b,
                          const at::Tensor& bias, bool relu) {
  const auto product = [&](const auto& of) {
    at::Tensor all = at::matmul(of(a), of(b).t());
    return bias.defined() ? all + of(bias) : all;
  };
  at::Tensor exact = product([](const at::Tensor& t) { return t.to(at::kDouble); });
  if (relu) exact = exact.relu();
  const at::Tensor size = product([](const at::Tensor& t) { return t.to(at::kDouble).abs(); });
  const int64_t depth = a.size(1);
  const auto n =
      static_cast<double>(std::min(depth, kPanelChunk) + NumPanels(depth, kPanelChunk) + 1);
  const double u = std::ldexp(1.0, -24);
  EXPECT_TRUE(((c - exact).abs() <= size * (n * u / (1 - n * u))).all().item<bool>());
}

// Sizes around those of panels (6 and 16), chunks (64), parts (256) and blocks of rows (192 and
// 512), with more rows than columns and the reverse.
TEST_P(RowProductTest, EqualsTheProductInFloat64) {
  for (const int64_t rows : {1, 6, 16, 35}) {
    for (const int64_t depth : {1, 17, 64, 256, 530}) {
      for (const int64_t columns : {1, 16, 23, 40}) {
        SCOPED_TRACE(::testing::Message() << rows << " x " << depth << " to " << columns);
        const at::Tensor a = Draw({rows, depth}, 1), b = Draw({columns, depth}, 2);
        const at::Tensor bias = Draw({columns}, 3);
        ExpectWithinRounding(Multiply(a, b, {}, false), a, b, {}, false);
        ExpectWithinRounding(Multiply(a, b, bias, true), a, b, bias, true);
      }
    }
  }
  const at::Tensor a = Draw({600, 300}, 1), b = Draw({20, 300}, 2), bias = Draw({20}, 3);
  ExpectWithinRounding(Multiply(a, b, bias, false), a, b, bias, false);
  const at::Tensor c = Draw({20, 300}, 4), d = Draw({1100, 300}, 5);
  ExpectWithinRounding(Multiply(c, d, {}, false), c, d, {}, false);
}

// Matrices with gaps between them; of one part of the depth and of several.
TEST_P(RowProductTest, SumsTheProductsOfMatrices) {
  for (const int64_t depth : {0, 1, 100, 300}) {
    const at::Tensor a = Draw({3, 20, depth}, 1), b = Draw({3, 35, depth}, 2), bias = Draw({35}, 3);
    const at::Tensor wide = at::zeros({3, 20 * depth + 7});
    wide.narrow(1, 0, 20 * depth).copy_(a.flatten(1));
    RowProductOptions options;
    options.bias = bias.data_ptr<float>();
    options.matrices = 3;
    at::Tensor c = at::full({20, 35}, NAN);
    RowProduct({wide.data_ptr<float>(), 20, wide.size(1)}, {b.data_ptr<float>(), 35, 35 * depth},
               depth, options, c.data_ptr<float>());
    const at::Tensor exact =
        at::matmul(a.to(at::kDouble), b.to(at::kDouble).transpose(1, 2)).sum(0) + bias;
    EXPECT_LE((c - exact).abs().max().item<double>(), 1e-6 * static_cast<double>(10 + 3 * depth));
  }
}

// More rows than columns and the reverse, in several parts and matrices, on several threads.
TEST_P(RowProductTest, ComputedRowsGiveTheBitsOfRowsInMemory) {
  const int threads = at::get_num_threads();
  for (const auto& [rows, columns, depth] :
       {std::tuple(20, 35, 300), std::tuple(70, 17, 530), std::tuple(3, 1, 1)}) {
    const at::Tensor a = Draw({2, rows, depth}, 1), b = Draw({2, columns, depth}, 2);
    RowProductOptions options;
    options.matrices = 2;
    const MatrixRows left = {a.data_ptr<float>(), rows, a.stride(0)};
    at::Tensor expected = at::full({rows, columns}, NAN);
    RowProduct(left, {b.data_ptr<float>(), columns, b.stride(0)}, depth, options,
               expected.data_ptr<float>());
    const auto fill = [&, depth = depth](const RowsPart& part, float* to, int64_t stride) {
      for (int64_t r = part.first; r < part.last; ++r, to += stride) {
        const float* row = b.data_ptr<float>() + part.matrix * b.stride(0) + r * depth;
        std::copy(row + part.begin, row + part.end, to);
      }
    };
    for (const int n : {1, 3}) {
      at::set_num_threads(n);
      at::Tensor c = at::full({rows, columns}, NAN);
      RowProduct(left, columns, fill, depth, options, c.data_ptr<float>());
      EXPECT_TRUE(c.equal(expected)) << rows << " x " << depth << " to " << columns;
    }
    at::set_num_threads(threads);
  }
}

TEST_P(RowProductTest, HasTheBitsOfEveryOtherLevel) {
  const at::Tensor a = Draw({37, 700}, 1), b = Draw({50, 700}, 2), bias = Draw({50}, 3);
  const at::Tensor c = Multiply(a, b, bias, true);
  const ScopedInstructionLevel level(InstructionLevel::kAvx2);
  EXPECT_TRUE(Multiply(a, b, bias, true).equal(c));
}

TEST_P(RowProductTest, ThreadsAndOtherRowsChangeNoBit) {
  const int threads = at::get_num_threads();
  for (const auto& [rows, columns] : {std::tuple(90, 70), std::tuple(70, 90)}) {
    const at::Tensor a = Draw({rows, 300}, 1), b = Draw({columns, 300}, 2);
    const at::Tensor bias = Draw({columns}, 3), c = Multiply(a, b, bias, true);
    for (const int n : {1, 2, 3}) {
      at::set_num_threads(n);
      EXPECT_TRUE(Multiply(a, b, bias, true).equal(c)) << n;
    }
    at::set_num_threads(threads);
    for (const int64_t begin : {0, 1, 33}) {
      EXPECT_TRUE(Multiply(a.slice(0, begin, begin + 20).contiguous(), b, bias, true)
                      .equal(c.slice(0, begin, begin + 20)));
      EXPECT_TRUE(Multiply(a, b.slice(0, begin, begin + 20).contiguous(),
                           bias.slice(0, begin, begin + 20).contiguous(), true)
                      .equal(c.slice(1, begin, begin + 20)));
    }
  }
}

TEST_P(RowProductTest, NanStaysInItsRow) {
  at::Tensor a = Draw({20, 100}, 1);
  const at::Tensor b = Draw({30, 100}, 2);
  a[7][50] = std::numeric_limits<float>::quiet_NaN();
  const at::Tensor wrong = at::isnan(Multiply(a, b, {}, true));
  EXPECT_TRUE(wrong[7].all().item<bool>());
  EXPECT_EQ(wrong.sum().item<int64_t>(), 30);
}

TEST_P(RowProductTest, NothingTimesNothing) {
  EXPECT_EQ(Multiply(Draw({0, 5}, 1), Draw({3, 5}, 2), {}, false).numel(), 0);
  EXPECT_EQ(Multiply(Draw({4, 5}, 1), Draw({0, 5}, 2), {}, false).numel(), 0);
  const at::Tensor bias = Draw({3}, 3);
  EXPECT_TRUE(
      Multiply(at::empty({4, 0}), at::empty({3, 0}), bias, false).equal(bias.expand({4, 3})));
}

}  // namespace
}  // namespace rcnn::detection
