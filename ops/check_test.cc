#include "rcnn/ops/check.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <initializer_list>
#include <limits>
#include <string>

#include "rcnn/base/testing/instruction_levels.h"
#include "rcnn/ops/error_message.h"
#include "rcnn/ops/unchecked_values.h"

namespace rcnn::ops {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

at::Tensor UnitBoxes(int64_t count, at::ScalarType dtype = at::kFloat) {
  return at::tensor({0.0, 0.0, 1.0, 1.0}, dtype).repeat({count, 1});
}

at::Tensor WithRow(at::Tensor boxes, int64_t row, std::initializer_list<double> values) {
  boxes.select(0, row).copy_(at::tensor(values, boxes.scalar_type()));
  return boxes;
}

TEST(CheckBoxesTest, AcceptsGoodBoxes) {
  for (const at::ScalarType dtype : {at::kFloat, at::kDouble}) {
    for (const int64_t count : {0, 1, 2, 3, 7, 8, 9, 33, 1000}) {
      EXPECT_NO_THROW(CheckBoxes(UnitBoxes(count, dtype), "boxes"));
    }
    EXPECT_NO_THROW(CheckBoxes(at::zeros({5, 4}, dtype), "boxes")) << "zero sides are allowed";
    EXPECT_NO_THROW(CheckBoxes(UnitBoxes(5, dtype) - 1e30, "boxes"));
  }
}

class CheckLevelTest : public InstructionLevelTest {};

INSTANTIATE_TEST_SUITE_P(Levels, CheckLevelTest, LevelsFrom(InstructionLevel::kPortable),
                         LevelName);

TEST_P(CheckLevelTest, NamesTheFirstBadRowAnywhere) {
  for (const at::ScalarType dtype : {at::kFloat, at::kDouble}) {
    for (const int64_t count : {1, 8, 37}) {
      for (int64_t row = 0; row < count; ++row) {
        at::Tensor boxes = WithRow(UnitBoxes(count, dtype), count - 1, {0, 0, kNan, 1});
        boxes = WithRow(boxes, row, {10, 20, 5, 30});
        EXPECT_THAT(ErrorMessage([&] { CheckBoxes(boxes, "gt_boxes"); }),
                    StartsWith("gt_boxes: row " + std::to_string(row) +
                               " is (10, 20, 5, 30): x2 < x1 (gt_boxes is [" +
                               std::to_string(count) + ", 4] float"));
      }
    }
  }
}

TEST(CheckBoxesTest, NamesEveryFault) {
  const auto error_message = [](std::initializer_list<double> row) {
    return ErrorMessage([&] { CheckBoxes(WithRow(UnitBoxes(20), 13, row), "boxes"); });
  };
  EXPECT_THAT(error_message({0, 9, 5, 3}), HasSubstr("row 13 is (0, 9, 5, 3): y2 < y1"));
  for (const float bad : {kNan, kInfinity, -kInfinity}) {
    EXPECT_THAT(error_message({bad, 0, 1, 1}), HasSubstr("row 13"));
    EXPECT_THAT(error_message({0, bad, 1, 1}), HasSubstr("not finite"));
    EXPECT_THAT(error_message({0, 0, bad, 1}), HasSubstr("not finite"));
    EXPECT_THAT(error_message({0, 0, 1, bad}), HasSubstr("not finite"));
    EXPECT_THAT(error_message({bad, bad, bad, bad}), HasSubstr("not finite"));
  }
  EXPECT_THAT(error_message({-3e38, 0, 3e38, 1}), HasSubstr("the width overflows"));
  EXPECT_THAT(error_message({0, -3e38, 1, 3e38}), HasSubstr("the height overflows"));
}

TEST(CheckBoxesTest, ReadsStridedBoxes) {
  at::Tensor columns = UnitBoxes(10).t().contiguous().t();
  ASSERT_FALSE(columns.is_contiguous());
  EXPECT_NO_THROW(CheckBoxes(columns, "boxes"));
  EXPECT_THAT(ErrorMessage([&] {
                CheckBoxes(WithRow(columns, 4, {2, 0, 1, 1}), "boxes");
              }),
              HasSubstr("row 4 is (2, 0, 1, 1)"));
}

TEST(CheckBoxesTest, RejectsShapeDtypeAndUndefined) {
  const auto error_message = [](const at::Tensor& boxes) {
    return ErrorMessage([&] { CheckBoxes(boxes, "boxes"); });
  };
  EXPECT_THAT(error_message(at::zeros({4})),
              StartsWith("boxes: expected shape [*, 4], got [4] float32 on cpu"));
  EXPECT_THAT(error_message(at::zeros({3, 5})), HasSubstr("got [3, 5] float32"));
  EXPECT_THAT(error_message(at::zeros({2, 3, 4})), HasSubstr("got [2, 3, 4] float32"));
  EXPECT_THAT(error_message(at::zeros({3, 4}, at::kLong)),
              StartsWith("boxes: expected dtype float32|float64, got [3, 4] int64 on cpu"));
  EXPECT_THAT(error_message(at::zeros({3, 4}, at::kHalf)), HasSubstr("float16"));
  EXPECT_THAT(error_message(at::Tensor()), StartsWith("boxes: is an undefined tensor"));
}

TEST(CheckBoxesTest, MetaTensorsHaveNoValues) {
  const at::Tensor meta = at::empty({3, 4}, at::TensorOptions().device(at::kMeta));
  EXPECT_NO_THROW(CheckBoxes(meta, "boxes"));
  EXPECT_NO_THROW(CheckScores(at::empty({3}, meta.options()), "scores", meta, "boxes"));
  EXPECT_THAT(ErrorMessage([&] { CheckScores(at::empty({3}), "scores", meta, "boxes"); }),
              StartsWith("scores: is [3] float32 on cpu, on another device than boxes"));
}

TEST(CheckBoxesTest, ShowsFloatsThatDifferInTheLastBit) {
  const float x = std::nextafter(100.0f, 0.0f);
  const std::string error = ErrorMessage([&] {
    CheckBoxes(WithRow(UnitBoxes(1), 0, {100, 0, x, 1}), "boxes");
  });
  EXPECT_THAT(error, HasSubstr("(100, 0, 99.9999924, 1): x2 < x1"));
}

TEST(FirstInvalidBoxTest, ReturnsTheRowThatTheErrorNames) {
  EXPECT_EQ(FirstInvalidBox(UnitBoxes(0)), -1);
  EXPECT_EQ(FirstInvalidBox(UnitBoxes(9)), -1);
  EXPECT_EQ(FirstInvalidBox(WithRow(UnitBoxes(9, at::kDouble), 8, {0, 0, -1, 0})), 8);
  EXPECT_EQ(FirstInvalidBox(WithRow(UnitBoxes(9), 3, {0, 0, kNan, 0}).t().contiguous().t()), 3);
  EXPECT_THAT(ErrorMessage([] { FirstInvalidBox(at::zeros({3})); }), HasSubstr("expected shape"));
}

// Shapes, and values that are read as rows or sorted, are checked always.
TEST(CheckUncheckedTest, SkipsTheOtherValues) {
  const at::Tensor boxes = WithRow(UnitBoxes(3), 1, {5, 0, kNan, 1});
  const at::Tensor negative = at::full({3}, -1.f);
  const UncheckedValues unchecked;
  EXPECT_NO_THROW(CheckBoxes(boxes, "boxes"));
  EXPECT_NO_THROW(CheckBoxAreas(UnitBoxes(1) * 1e30, "boxes", false));
  EXPECT_NO_THROW(CheckFinite(boxes, "boxes"));
  EXPECT_NO_THROW(CheckNotNegative(negative, "scores"));
  EXPECT_THROW(CheckBoxes(boxes.slice(1, 1), "boxes"), c10::Error);
  EXPECT_THROW(CheckFinite(at::ones({3}, at::kLong), "x"), c10::Error);
  EXPECT_THROW(CheckIndices(at::full({3}, 7, at::kLong), "rows", 0, 6), c10::Error);
  EXPECT_THROW(CheckScores(negative * kNan, "scores", boxes, "boxes"), c10::Error);
  EXPECT_EQ(FirstInvalidBox(boxes), 1);
}

TEST(CheckScoresTest, RejectsLengthDtypeAndValues) {
  const at::Tensor boxes = UnitBoxes(40);
  const auto error_message = [&](const at::Tensor& scores) {
    return ErrorMessage([&] { CheckScores(scores, "scores", boxes, "boxes"); });
  };
  EXPECT_EQ(error_message(at::zeros({40})), "");
  EXPECT_THAT(error_message(at::zeros({39})),
              StartsWith("scores: is [39] float32 on cpu, not as long as boxes, which is [40, 4]"));
  EXPECT_THAT(error_message(at::zeros({40, 1})), StartsWith("scores: expected shape [*]"));
  EXPECT_THAT(error_message(at::zeros({40}, at::kDouble)),
              HasSubstr("of another dtype than boxes"));
  for (const int64_t row : {0, 31, 32, 39}) {
    at::Tensor scores = at::ones({40});
    scores[row] = kNan;
    EXPECT_THAT(error_message(scores),
                AllOf(StartsWith("scores: row " + std::to_string(row) + " is ("),
                      HasSubstr("): not finite (scores is [40] float32 on cpu)")));
  }
}

class CheckFiniteLevelTest : public InstructionLevelTest {};

INSTANTIATE_TEST_SUITE_P(Levels, CheckFiniteLevelTest, LevelsFrom(InstructionLevel::kPortable),
                         LevelName);

TEST_P(CheckFiniteLevelTest, NamesRowAndElement) {
  at::Tensor maps = at::ones({3, 4, 5}, at::kDouble);
  EXPECT_NO_THROW(CheckFinite(maps, "maps"));
  maps[2][1][3] = kInfinity;
  EXPECT_THAT(ErrorMessage([&] { CheckFinite(maps, "maps"); }),
              StartsWith("maps: row 2 is (1, 1, 1, 1, 1, 1, 1, 1, ...): not finite at element 8"));
  EXPECT_NO_THROW(CheckFinite(at::zeros({0, 7}), "maps"));
  EXPECT_NO_THROW(CheckFinite(at::full({64}, 3e38), "maps")) << "a large sum is valid";
  EXPECT_THAT(ErrorMessage([] { CheckFinite(at::full({}, kNan), "x"); }), HasSubstr("not finite"));
  EXPECT_THAT(ErrorMessage([] { CheckFinite(at::full({3}, kNan, at::kBFloat16), "x"); }),
              HasSubstr("row 0"));
  EXPECT_THAT(ErrorMessage([] { CheckFinite(at::zeros({3}, at::kLong), "x"); }),
              StartsWith("x: expected a floating-point dtype, got [3] int64"));
}

TEST(CheckNotNegativeTest, NamesTheRow) {
  EXPECT_EQ(ErrorMessage([] { CheckNotNegative(at::tensor({0., 1.}), "scores"); }), "");
  EXPECT_THAT(ErrorMessage([] {
                CheckNotNegative(at::tensor({0., 1., -1e-9}), "scores");
              }),
              StartsWith("scores: row 2 is negative (scores is [3] float64"));
  EXPECT_EQ(ErrorMessage([] { CheckNotNegative(at::empty({3}, at::kMeta), "scores"); }), "");
}

TEST(CheckIndicesTest, RejectsOutOfRange) {
  const at::Tensor labels = at::arange(20, at::kLong);
  EXPECT_NO_THROW(CheckIndices(labels, "labels", 0, 19));
  EXPECT_THAT(ErrorMessage([&] { CheckIndices(labels, "labels", 0, 18); }),
              StartsWith("labels: row 19 is (19): not in [0, 18] (labels is [20] int64 on cpu)"));
  EXPECT_THAT(ErrorMessage([&] { CheckIndices(labels, "labels", 1, 30); }),
              HasSubstr("row 0 is (0)"));
  EXPECT_THAT(ErrorMessage([&] { CheckIndices(labels.to(at::kInt), "labels", 0, 19); }),
              StartsWith("labels: expected dtype int64, got [20] int32"));
}

// A check must not cost much more than reading the boxes; ten times as much is a
// defect.
TEST(CheckBoxesTest, IsCheap) {
  const at::Tensor boxes = UnitBoxes(12000);
  double best_us = 1e9;
  for (int i = 0; i < 50; ++i) {
    const auto start = std::chrono::steady_clock::now();
    CheckBoxes(boxes, "boxes");
    const std::chrono::duration<double, std::micro> elapsed =
        std::chrono::steady_clock::now() - start;
    best_us = std::min(best_us, elapsed.count());
  }
  RecordProperty("us_for_12000_boxes", std::to_string(best_us));
  EXPECT_LT(best_us, 1000.0);
  printf("12,000 boxes checked in %.1f us\n", best_us);
}

}  // namespace
}  // namespace rcnn::ops
