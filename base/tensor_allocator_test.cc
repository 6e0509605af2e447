#include "rcnn/base/tensor_allocator.h"

#include <ATen/ATen.h>
#include <malloc.h>

#include <cstdint>
#include <limits>
#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace rcnn {
namespace {

class TensorAllocatorTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { UseTensorAllocator(); }
};

TEST_F(TensorAllocatorTest, TensorsAreAlignedAndKeepTheirValues) {
  std::vector<at::Tensor> tensors;
  for (int64_t n = 1; n < 200; ++n) tensors.push_back(at::full({n}, n, at::kFloat));
  for (const at::Tensor& tensor : tensors) {
    EXPECT_EQ(reinterpret_cast<uintptr_t>(tensor.data_ptr()) % 64, 0u);
    EXPECT_EQ(tensor.min().item<float>(), tensor.numel());
    EXPECT_EQ(tensor.max().item<float>(), tensor.numel());
  }
}

TEST_F(TensorAllocatorTest, EmptyTensorsHaveNoMemory) {
  EXPECT_EQ(at::empty({0, 4}).data_ptr(), nullptr);
  EXPECT_EQ(at::ones({0}).sum().item<float>(), 0);
}

TEST_F(TensorAllocatorTest, ResizesStorage) {
  at::Tensor tensor = at::arange(10, at::kFloat);
  tensor.resize_({100000});
  EXPECT_TRUE(at::equal(tensor.slice(0, 0, 10), at::arange(10, at::kFloat)));
}

TEST_F(TensorAllocatorTest, TensorsFromBeforeAndOfOtherThreadsAreFreed) {
  at::Tensor tensor;
  std::thread([&] { tensor = at::ones({1 << 20}); }).join();
  EXPECT_EQ(tensor.sum().item<float>(), 1 << 20);
  UseTensorAllocator();
  tensor = at::Tensor();
}

TEST_F(TensorAllocatorTest, RawMemoryIsFreedByItsDeleter) {
  c10::Allocator* allocator = c10::GetAllocator(c10::DeviceType::CPU);
  allocator->raw_deallocate(allocator->raw_allocate(1000));
}

#if !defined(__SANITIZE_ADDRESS__)

TEST_F(TensorAllocatorTest, ExhaustedMemoryIsAnError) {
  try {
    at::empty({std::numeric_limits<int64_t>::max() / 8}, at::kFloat);
    FAIL() << "nothing was thrown";
  } catch (const c10::Error& error) {
    EXPECT_NE(error.msg().find("not enough memory for a tensor of"), std::string::npos)
        << error.msg();
  }
}

#if defined(__GLIBC__)

TEST_F(TensorAllocatorTest, ReusesTheMemoryOfFreedTensors) {
  mallopt(M_MMAP_THRESHOLD, std::numeric_limits<int>::max());
  std::vector<at::Tensor> kept, holes;
  for (int i = 0; i < 32; ++i) {
    holes.push_back(at::empty({1 << 18}));
    kept.push_back(at::empty({1 << 18}));
  }
  const size_t before = mallinfo2().arena;
  for (at::Tensor& tensor : holes) tensor = at::Tensor();
  for (at::Tensor& tensor : holes) tensor = at::empty({1 << 18});
  EXPECT_EQ(mallinfo2().arena, before);
}

#endif
#endif

}  // namespace
}  // namespace rcnn
