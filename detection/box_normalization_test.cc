#include "rcnn/detection/box_normalization.h"

#include <ATen/ATen.h>

#include <memory>

#include "gtest/gtest.h"

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

TEST(BoxNormalizationTest, MovesWithItsModelAndIsNoPartOfItsState) {
  torch::nn::Module model;
  const auto normalization =
      model.register_module("normalization", std::make_shared<BoxNormalization>());
  normalization->Set(at::zeros({4}), at::ones({4}));
  model.to(at::kDouble);
  EXPECT_EQ(normalization->std().scalar_type(), at::kDouble);
  model.to(at::Device(at::kMeta));
  EXPECT_TRUE(normalization->mean().is_meta());
  EXPECT_TRUE(model.named_parameters().is_empty() && model.named_buffers().is_empty());
}

}  // namespace
}  // namespace rcnn::detection
