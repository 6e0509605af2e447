#include "rcnn/detection/convolution/patch_convolution.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <tuple>
#include <utility>

#include "gtest/gtest.h"
#include "rcnn/base/testing/instruction_levels.h"

namespace rcnn::detection {
namespace {

at::Tensor Draw(at::IntArrayRef shape, uint64_t seed) {
  return at::randn(shape, at::detail::createCPUGenerator(seed));
}

struct Operands {
  at::Tensor weight, bias, x, add;
};

struct Case {
  int64_t batch, in, out, height, width;
};

class PatchConvolutionTest : public InstructionLevelTest {
 protected:
  // Of `kernel`, with a second summand of the result's shape.
  static Operands DrawOperands(const Case& c, const PatchKernel& kernel) {
    const auto outputs = [&](int64_t size) {
      return (size + 2 * kernel.padding - kernel.size) / kernel.stride + 1;
    };
    return {Draw({c.out, c.in, kernel.size, kernel.size}, 1), Draw({c.out}, 2),
            Draw({c.batch, c.in, c.height, c.width}, 3),
            Draw({c.batch, c.out, outputs(c.height), outputs(c.width)}, 4)};
  }

  static PatchConvolution Pack(const Operands& o, const PatchKernel& kernel) {
    return {o.weight.data_ptr<float>(), o.bias.data_ptr<float>(), o.weight.size(0),
            o.weight.size(1), kernel};
  }

