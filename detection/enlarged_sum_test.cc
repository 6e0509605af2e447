#include "rcnn/detection/enlarged_sum.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <array>
#include <cstdint>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "rcnn/base/tensor_memory.h"
#include "rcnn/base/testing/instruction_levels.h"

namespace rcnn::detection {
namespace {

at::Tensor Draw(at::IntArrayRef shape, uint64_t seed) {
  return at::randn(shape, at::detail::createCPUGenerator(seed));
}

at::Tensor Expected(const at::Tensor& top, const at::Tensor& map) {
  const std::vector<int64_t> size = {map.size(2), map.size(3)};
  return map + at::upsample_nearest2d(top, size);
}

// Channels, rows and columns of the coarse map, then rows and columns of the fine one.
using Shape = std::array<int64_t, 5>;

constexpr Shape kShapes[] = {
    {3, 4, 5, 8, 10},      // twice as large
    {1, 1, 1, 2, 2},       //
    {40, 25, 34, 50, 68},  // several tasks
    {2, 3, 3, 6, 5},       // an odd column
    {2, 3, 3, 5, 6},       // an odd row
    {35, 4, 5, 8, 15},     // thrice as wide, more channels than are added at a time
    {2, 4, 5, 4, 5},       // of the same size
};

class AddEnlargedLevelTest : public InstructionLevelTest {};

INSTANTIATE_TEST_SUITE_P(Levels, AddEnlargedLevelTest, LevelsFrom(InstructionLevel::kPortable),
                         LevelName);

TEST_P(AddEnlargedLevelTest, HasTheBitsOfLibTorchs) {
  const at::NoGradGuard no_grad;
  for (const Shape& shape : kShapes) {
    const auto [channels, rows, columns, height, width] = shape;
    const at::Tensor top = Draw({2, channels, rows, columns}, 1);
    at::Tensor map = Draw({2, channels, height, width}, 2);
    const at::Tensor expected = Expected(top, map);
    AddEnlarged(top, map);
    EXPECT_TRUE(map.equal(expected)) << top.sizes() << " to " << map.sizes();
  }
}

TEST(AddEnlargedTest, TakesOtherTypesAndLayouts) {
  const at::NoGradGuard no_grad;
  const at::Tensor top = Draw({2, 3, 4, 5}, 1), fine = Draw({2, 3, 8, 10}, 2);
  const auto last = at::MemoryFormat::ChannelsLast;
  at::Tensor map = fine.contiguous(last), wide = fine.to(at::kDouble), rows = fine.clone();
  AddEnlarged(top.contiguous(last), map);
  EXPECT_TRUE(map.equal(Expected(top, fine)));
  AddEnlarged(top.to(at::kDouble), wide);
  EXPECT_TRUE(wide.equal(Expected(top.to(at::kDouble), fine.to(at::kDouble))));
  // Every second row of a taller map.
  const at::Tensor tall = Draw({2, 3, 8, 5}, 3), some = tall.slice(2, 0, 8, 2);
  const at::Tensor expected = Expected(some, rows);
  AddEnlarged(some, rows);
  EXPECT_TRUE(rows.equal(expected));
}

TEST(AddEnlargedTest, IsDifferentiable) {
  const at::Tensor top = Draw({1, 2, 3, 3}, 1).requires_grad_();
  at::Tensor map = Draw({1, 2, 6, 6}, 2);
  AddEnlarged(top, map);
  map.sum().backward();
  EXPECT_TRUE(top.grad().equal(at::full_like(top, 4)));
}

// Of both maps, where both have one, and of one of them.
TEST_P(AddEnlargedLevelTest, GradientsHaveTheBitsOfLibTorchs) {
  const auto libtorchs = [](const at::Tensor& top, const at::Tensor& map) {
    return Expected(top, map);
  };
  const auto ours = [](const at::Tensor& top, const at::Tensor& map) {
    at::Tensor sum = map;
    AddEnlarged(top, sum);
    EXPECT_EQ(sum.data_ptr(), map.data_ptr());
    return sum;
  };
  for (const Shape& shape : kShapes) {
    const at::Tensor dy = Draw({2, shape[0], shape[3], shape[4]}, 3);
    for (const auto& [of_top, of_map] :
         {std::pair(true, true), std::pair(true, false), std::pair(false, true)}) {
      const auto gradients = [&, of_top = of_top, of_map = of_map](const auto& add) {
        const at::Tensor top = Draw({2, shape[0], shape[1], shape[2]}, 1).requires_grad_(of_top);
        const at::Tensor map = Draw({2, shape[0], shape[3], shape[4]}, 2).requires_grad_(of_map);
        add(top, map * 2).backward(dy);
        return std::vector<at::Tensor>{of_top ? top.grad() : at::ones({1}),
                                       of_map ? map.grad() : at::ones({1})};
      };
      const auto found = gradients(ours), expected = gradients(libtorchs);
      EXPECT_TRUE(found[0].equal(expected[0])) << dy.sizes();
      EXPECT_TRUE(found[1].equal(expected[1])) << dy.sizes();
    }
  }
}

TEST(AddEnlargedTest, TakesNoMemoryForTwiceTheSize) {
  const at::NoGradGuard no_grad;
  const at::Tensor top = Draw({1, 8, 16, 16}, 1);
  at::Tensor map = Draw({1, 8, 32, 32}, 2);
  const TensorMemory memory;
  AddEnlarged(top, map);
  EXPECT_EQ(memory.peak_bytes(), 0);
}

TEST(AddEnlargedTest, RejectsOtherChannels) {
  const at::NoGradGuard no_grad;
  at::Tensor map = Draw({1, 2, 6, 6}, 2);
  EXPECT_THROW(AddEnlarged(Draw({1, 3, 3, 3}, 1), map), c10::Error);
  EXPECT_THROW(AddEnlarged(Draw({3, 2, 3, 3}, 1), map), c10::Error);
}

}  // namespace
}  // namespace rcnn::detection
