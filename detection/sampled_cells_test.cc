#include "rcnn/detection/sampled_cells.h"

#include <ATen/ATen.h>

#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "rcnn/ops/error_message.h"

namespace rcnn::detection {
namespace {

at::Tensor Longs(const std::vector<int64_t>& numbers) { return at::tensor(numbers, at::kLong); }

// Two images of a level of 2 x 3 cells and one of 1 x 2, three anchors in each: image 0
// has anchors 0 to 17 and 18 to 23, image 1 those 24 more.
TEST(SampledCellsTest, FindsCellsOfEveryLevelAndImage) {
  const std::vector<at::Tensor> maps = {at::empty({2, 5, 2, 3}), at::empty({2, 5, 1, 2})};
  const at::Tensor positive = Longs({23, 5, 24 + 3});
  const at::Tensor negative = Longs({24 + 17, 4, 24 + 18, 18});
  const SampledCells sampled = FindSampledCells(maps, 3, {positive, negative});
  ASSERT_EQ(sampled.cells.size(), 2u);
  EXPECT_TRUE(sampled.cells[0].equal(Longs({1, 6 + 1, 6 + 5})));
  EXPECT_TRUE(sampled.cells[1].equal(Longs({0, 1, 2})));
  // Rows 0, 1, 2 are of the first level, 3, 4, 5 of the second.
  ASSERT_EQ(sampled.anchors.size(), 2u);
  EXPECT_TRUE(sampled.anchors[0].equal(Longs({4 * 3 + 2, 0 * 3 + 2, 1 * 3 + 0})));
  EXPECT_TRUE(sampled.anchors[1].equal(Longs({2 * 3 + 2, 0 * 3 + 1, 5 * 3 + 0, 3 * 3 + 0})));
}

TEST(SampledCellsTest, LevelsAndBatchesMayBeEmpty) {
  const std::vector<at::Tensor> maps = {at::empty({1, 5, 2, 3}), at::empty({1, 5, 1, 1}),
                                        at::empty({1, 5, 1, 1})};
  const SampledCells last = FindSampledCells(maps, 3, {Longs({}), Longs({3 * 7 + 1})});
  EXPECT_EQ(last.cells[0].size(0), 0);
  EXPECT_EQ(last.cells[1].size(0), 0);
  EXPECT_TRUE(last.cells[2].equal(Longs({0})));
  EXPECT_EQ(last.anchors[0].size(0), 0);
  EXPECT_TRUE(last.anchors[1].equal(Longs({1})));

  const SampledCells none = FindSampledCells(maps, 3, {Longs({})});
  for (const at::Tensor& cells : none.cells) EXPECT_EQ(cells.size(0), 0);
  EXPECT_EQ(none.anchors[0].size(0), 0);
}

TEST(SampledCellsTest, RejectsAnchorsOutsideTheBatch) {
  const std::vector<at::Tensor> maps = {at::empty({2, 5, 2, 3}), at::empty({2, 5, 1, 2})};
  const auto error = [&](const std::vector<at::Tensor>& maps, int64_t anchor) {
    return ops::ErrorMessage([&] { FindSampledCells(maps, 3, {Longs({0}), Longs({anchor})}); });
  };
  EXPECT_EQ(error(maps, 47), "");
  EXPECT_EQ(error(maps, 48), "anchor 48 of a batch with 48");
  EXPECT_EQ(error(maps, -1), "anchor -1 of a batch with 48");
  EXPECT_EQ(error({at::empty({2, 5, 0, 3})}, 0), "anchor 0 of a batch with 0");
  EXPECT_EQ(error({maps[0], at::empty({1, 5, 1, 2})}, 0), "maps of 2 images and of 1 in one batch");
}

}  // namespace
}  // namespace rcnn::detection
