#include "rcnn/detection/layer_tensors.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <c10/core/InferenceMode.h>

#include <cstdint>
#include <stdexcept>
#include <utility>

#include "gtest/gtest.h"

namespace rcnn::detection {
namespace {

TEST(KeptTensorsTest, AreComputedAgainOnlyForAnotherVersionOrDevice) {
  KeptTensors kept;
  int computed = 0;
  const auto first = [&](int64_t version, const at::Device& device) {
    const auto compute = [&] {
      EXPECT_FALSE(at::GradMode::is_enabled());
      return std::pair(at::full({1}, static_cast<double>(++computed)), at::Tensor());
    };
    return kept.Get(version, device, compute).first.item<double>();
  };
  const at::Device cpu = at::zeros({1}).device();
  EXPECT_EQ(first(4, cpu), 1);
  EXPECT_EQ(first(4, cpu), 1);
  EXPECT_EQ(first(5, cpu), 2);
  EXPECT_EQ(first(4, cpu), 3);
  EXPECT_EQ(first(4, at::Device(at::kMeta)), 4);
}

TEST(TensorVersionTest, CountsChangesInPlace) {
  const at::Tensor tensor = at::zeros({2});
  const int64_t before = TensorVersion(tensor);
  tensor.add_(1);
  EXPECT_EQ(TensorVersion(tensor), before + 1);
  EXPECT_EQ(TensorVersion(at::Tensor()), 0);
  const c10::InferenceMode mode;
  EXPECT_EQ(TensorVersion(at::zeros({2}).add_(1)), 0);
}

TEST(WidenTest, ConvertsShorterTypesAlone) {
  const at::Tensor single = at::ones({2}), wide = at::ones({2}, at::kDouble);
  EXPECT_EQ(Widen(single, single.to(at::kBFloat16)).scalar_type(), at::kFloat);
  EXPECT_EQ(Widen(wide, single.to(at::kHalf)).scalar_type(), at::kDouble);
  EXPECT_TRUE(Widen(wide, single).is_same(single));
  EXPECT_TRUE(Widen(single, wide).is_same(wide));
}

TEST(StoredTensorTest, HasTheNumbersThatWereStored) {
  const at::Tensor numbers = at::arange(6, at::kFloat).view({2, 3}).t();
  const auto stored = StoreTensor(numbers);
  EXPECT_TRUE(StoredTensor(stored, {3, 2}).equal(numbers));
  EXPECT_THROW(StoredTensor(stored, {3, 3}), std::invalid_argument);
  EXPECT_FALSE(StoredTensor(StoreTensor(at::Tensor()), {3}).defined());
}

TEST(StoredTensorTest, KeepsTheNumbersAlive) {
  const at::Tensor tensor = StoredTensor(StoreTensor(at::full({1000}, 2.0)), {1000});
  EXPECT_EQ(tensor.sum().item<double>(), 2000);
}

}  // namespace
}  // namespace rcnn::detection
