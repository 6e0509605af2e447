#include "rcnn/detection/weights/import.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/detection/weights/known_name_maps.h"

namespace rcnn::detection::weights {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

const NameMap& Map() { return **FindNameMap("rcnn"); }

at::Tensor Counting(at::IntArrayRef sizes, at::ScalarType type = at::kFloat) {
  int64_t elements = 1;
  for (const int64_t size : sizes) elements *= size;
  return at::arange(1, elements + 1, at::kFloat).to(type).view(sizes);
}

struct Tensor {
  const char* name;
  std::vector<int64_t> sizes;
};

StateDict Weights(const std::vector<Tensor>& tensors) {
  StateDict state;
  for (const Tensor& tensor : tensors) state.Add(tensor.name, Counting(tensor.sizes));
  return state;
}

StateDict Model(const std::vector<Tensor>& tensors) {
  StateDict state;
  for (const Tensor& tensor : tensors) state.Add(tensor.name, at::full(tensor.sizes, -1.0f));
  return state;
}

bool IsUntouched(const StateDict& model) {
  for (const auto& entry : model) {
    if (!at::equal(entry.tensor, at::full(entry.tensor.sizes(), -1.0f))) return false;
  }
  return true;
}

TEST(ImportTest, RefusesWhatIsNotFiniteByName) {
  for (const double bad : {std::nan(""), std::numeric_limits<double>::infinity()}) {
    const StateDict model = Model({{"backbone.conv1.weight", {2, 3}}, {"rpn.conv.weight", {4}}});
    StateDict weights = Weights({{"rpn.conv.weight", {4}}});
    at::Tensor tensor = Counting({2, 3});
    tensor.view(-1)[4] = bad;
    weights.Add("backbone.conv1.weight", tensor);
    EXPECT_THAT(ImportStateDict(weights, Map(), {.source = "f.pth"}, model),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         HasSubstr("f.pth: backbone.conv1.weight: 1 of 6 values")));
    EXPECT_TRUE(IsUntouched(model));
    EXPECT_THAT(ImportStateDict(weights, Map(), {.reinitialised = {"backbone"}}, model), IsOk())
        << "what is not taken may be anything";
  }
}

TEST(ImportTest, CountsWhatIsNotFiniteInAllPartsOfALargeTensor) {
  constexpr int64_t kCount = StateDict::kPartNumbers + 3;
  at::Tensor large = at::zeros({kCount});
  for (const int64_t i : {int64_t{0}, kCount - 2, kCount - 1}) large[i] = std::nan("");
  StateDict weights, model;
  weights.Add("head.fc6.weight", large);
  model.Add("head.fc6.weight", at::zeros({kCount}));
  EXPECT_THAT(ImportStateDict(weights, Map(), {}, model),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("head.fc6.weight: 3 of 4194307 values")));
}

TEST(ImportTest, CopiesAllPartsOfALargeTensor) {
  constexpr int64_t kCount = StateDict::kPartNumbers + 3;
  StateDict weights, model;
  weights.Add("head.fc6.weight", at::arange(kCount, at::kFloat));
  model.Add("head.fc6.weight", at::zeros({kCount}));
  ASSERT_THAT(ImportStateDict(weights, Map(), {}, model), IsOk());
  EXPECT_TRUE(at::equal(*model.Find("head.fc6.weight"), *weights.Find("head.fc6.weight")));
}

TEST(ImportTest, OffersTensorsInTheShapeOfTheModelAndCopiesOnlyTheOthers) {
  StateDict weights = Weights({{"head.fc6.weight", {4, 2, 3, 3}}, {"head.fc7.bias", {1, 1, 5}}});
  weights.Add("head.fc7.weight", Counting({2, 3}, at::kDouble));
  const StateDict model =
      Model({{"head.fc6.weight", {4, 18}}, {"head.fc7.bias", {5}}, {"head.fc7.weight", {2, 3}}});
  std::vector<std::pair<std::string, at::Tensor>> offered;
  ImportOptions options;
  options.borrow = [&](const std::string& name, const at::Tensor& tensor) {
    offered.emplace_back(name, tensor);
    return name == "head.fc6.weight";
  };
  const auto report = ImportStateDict(weights, Map(), options, model);
  ASSERT_THAT(report, IsOk());
  EXPECT_EQ(report->Count(ImportOutcome::kLoaded) + report->Count(ImportOutcome::kReshaped), 3);
  ASSERT_EQ(offered.size(), 3u);
  EXPECT_EQ(offered[0].first, "head.fc6.weight");
  EXPECT_EQ(offered[0].second.data_ptr(), weights.Find("head.fc6.weight")->data_ptr());
  EXPECT_TRUE(at::equal(offered[0].second, Counting({4, 18})));
  EXPECT_TRUE(at::equal(offered[1].second, Counting({5})));
  EXPECT_EQ(offered[2].second.scalar_type(), at::kDouble);
  EXPECT_TRUE(at::equal(*model.Find("head.fc6.weight"), at::full({4, 18}, -1.0f)))
      << "it is the callback that fills this one";
  EXPECT_TRUE(at::equal(*model.Find("head.fc7.bias"), Counting({5})));
  EXPECT_TRUE(at::equal(*model.Find("head.fc7.weight"), Counting({2, 3})));
}

