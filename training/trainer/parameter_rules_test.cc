#include "rcnn/training/trainer/parameter_rules.h"

#include <ATen/ATen.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/configs/testing/parse_text.h"

namespace rcnn::training {
namespace {

using ::testing::HasSubstr;

configs::SolverConfig Parse(const std::string& text) {
  return configs::ParseTextOrDie<configs::SolverConfig>(text);
}

TrainedParameter Parameter(const std::string& name, at::IntArrayRef shape) {
  return {name, at::zeros(shape).requires_grad_()};
}

TEST(FindMultipliersTest, TheFirstMatchingRuleDecides) {
  const auto multipliers =
      FindMultipliers(Parse("rules { prefix: 'head' kind: BIAS learning_rate_multiplier: 2 } "
                            "rules { prefix: 'backbone' kind: NORM weight_decay_multiplier: 0 } "
                            "rules { kind: BIAS learning_rate_multiplier: 3 }"),
                      {Parameter("head.fc6.weight", {2, 2}), Parameter("head.fc6.bias", {2}),
                       Parameter("headline.bias", {2}), Parameter("backbone.bn1.weight", {2}),
                       Parameter("backbone.bn1.bias", {2})});
  ASSERT_THAT(multipliers, IsOk());
  std::vector<std::pair<double, double>> found;
  for (const ParameterMultipliers& m : *multipliers) {
    found.emplace_back(m.learning_rate, m.weight_decay);
  }
  EXPECT_EQ(found,
            (std::vector<std::pair<double, double>>{{1, 1}, {2, 1}, {3, 1}, {1, 0}, {1, 0}}));
}

TEST(FindMultipliersTest, ARuleThatMatchesNothingIsAnError) {
  EXPECT_THAT(
      FindMultipliers(Parse("rules { prefix: 'haed' }"), {Parameter("head.fc6.weight", {1})}),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("rule 0, {prefix: \"haed\"}")));
}

TEST(FindMultipliersTest, UntrainableTensorsAreErrorsThatNameThem) {
  const auto expect_error = [](const std::vector<TrainedParameter>& parameters,
                               const std::string& message) {
    EXPECT_THAT(FindMultipliers({}, parameters),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(message)));
  };
  expect_error({{"frozen", at::zeros({1})}}, "parameter frozen is not a dense float32 leaf");
  expect_error({{"half", at::zeros({1}, at::kHalf).requires_grad_()}}, "parameter half is not");
  expect_error({{"none", at::Tensor()}}, "parameter none is not");
  const TrainedParameter w = Parameter("w", {1});
  expect_error({w, w}, "two parameters are called w");
}

}  // namespace
}  // namespace rcnn::training
