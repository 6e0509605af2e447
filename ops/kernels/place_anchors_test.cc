#include "rcnn/ops/kernels/place_anchors.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <vector>

#include "rcnn/ops/anchors.h"
#include "rcnn/ops/testing/host_grid.h"

namespace rcnn::ops {
namespace {

using ::rcnn::ops::testing::HostGrid;
using ::rcnn::ops::testing::HostOrder;
using ::rcnn::ops::testing::kAllHostOrders;

at::Tensor PlaceByGrid(const at::Tensor& base, const GridSize& grid, double stride_x_px,
                       double stride_y_px, HostOrder order) {
  const int64_t rows = grid.height * grid.width * base.size(0);
  const at::Tensor anchors = at::full({rows, 4}, 99, at::kFloat);
  HostGrid launch(order);
  LaunchForEach(launch, rows,
                PlaceAnchor{base.data_ptr<float>(), base.size(0), grid.width, stride_x_px,
                            stride_y_px, anchors.data_ptr<float>()});
  return anchors;
}

// Strides that float32 does not hold, and cells so far away that sums are rounded.
TEST(PlaceAnchorsKernelTest, EqualsTheOperatorInEveryBit) {
  AnchorLevelOptions options;
  for (const std::vector<double>& scales : {std::vector<double>{8}, std::vector<double>{2, 4, 8}}) {
    options.scales = scales;
    const at::Tensor base = BaseAnchors(options);
    for (const GridSize& grid : std::vector<GridSize>{{0, 5}, {1, 1}, {3, 4}, {4, 3}, {38, 63}}) {
      for (const double stride : {16.0, 100.1, 1e6 / 3}) {
        const at::Tensor expected = PlaceAnchors(base, grid, stride, stride / 3);
        for (const HostOrder order : kAllHostOrders) {
          EXPECT_TRUE(at::equal(PlaceByGrid(base, grid, stride, stride / 3, order), expected))
              << grid.height << " x " << grid.width << ", stride " << stride;
        }
      }
    }
  }
}

TEST(PlaceAnchorsKernelTest, MillionAnchors) {
  const at::Tensor base = BaseAnchors({});
  const GridSize grid = {500, (1000000 + 500 * base.size(0) - 1) / (500 * base.size(0))};
  const at::Tensor expected = PlaceAnchors(base, grid, 16, 16);
  ASSERT_GE(expected.size(0), 1000000);
  EXPECT_TRUE(at::equal(PlaceByGrid(base, grid, 16, 16, HostOrder::kReversed), expected));
}

TEST(PlaceAnchorsKernelTest, ClosedForm) {
  const at::Tensor base = at::tensor({-1.f, -2.f, 1.f, 2.f, 0.f, 0.f, 8.f, 4.f}).view({2, 4});
  const at::Tensor anchors = PlaceByGrid(base, {2, 2}, 10, 100, HostOrder::kForward);
  EXPECT_TRUE(at::equal(anchors[3], at::tensor({10.f, 0.f, 18.f, 4.f}))) << "the right cell";
  EXPECT_TRUE(at::equal(anchors[4], at::tensor({-1.f, 98.f, 1.f, 102.f}))) << "the lower one";
}

}  // namespace
}  // namespace rcnn::ops