  static at::Tensor Run(const Operands& o, const PatchKernel& kernel, bool add, bool relu) {
    at::Tensor y = at::full(o.add.sizes(), NAN);
    Pack(o, kernel).Run(o.x.data_ptr<float>(), o.x.size(0), o.x.size(2), o.x.size(3),
                        add ? o.add.data_ptr<float>() : nullptr, relu, y.data_ptr<float>());
    return y;
  }
};

INSTANTIATE_TEST_SUITE_P(Levels, PatchConvolutionTest, LevelsFrom(InstructionLevel::kAvx2),
                         LevelName);

// At most as far from the definition in float64 as its roundings allow: every sum of n terms is
// within n u / (1 - n u) of the sum of their absolute values, u = 2^-24 (Higham, Accuracy and
// Stability of Numerical Algorithms, 2nd ed., Sec. 4.2). A term goes through the additions of its
// chunk, through those of the chunks, and those of the bias and the second summand.
void ExpectWithinRounding(const at::Tensor& y, const Operands& o, const PatchKernel& kernel,
                          bool add, bool relu) {
  const auto sum = [&](const auto& of) {
    at::Tensor all = at::conv2d(of(o.x), of(o.weight), of(o.bias), kernel.stride, kernel.padding);
    return add ? all + of(o.add) : all;
  };
  const at::Tensor exact = sum([](const at::Tensor& t) { return t.to(at::kDouble); });
  const at::Tensor size = sum([](const at::Tensor& t) { return t.to(at::kDouble).abs(); });
  const int64_t depth = o.weight.numel() / o.weight.size(0);
  const double n =
      static_cast<double>(std::min(depth, kPanelChunk) + NumPanels(depth, kPanelChunk) + 2);
  const double u = std::ldexp(1.0, -24);
  const at::Tensor limit = size * (n * u / (1 - n * u));
  EXPECT_TRUE(((y - (relu ? exact.relu() : exact)).abs() <= limit).all().item<bool>());
}

// Sizes around those of panels (6 and 16); rows of outputs that end within a panel; kernels that
// lie in the padding as a whole.
TEST_P(PatchConvolutionTest, EqualsTheDefinition) {
  for (const int64_t size : {1, 2, 3, 7}) {
    for (const int64_t stride : {1, 2, 3}) {
      for (const int64_t padding : {0, 1, 3}) {
        const PatchKernel kernel = {size, stride, padding};
        for (const Case& c : {Case{1, 1, 1, 7, 7}, Case{1, 5, 16, 11, 21}, Case{3, 3, 19, 9, 8},
                              Case{1, 2, 7, 8, 70}}) {
          SCOPED_TRACE(::testing::Message() << size << " stride " << stride << " padding "
                                            << padding << ", " << c.in << " to " << c.out);
          const Operands o = DrawOperands(c, kernel);
          ExpectWithinRounding(Run(o, kernel, false, false), o, kernel, false, false);
          ExpectWithinRounding(Run(o, kernel, true, true), o, kernel, true, true);
        }
      }
    }
  }
}

// Depths of one part, of several, and that end a part; several blocks of panels, over more than one
// image.
TEST_P(PatchConvolutionTest, PartsAndBlocksEqualTheDefinition) {
  for (const auto& [c, kernel] : {std::pair(Case{1, 64, 18, 9, 11}, PatchKernel{3, 2, 1}),
                                  std::pair(Case{2, 256, 17, 5, 40}, PatchKernel{1, 2, 0}),
                                  std::pair(Case{40, 300, 5, 6, 6}, PatchKernel{1, 2, 0}),
                                  std::pair(Case{1, 3, 20, 64, 150}, PatchKernel{7, 2, 3})}) {
    SCOPED_TRACE(::testing::Message() << c.in << " to " << c.out);
    const Operands o = DrawOperands(c, kernel);
    ExpectWithinRounding(Run(o, kernel, true, false), o, kernel, true, false);
  }
}

TEST_P(PatchConvolutionTest, HasTheBitsOfEveryOtherLevel) {
  for (const PatchKernel& kernel : {PatchKernel{3, 2, 1}, {1, 2, 0}, {7, 2, 3}, {3, 1, 1}}) {
    const Operands o = DrawOperands({2, 70, 21, 13, 37}, kernel);
    const at::Tensor y = Run(o, kernel, true, true);
    const ScopedInstructionLevel level(InstructionLevel::kAvx2);
    EXPECT_TRUE(Run(o, kernel, true, true).equal(y)) << kernel.size;
  }
}

TEST_P(PatchConvolutionTest, AddsInPlaceAndThreadsChangeNoBit) {
  const PatchKernel kernel = {3, 2, 1};
  const Operands o = DrawOperands({2, 40, 20, 23, 29}, kernel);
  const at::Tensor expected = Run(o, kernel, true, true);
  const PatchConvolution conv = Pack(o, kernel);
  const int threads = at::get_num_threads();
  for (const int n : {1, 2, 3}) {
    at::set_num_threads(n);
    at::Tensor in_place = o.add.clone();
    conv.Run(o.x.data_ptr<float>(), 2, 23, 29, in_place.data_ptr<float>(), true,
             in_place.data_ptr<float>());
    EXPECT_TRUE(in_place.equal(expected)) << n;
  }
  at::set_num_threads(threads);
}

// From a copy of the rows that they depend on, to the middle of other rows.
TEST_P(PatchConvolutionTest, RowsAreThoseOfTheWholeMap) {
  for (const PatchKernel& kernel : {PatchKernel{7, 2, 3}, {3, 1, 1}, {1, 2, 0}, {3, 3, 0}}) {
    const Operands o = DrawOperands({1, 5, 9, 41, 38}, kernel);
    const at::Tensor whole = Run(o, kernel, false, true);
    const PatchConvolution conv = Pack(o, kernel);
    const int64_t height = whole.size(2);
    for (const auto& [begin, end] : {std::pair<int64_t, int64_t>(0, 3), {3, 10}, {5, height}}) {
      const int64_t first = std::max<int64_t>(begin * kernel.stride - kernel.padding, 0);
      const int64_t last =
          std::min<int64_t>((end - 1) * kernel.stride - kernel.padding + kernel.size, 41);
      const at::Tensor x = o.x.slice(2, first, last).contiguous();
      at::Tensor y = at::zeros({1, 9, end - begin + 3, whole.size(3)});
      conv.RunRows(x.data_ptr<float>(), 41, 38,
                   {{first, last - first}, {begin - 2, y.size(2)}, begin, end}, /*relu=*/true,
                   y.data_ptr<float>());
      EXPECT_TRUE(y.narrow(2, 2, end - begin).equal(whole.slice(2, begin, end)))
          << kernel.size << ": " << begin;
      EXPECT_EQ(y.narrow(2, 0, 2).abs().sum().item<float>(), 0);
      EXPECT_EQ(y.narrow(2, end - begin + 2, 1).abs().sum().item<float>(), 0);
    }
  }
}

TEST_P(PatchConvolutionTest, NanAffectsOnlyOutputsThatSeeIt) {
  const PatchKernel kernel = {3, 2, 1};
  Operands o = DrawOperands({1, 4, 3, 21, 33}, kernel);
  o.x[0][2][10][20] = std::numeric_limits<float>::quiet_NaN();
  const at::Tensor y = Run(o, kernel, false, true);
  const at::Tensor wrong = at::isnan(y);
  EXPECT_TRUE(
      wrong.equal(at::isnan(at::conv2d(o.x.to(at::kDouble), o.weight.to(at::kDouble), {}, 2, 1))));
  EXPECT_GT(wrong.sum().item<int64_t>(), 0);
}

TEST_P(PatchConvolutionTest, IsTheSameFromItsPanels) {
  const PatchKernel kernel = {3, 2, 1};
  const Operands o = DrawOperands({1, 20, 9, 13, 15}, kernel);
  const PatchConvolution conv = Pack(o, kernel);
  const PatchConvolution same(nullptr, o.bias.data_ptr<float>(), 9, 20, kernel, conv.panels());
  at::Tensor y = at::full(o.add.sizes(), NAN);
  same.Run(o.x.data_ptr<float>(), 1, 13, 15, nullptr, false, y.data_ptr<float>());
  EXPECT_TRUE(y.equal(Run(o, kernel, false, false)));
  EXPECT_EQ(same.panels().data, conv.panels().data);
}

TEST_P(PatchConvolutionTest, AConvolutionForOneRunHasTheSameBits) {
  for (const PatchKernel& kernel : {PatchKernel{3, 2, 1}, {1, 2, 0}, {7, 2, 3}}) {
    const Operands o = DrawOperands({2, 20, 37, 13, 15}, kernel);
    at::Tensor y = at::full(o.add.sizes(), NAN);
    PatchConvolution::ForOneRun(o.weight.data_ptr<float>(), o.bias.data_ptr<float>(), 37, 20,
                                kernel)
        .Run(o.x.data_ptr<float>(), 2, 13, 15, o.add.data_ptr<float>(), true, y.data_ptr<float>());
    EXPECT_TRUE(y.equal(Run(o, kernel, true, true))) << kernel.size;
  }
}

TEST_P(PatchConvolutionTest, NoImagesGiveNoOutput) {
  const PatchKernel kernel = {3, 2, 1};
  EXPECT_EQ(Run(DrawOperands({0, 3, 4, 9, 9}, kernel), kernel, true, true).numel(), 0);
}

}  // namespace
}  // namespace rcnn::detection
