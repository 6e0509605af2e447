#include "rcnn/ops/kernels/box_overlap.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

#include "rcnn/ops/cpu/overlap_kernel.h"
#include "rcnn/ops/testing/box_rows.h"
#include "rcnn/ops/testing/host_grid.h"
#include "rcnn/ops/testing/test_seed.h"

namespace rcnn::ops {
namespace {

using ::rcnn::ops::testing::HostGrid;
using ::rcnn::ops::testing::HostOrder;
using ::rcnn::ops::testing::kAllHostOrders;
using ::rcnn::ops::testing::RandomBoxRows;
using ::rcnn::ops::testing::TestSeed;
using ::testing::ElementsAreArray;

template <typename T>
std::vector<T> MatrixOfCpu(const std::vector<T>& boxes, const std::vector<T>& others, Overlap kind,
                           bool inclusive) {
  const int64_t rows = static_cast<int64_t>(boxes.size()) / 4;
  const int64_t count = static_cast<int64_t>(others.size()) / 4;
  const BoxColumns<T> columns(others.data(), count, inclusive);
  std::vector<T> row(columns.padded_count());
  std::vector<T> matrix;
  for (int64_t i = 0; i < rows; ++i) {
    OverlapRows(boxes.data() + 4 * i, 1, columns, kind, row.data(), columns.padded_count());
    matrix.insert(matrix.end(), row.begin(), row.begin() + count);
  }
  return matrix;
}

template <typename T>
std::vector<T> MatrixOfGrid(const std::vector<T>& boxes, const std::vector<T>& others, Overlap kind,
                            bool inclusive, HostOrder order) {
  const int64_t rows = static_cast<int64_t>(boxes.size()) / 4;
  const int64_t columns = static_cast<int64_t>(others.size()) / 4;
  std::vector<T> matrix(rows * columns);
  HostGrid launch(order, TestSeed());
  ComputeOverlapMatrix(launch,
                       OverlapMatrixKernel<T>{boxes.data(), others.data(), rows, columns, kind,
                                              inclusive ? T{1} : T{0}, matrix.data()});
  EXPECT_EQ(launch.conflict(), "");
  return matrix;
}

template <typename T>
class BoxOverlapKernelTest : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(BoxOverlapKernelTest, Types);

TYPED_TEST(BoxOverlapKernelTest, EqualsTheCpuBitByBit) {
  std::mt19937_64 random(TestSeed());
  for (const int64_t rows : {0, 1, 15, 16, 17, 100}) {
    for (const int64_t columns : {0, 1, 127, 128, 129, 300}) {
      const bool inclusive = random() % 2 == 0;
      const auto boxes = RandomBoxRows<TypeParam>(rows, {200, 100, 0}, random);
      const auto others = RandomBoxRows<TypeParam>(columns, {200, 100, 4}, random);
      for (const Overlap kind : {Overlap::kIou, Overlap::kIntersectionOverRow}) {
        const auto expected = MatrixOfCpu(boxes, others, kind, inclusive);
        for (const HostOrder order : kAllHostOrders) {
          EXPECT_THAT(MatrixOfGrid(boxes, others, kind, inclusive, order),
                      ElementsAreArray(expected))
              << rows << " x " << columns;
        }
      }
    }
  }
}

TYPED_TEST(BoxOverlapKernelTest, BoxesWithoutAreaOverlapNothing) {
  const std::vector<TypeParam> boxes = {5, 5, 5, 9, 3, 3, 3, 3};
  EXPECT_THAT(MatrixOfGrid<TypeParam>(boxes, boxes, Overlap::kIou, false, HostOrder::kForward),
              ElementsAreArray({0, 0, 0, 0}));
}

// 10^6 boxes against one, and one against 10^6.
TYPED_TEST(BoxOverlapKernelTest, MillionBoxes) {
  std::mt19937_64 random(TestSeed());
  const auto many = RandomBoxRows<TypeParam>(1000000, {200, 100, 0}, random);
  const auto one = RandomBoxRows<TypeParam>(1, {200, 100, 0}, random);
  const auto column = MatrixOfGrid(many, one, Overlap::kIou, false, HostOrder::kForward);
  EXPECT_EQ(column, MatrixOfCpu(many, one, Overlap::kIou, false));
  EXPECT_EQ(column, MatrixOfGrid(one, many, Overlap::kIou, false, HostOrder::kReversed));
}

}  // namespace
}  // namespace rcnn::ops