TEST(ImportTest, OffersNothingIfItFails) {
  const StateDict weights = Weights({{"head.fc6.weight", {2}}});
  const StateDict model = Model({{"head.fc6.weight", {2}}, {"head.fc7.weight", {2}}});
  ImportOptions options;
  options.exact = true;
  options.borrow = [](const std::string& name, const at::Tensor&) {
    ADD_FAILURE() << name;
    return true;
  };
  EXPECT_THAT(ImportStateDict(weights, Map(), options, model),
              StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST(ImportTest, LoadsSkipsAndLeaves) {
  const StateDict model = Model({{"backbone.conv1.weight", {2, 3}}, {"rpn.conv.weight", {4}}});
  const auto report = ImportStateDict(
      Weights({{"backbone.conv1.weight", {2, 3}}, {"head.fc6.weight", {5}}, {"odd", {1}}}), Map(),
      {.source = "f.pth"}, model);
  ASSERT_THAT(report, IsOk());
  EXPECT_EQ(report->Count(ImportOutcome::kLoaded), 1);
  EXPECT_EQ(report->Count(ImportOutcome::kSkipped), 2);
  EXPECT_EQ(report->Count(ImportOutcome::kLeftAtInitial), 1);
  EXPECT_TRUE(at::equal(*model.Find("backbone.conv1.weight"), Counting({2, 3})));
  EXPECT_TRUE(at::equal(*model.Find("rpn.conv.weight"), at::full({4}, -1.0f)));
  EXPECT_THAT(report->ToString(), HasSubstr("weights of f.pth, names by rcnn"));
  EXPECT_THAT(report->ToString(), HasSubstr("unknown to the map"));
  EXPECT_THAT(report->ToString(), HasSubstr("the model has no head.fc6.weight"));
}

TEST(ImportTest, ReshapesOnesAndFlattening) {
  const std::pair<std::vector<int64_t>, std::vector<int64_t>> shapes[] = {
      {{1, 1, 1, 6}, {6}},       {{1, 1, 4, 6}, {4, 6}},
      {{4, 2, 3, 3}, {4, 18}},   {{4, 18}, {4, 2, 3, 3}},
      {{4, 6}, {4, 6, 1, 1}},    {{4, 6, 1, 1}, {4, 6}},
      {{5, 4, 3, 2}, {5, 4, 6}}, {{1}, {}}};
  for (const auto& [from, to] : shapes) {
    const StateDict model = Model({{"head.fc6.weight", to}});
    const auto report = ImportStateDict(Weights({{"head.fc6.weight", from}}), Map(), {}, model);
    ASSERT_THAT(report, IsOk());
    EXPECT_EQ(report->Count(ImportOutcome::kReshaped), 1) << ShapeString(from);
    EXPECT_TRUE(at::equal(model.entries()[0].tensor, Counting(from).reshape(to)));
  }
}

TEST(ImportTest, ShapeErrorsNameBothShapes) {
  const std::pair<std::vector<int64_t>, std::vector<int64_t>> shapes[] = {
      {{4, 6}, {6, 4}}, {{21, 8}, {91, 8}}, {{24}, {4, 6}},       {{2, 12}, {4, 6}},
      {{4, 6}, {24}},   {{0}, {3}},         {{4, 3, 2}, {12, 2}}, {{6}, {5}}};
  for (const auto& [from, to] : shapes) {
    const StateDict model = Model({{"backbone.conv1.weight", {2}}, {"head.cls_score.weight", to}});
    const auto report =
        ImportStateDict(Weights({{"backbone.conv1.weight", {2}}, {"head.cls_score.weight", from}}),
                        Map(), {.source = "f.pth"}, model);
    EXPECT_THAT(report,
                StatusIs(absl::StatusCode::kInvalidArgument,
                         AllOf(HasSubstr("f.pth: head.cls_score.weight is " + ShapeString(from)),
                               HasSubstr(ShapeString(to)))));
    EXPECT_TRUE(IsUntouched(model));
  }
}

TEST(ImportTest, ReinitialisedPartsKeepTheirValues) {
  const StateDict weights = Weights({{"head.fc6.weight", {2}},
                                     {"head.cls_score.weight", {91, 2}},
                                     {"head.cls_score.bias", {21}}});
  const StateDict model = Model({{"head.fc6.weight", {2}},
                                 {"head.cls_score.weight", {21, 2}},
                                 {"head.cls_score.bias", {21}}});
  const auto report = ImportStateDict(weights, Map(), {.reinitialised = {"head.cls_score"}}, model);
  ASSERT_THAT(report, IsOk());
  EXPECT_EQ(report->Count(ImportOutcome::kLoaded), 1);
  EXPECT_EQ(report->Count(ImportOutcome::kLeftAtInitial), 2);
  EXPECT_EQ(model.Find("head.cls_score.bias")->max().item<float>(), -1.0f);
  EXPECT_THAT(report->ToString(), HasSubstr("head.cls_score.weight [21, 2] (re-initialised)"));
}

TEST(ImportTest, ReinitialisedIsAWholeWordOfTheName) {
  const StateDict model = Model({{"head.fc6.weight", {2}}, {"head.fc67.weight", {2}}});
  const StateDict weights = Weights({{"head.fc6.weight", {2}}, {"head.fc67.weight", {2}}});
  const auto report = ImportStateDict(weights, Map(), {.reinitialised = {"head.fc6"}}, model);
  ASSERT_THAT(report, IsOk());
  EXPECT_EQ(report->Count(ImportOutcome::kLoaded), 1);
  const auto unknown = ImportStateDict(weights, Map(), {.reinitialised = {"head.fc"}}, model);
  EXPECT_THAT(unknown, StatusIs(absl::StatusCode::kNotFound, HasSubstr("'head.fc'")));
}

TEST(ImportTest, ConvertsFloatingTypesAndSaysSo) {
  StateDict weights;
  weights.Add("head.fc6.weight", Counting({3}, at::kBFloat16));
  weights.Add("head.fc7.weight", Counting({3}, at::kDouble));
  const StateDict model = Model({{"head.fc6.weight", {3}}, {"head.fc7.weight", {3}}});
  const auto report = ImportStateDict(weights, Map(), {}, model);
  ASSERT_THAT(report, IsOk());
  EXPECT_TRUE(at::equal(*model.Find("head.fc6.weight"), Counting({3})));
  EXPECT_THAT(report->ToString(), HasSubstr("from BFloat16"));
  EXPECT_THAT(report->ToString(), HasSubstr("from Double"));
}

TEST(ImportTest, IntegersForFloatsAreAnError) {
  StateDict weights;
  weights.Add("head.fc6.weight", Counting({3}, at::kLong));
  const StateDict model = Model({{"head.fc6.weight", {3}}});
  const auto report = ImportStateDict(weights, Map(), {}, model);
  EXPECT_THAT(report, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("Long")));
}

TEST(ImportTest, PartlyFilledBackboneIsAnError) {
  const StateDict weights = Weights({{"backbone.layer1.0.conv1.weight", {2}}});
  const StateDict model =
      Model({{"backbone.layer1.0.conv1.weight", {2}}, {"backbone.layer1.1.conv1.weight", {2}}});
  const auto report = ImportStateDict(weights, Map(), {.source = "r18.pth"}, model);
  EXPECT_THAT(report, StatusIs(absl::StatusCode::kFailedPrecondition,
                               HasSubstr("the first is backbone.layer1.1.conv1.weight")));
  EXPECT_TRUE(IsUntouched(model));
  EXPECT_THAT(ImportStateDict(weights, Map(), {.whole_parts = {}}, model), IsOk());
}

TEST(ImportTest, BatchCountersMayBeMissing) {
  StateDict model = Model({{"backbone.bn1.weight", {2}}});
  model.Add("backbone.bn1.num_batches_tracked", at::zeros({}, at::kLong));
  const auto report =
      ImportStateDict(Weights({{"backbone.bn1.weight", {2}}}), Map(), {.exact = true}, model);
  EXPECT_THAT(report, IsOk());
}

TEST(ImportTest, NoMatchIsAnError) {
  const StateDict model = Model({{"head.fc6.weight", {2}}});
  const auto report = ImportStateDict(Weights({{"x", {2}}}), Map(), {.source = "f.pth"}, model);
  EXPECT_THAT(report,
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("f.pth has no tensor")));
}

