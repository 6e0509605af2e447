#include "rcnn/detection/norm.h"

#include <ATen/ATen.h>

#include <vector>

#include "gtest/gtest.h"
#include "rcnn/detection/batch_map.h"
#include "rcnn/detection/testing/normed_conv.h"
#include "rcnn/detection/testing/slow_layers.h"

namespace rcnn::detection {
namespace {

// With the sum of a single process, which has the whole batch.
TEST(NormTest, APartUsesTheStatisticsOfTheBatch) {
  const auto gradients = [](bool as_part) {
    Norm norm(4, MakeNormOptions(NormOptions::kBatchNorm));
    FillAtRandom(norm, 0.5, 3);
    norm.to(at::kDouble);
    if (as_part) norm.SetPartsSum([](const at::Tensor& values) { return values; });
    at::Tensor x = at::randn({3, 4, 5, 6}, SeededGenerator(), at::kDouble).requires_grad_();
    const at::Tensor y = norm.Forward(x);
    (y * at::randn(y.sizes(), SeededGenerator(), at::kDouble)).sum().backward();
    std::vector<at::Tensor> found = {y.detach(), x.grad()};
    for (const at::Tensor& parameter : norm.parameters()) found.push_back(parameter.grad());
    for (const at::Tensor& buffer : norm.buffers()) found.push_back(buffer.to(at::kDouble));
    return found;
  };
  const auto expected = gradients(false), found = gradients(true);
  ASSERT_EQ(found.size(), expected.size());
  for (size_t i = 0; i < found.size(); ++i) EXPECT_TRUE(Near(found[i], expected[i], 1e-10)) << i;
}

// Images of 5 x 6 and 2 x 3 cells: the statistics of all 36, each of the same weight, as if they
// were the cells of one row.
TEST(NormTest, ImagesOfDifferentSizesShareTheStatisticsOfTheirCells) {
  const auto results = [](bool in_one_row) {
    Norm norm(4, MakeNormOptions(NormOptions::kBatchNorm));
    FillAtRandom(norm, 0.5, 3);
    norm.to(at::kDouble);
    at::Tensor row = at::randn({1, 4, 1, 36}, SeededGenerator(), at::kDouble).requires_grad_();
    at::Tensor y;
    if (in_one_row) {
      y = norm.Forward(row);
    } else {
      BatchMap images;
      images.parts = {row.narrow(3, 0, 30).reshape({1, 4, 5, 6}),
                      row.narrow(3, 30, 6).reshape({1, 4, 2, 3})};
      const BatchMap maps = norm.Forward(images);
      y = at::cat({maps.parts[0].reshape({1, 4, 1, 30}), maps.parts[1].reshape({1, 4, 1, 6})}, 3);
    }
    (y * at::randn(y.sizes(), SeededGenerator(), at::kDouble)).sum().backward();
    std::vector<at::Tensor> found = {y.detach(), row.grad()};
    for (const at::Tensor& parameter : norm.parameters()) found.push_back(parameter.grad());
    for (const at::Tensor& buffer : norm.buffers()) found.push_back(buffer.to(at::kDouble));
    return found;
  };
  const auto expected = results(true), found = results(false);
  ASSERT_EQ(found.size(), expected.size());
  for (size_t i = 0; i < found.size(); ++i) EXPECT_TRUE(Near(found[i], expected[i], 1e-10)) << i;
}

// Under autocast the maps are bfloat16.
TEST(NormTest, ShortTypesDoNotRoundTheStatisticsOfSeveralImages) {
  Norm of_short(4, MakeNormOptions(NormOptions::kBatchNorm));
  Norm of_wide(4, MakeNormOptions(NormOptions::kBatchNorm));
  FillAtRandom(of_short, 0.5, 3);
  FillAtRandom(of_wide, 0.5, 3);
  BatchMap images;
  images.parts = {at::randn({1, 4, 23, 29}, SeededGenerator()).to(at::kBFloat16),
                  at::randn({1, 4, 17, 31}, SeededGenerator(9)).to(at::kBFloat16)};
  const BatchMap found = of_short.Forward(images);
  const BatchMap expected = of_wide.Forward(
      ForEachPart(images, [](const at::Tensor& part) { return part.to(at::kFloat); }));
  for (size_t p = 0; p < images.parts.size(); ++p) {
    EXPECT_EQ(found.parts[p].scalar_type(), at::kBFloat16);
    EXPECT_TRUE(found.parts[p].equal(expected.parts[p].to(at::kBFloat16))) << p;
  }
  const std::vector<at::Tensor> of_found = of_short.buffers(), of_expected = of_wide.buffers();
  ASSERT_EQ(of_found.size(), 3u);
  for (size_t i = 0; i < 3; ++i) EXPECT_TRUE(of_found[i].equal(of_expected[i])) << i;
}

}  // namespace
}  // namespace rcnn::detection
