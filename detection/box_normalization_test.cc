#include "rcnn/detection/box_normalization.h"

#include <ATen/ATen.h>

#include <memory>

#include "gtest/gtest.h"
#include "rcnn/detection/weights/module_state.h"

namespace rcnn::detection {
namespace {

TEST(BoxNormalizationTest, OffItChangesNothing) {
  const at::Tensor targets = at::ones({3, 4});
  EXPECT_TRUE(BoxNormalization().Normalize(targets).equal(targets));
}

TEST(BoxNormalizationTest, SubtractsTheMeanAndDividesByTheDeviation) {
  BoxNormalization normalization;
  normalization.Set(at::full({4}, 2.0), at::full({4}, 4.0));
  EXPECT_TRUE(normalization.Normalize(at::full({2, 4}, 10.0)).equal(at::full({2, 4}, 2.0)));
  normalization.Set({}, {});
  EXPECT_FALSE(normalization.is_set());
}

TEST(BoxNormalizationTest, RowsSelectTheNumbersOfAClass) {
  BoxNormalization normalization;
  const at::Tensor mean = at::tensor({0.f, 1.f}).view({2, 1}).repeat({1, 4});
  normalization.Set(mean, at::ones({2, 4}));
  const at::Tensor found =
      normalization.Normalize(at::full({2, 4}, 3.0), at::tensor({1, 0}, at::kLong));
  EXPECT_TRUE(found.equal(at::tensor({2.f, 3.f}).view({2, 1}).repeat({1, 4})));
}

TEST(BoxNormalizationTest, MovesWithItsModel) {
  torch::nn::Module model;
  const auto normalization =
      model.register_module("normalization", std::make_shared<BoxNormalization>());
  const auto is_double = [&] {
    return normalization->mean().scalar_type() == at::kDouble &&
           normalization->std().scalar_type() == at::kDouble;
  };
  normalization->Set(at::full({4}, 2.0), at::full({4}, 4.0));
  model.to(at::kDouble);
  EXPECT_TRUE(is_double());
  EXPECT_TRUE(normalization->mean().equal(at::full({4}, 2.0, at::kDouble)));
  normalization->Set(at::zeros({3, 4}), at::ones({3, 4}));
  EXPECT_FALSE(is_double());
  model.to(at::Device(at::kCPU), at::kDouble);
  EXPECT_TRUE(is_double());
}

TEST(BoxNormalizationTest, ItsBuffersAreRegisteredButNotSaved) {
  const BoxNormalization normalization;
  EXPECT_TRUE(normalization.named_parameters().is_empty());
  ASSERT_EQ(normalization.named_buffers().size(), 2u);
  for (const auto& item : normalization.named_buffers()) {
    EXPECT_FALSE(weights::IsSavedBuffer(item.key())) << item.key();
  }
}

TEST(BoxNormalizationTest, KeepsACopy) {
  BoxNormalization normalization;
  at::Tensor mean = at::zeros({4});
  normalization.Set(mean, at::ones({4}));
  mean.fill_(7);
  EXPECT_TRUE(normalization.mean().equal(at::zeros({4})));
}

}  // namespace
}  // namespace rcnn::detection
