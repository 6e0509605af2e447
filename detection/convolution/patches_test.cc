#include "rcnn/detection/convolution/patches.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/csrc/autograd/autograd.h>

#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "rcnn/ops/error_message.h"

namespace rcnn::detection {
namespace {

at::Generator Generator(uint64_t seed) { return at::detail::createCPUGenerator(seed); }

at::Tensor Map(at::IntArrayRef sizes = {2, 3, 4, 5}) {
  return at::randn(sizes, Generator(1), at::kDouble);
}

// Corners, edges, the middle, both images, one cell twice, in no order.
at::Tensor Cells() { return at::tensor({19, 0, 7, 24, 39, 4, 15, 7}, at::kLong); }

// Of a map [B, K, H, W], rows [M, K].
at::Tensor RowsAt(const at::Tensor& map, const at::Tensor& cells) {
  return map.permute({0, 2, 3, 1}).flatten(0, 2).index_select(0, cells);
}

TEST(PatchesTest, AreTheOperandsOfAConvolution) {
  const at::Tensor weight = at::randn({6, 3, 3, 3}, Generator(2), at::kDouble);
  for (const auto& sizes : std::vector<std::vector<int64_t>>{{2, 3, 4, 5}, {40, 3, 1, 1}}) {
    const at::Tensor map = Map(sizes);
    const at::Tensor expected = RowsAt(at::conv2d(map, weight, {}, 1, 1), Cells());
    const at::Tensor rows = at::linear(ExtractPatches(map, Cells()), weight.flatten(1));
    EXPECT_TRUE(at::allclose(rows, expected, 1e-12, 1e-12));
  }
}

TEST(PatchesTest, GradientsAreThoseOfTheConvolution) {
  const at::Tensor dy = at::randn({8, 6}, Generator(3), at::kDouble);
  const auto gradients = [&](bool sampled) {
    const at::Tensor map = Map().requires_grad_();
    const at::Tensor weight = at::randn({6, 3, 3, 3}, Generator(2), at::kDouble).requires_grad_();
    const at::Tensor rows = sampled ? at::linear(ExtractPatches(map, Cells()), weight.flatten(1))
                                    : RowsAt(at::conv2d(map, weight, {}, 1, 1), Cells());
    rows.backward(dy);
    return std::vector<at::Tensor>{map.grad(), weight.grad()};
  };
  const auto sampled = gradients(true), whole = gradients(false);
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_GT(whole[i].abs().max().item<double>(), 0.1);
    EXPECT_TRUE(at::allclose(sampled[i], whole[i], 1e-12, 1e-12)) << i;
  }
}

TEST(PatchesTest, AnyLayoutOfTheMapGivesTheSame) {
  const at::Tensor map = Map();
  const at::Tensor expected = ExtractPatches(map, Cells());
  EXPECT_TRUE(
      ExtractPatches(map.contiguous(at::MemoryFormat::ChannelsLast), Cells()).equal(expected));
  const at::Tensor cells = at::stack({Cells(), Cells()}, 1).select(1, 0);
  EXPECT_TRUE(ExtractPatches(map, cells).equal(expected));
}

TEST(PatchesTest, ThreadsChangeNoBit) {
  const at::Tensor cells = at::randint(0, 2 * 30 * 20, {300}, Generator(5), at::kLong);
  std::vector<at::Tensor> results;
  const int threads_before = at::get_num_threads();
  for (const int threads : {1, 2, 3}) {
    at::set_num_threads(threads);
    const at::Tensor map = at::randn({2, 50, 30, 20}, Generator(4), at::kFloat).requires_grad_();
    const at::Tensor patches = ExtractPatches(map, cells);
    patches.backward(at::randn(patches.sizes(), Generator(6), at::kFloat));
    results.push_back(at::cat({patches.detach().flatten(), map.grad().flatten()}));
  }
  at::set_num_threads(threads_before);
  EXPECT_TRUE(results[1].equal(results[0]));
  EXPECT_TRUE(results[2].equal(results[0]));
}

TEST(PatchesTest, NoCellsGiveNoRows) {
  const at::Tensor map = Map().requires_grad_();
  const at::Tensor patches = ExtractPatches(map, at::empty({0}, at::kLong));
  EXPECT_EQ(patches.sizes(), (std::vector<int64_t>{0, 27}));
  patches.sum().backward();
  EXPECT_EQ(map.grad().abs().max().item<double>(), 0);
}

TEST(PatchesTest, RejectsUnsupportedArguments) {
  const auto error = [](const at::Tensor& map, const at::Tensor& cells) {
    return ops::ErrorMessage([&] { ExtractPatches(map, cells); });
  };
  EXPECT_EQ(error(Map(), at::tensor({3, 40}, at::kLong)), "cells: row 1 is 40; the map has 40");
  EXPECT_EQ(error(Map(), at::tensor({-1}, at::kLong)), "cells: row 0 is -1; the map has 40");
  EXPECT_EQ(error(Map(), at::tensor({0}, at::kInt)),
            "cells: expected [M] int64 on the CPU, got [1] Int");
  const std::string map = "map: expected [B, C, H, W] float32 or float64 on the CPU, got ";
  EXPECT_EQ(error(Map()[0], Cells()), map + "[3, 4, 5] Double");
  EXPECT_EQ(error(Map().to(at::kLong), Cells()), map + "[2, 3, 4, 5] Long");
  EXPECT_EQ(error(Map().to(at::kHalf), Cells()), map + "[2, 3, 4, 5] Half");
}

TEST(PatchesTest, HasNoSecondDerivatives) {
  const at::Tensor map = Map().requires_grad_();
  const at::Tensor patches = ExtractPatches(map, Cells());
  EXPECT_THROW(torch::autograd::grad({patches.square().sum()}, {map}, {}, /*retain_graph=*/true,
                                     /*create_graph=*/true),
               c10::Error);
}

}  // namespace
}  // namespace rcnn::detection