TEST(ImportTest, ExactRequiresEqualTensors) {
  const StateDict model = Model({{"head.fc6.weight", {2}}, {"head.fc7.weight", {2}}});
  const ImportOptions exact{.exact = true};
  const auto missing = ImportStateDict(Weights({{"head.fc6.weight", {2}}}), Map(), exact, model);
  EXPECT_THAT(missing,
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("head.fc7.weight")));
  const auto extra = ImportStateDict(
      Weights({{"head.fc6.weight", {2}}, {"head.fc7.weight", {2}}, {"head.fc8.weight", {2}}}),
      Map(), exact, model);
  EXPECT_THAT(extra, StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("head.fc8.weight")));
  EXPECT_TRUE(IsUntouched(model));
  EXPECT_THAT(ImportStateDict(Weights({{"head.fc6.weight", {2}}, {"head.fc7.weight", {2}}}), Map(),
                              exact, model),
              IsOk());
}

TEST(ImportTest, FillsParametersThatRequireGradients) {
  StateDict model;
  model.Add("head.fc6.weight", at::zeros({2}).requires_grad_());
  ASSERT_THAT(ImportStateDict(Weights({{"head.fc6.weight", {2}}}), Map(), {}, model), IsOk());
  EXPECT_TRUE(model.entries()[0].tensor.is_leaf());
  EXPECT_EQ(model.entries()[0].tensor.sum().item<float>(), 3.0f);
}

}  // namespace
}  // namespace rcnn::detection::weights
