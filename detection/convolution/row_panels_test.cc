#include "rcnn/detection/convolution/row_panels.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <cmath>
#include <tuple>

#include "gtest/gtest.h"
#include "rcnn/base/testing/instruction_levels.h"

namespace rcnn::detection {
namespace {

class RowPanelsTest : public InstructionLevelTest {};

INSTANTIATE_TEST_SUITE_P(Levels, RowPanelsTest, LevelsFrom(InstructionLevel::kAvx2), LevelName);

// One panel, several, and more than there are threads; depths around those of vectors.
TEST_P(RowPanelsTest, AreThoseOfPackRows) {
  const PanelKernel& kernel = CurrentPanelKernel();
  const int threads = at::get_num_threads();
  for (const int64_t rows : {1, 5, 6, 16, 37, 100}) {
    for (const int64_t depth : {1, 7, 16, 33}) {
      const at::Tensor matrix = at::randn({rows, depth}, at::detail::createCPUGenerator(1));
      const at::Tensor turned = matrix.t().contiguous();
      const int64_t count = NumPanels(rows, kernel.rows) * kernel.rows * depth;
      at::Tensor expected = at::full({count}, NAN);
      PackRows(matrix.data_ptr<float>(), rows, depth, depth, kernel.rows,
               expected.data_ptr<float>());
      for (const auto& [order, floats] :
           {std::tuple(MatrixOrder::kRows, matrix), std::tuple(MatrixOrder::kColumns, turned)}) {
        for (const int n : {1, 3}) {
          at::set_num_threads(n);
          const AlignedFloats packed =
              PackRowPanels(kernel, floats.data_ptr<float>(), order, rows, depth);
          EXPECT_TRUE(at::from_blob(packed.get(), {count}).equal(expected))
              << rows << " x " << depth << " on " << n;
        }
        at::set_num_threads(threads);
      }
    }
  }
}

}  // namespace
}  // namespace rcnn::detection
