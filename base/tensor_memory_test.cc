#include "rcnn/base/tensor_memory.h"

#include <ATen/ATen.h>

#include "gtest/gtest.h"

namespace rcnn {
namespace {

TEST(TensorMemoryTest, IsTheMostThatLivesAtATime) {
  at::Tensor before = at::ones({1 << 20});
  const TensorMemory memory;
  EXPECT_EQ(memory.peak_bytes(), 0);
  { const at::Tensor a = at::empty({1000}), b = at::empty({2000}); }
  EXPECT_EQ(memory.peak_bytes(), 4 * 3000);
  const at::Tensor c = at::empty({2500});
  EXPECT_EQ(memory.peak_bytes(), 4 * 3000);
  before = at::Tensor();
  const at::Tensor d = at::empty({1000});
  EXPECT_EQ(memory.peak_bytes(), 4 * 3500);
}

TEST(TensorMemoryTest, TheInnerOneCountsAlone) {
  const TensorMemory outer;
  const at::Tensor a = at::empty({1000});
  {
    const TensorMemory inner;
    const at::Tensor b = at::empty({500});
    EXPECT_EQ(inner.peak_bytes(), 4 * 500);
  }
  EXPECT_EQ(outer.peak_bytes(), 4 * 1000);
}

}  // namespace
}  // namespace rcnn
