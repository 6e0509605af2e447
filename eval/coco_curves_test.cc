#include "rcnn/eval/coco_curves.h"

#include "gtest/gtest.h"

namespace rcnn::eval {
namespace {

void ExpectPoint(const CurvePoint& point, double precision, double score) {
  EXPECT_EQ(point.precision, precision);
  EXPECT_EQ(point.score, score);
}

TEST(CategoryCurvesTest, IsMinusOneWhereNothingWasAdded) {
  const CategoryCurves empty;
  ExpectPoint(empty.At(0, 0, 0, 0), -1, -1);
  CategoryCurves curves;
  curves.StartArea(2, {0}, 1);
  curves.AddTable(2, 0, {{0.5, 0.9}});
  ExpectPoint(curves.At(0, 0, 2, 0), 0.5, 0.9);
  ExpectPoint(curves.At(0, 0, 0, 0), -1, -1);
  ExpectPoint(curves.At(0, 0, 3, 0), -1, -1);
}

TEST(CategoryCurvesTest, FindsRowsAndColumns) {
  CategoryCurves curves;
  // Three recalls in two columns, two thresholds.
  curves.StartArea(0, {0, 1, 1}, 2);
  curves.AddTable(0, 0, {{1, 0.9}, {0.5, 0.8}, {0.4, 0.7}, {0.3, 0.6}});
  ExpectPoint(curves.At(0, 0, 0, 0), 1, 0.9);
  ExpectPoint(curves.At(0, 1, 0, 0), 0.5, 0.8);
  ExpectPoint(curves.At(0, 2, 0, 0), 0.5, 0.8);
  ExpectPoint(curves.At(1, 0, 0, 0), 0.4, 0.7);
  ExpectPoint(curves.At(1, 2, 0, 0), 0.3, 0.6);
}

TEST(CategoryCurvesTest, ALimitMayRepeatTheOneBefore) {
  CategoryCurves curves;
  curves.StartArea(0, {0}, 1);
  curves.StartArea(1, {0}, 1);
  curves.AddTable(0, 0, {{0.1, 1}});
  curves.AddTable(1, 0, {{0.2, 2}});
  curves.RepeatTable(1, 1);
  curves.AddTable(0, 1, {{0.3, 3}});
  curves.RepeatTable(0, 2);
  ExpectPoint(curves.At(0, 0, 0, 0), 0.1, 1);
  ExpectPoint(curves.At(0, 0, 0, 2), 0.3, 3);
  ExpectPoint(curves.At(0, 0, 1, 1), 0.2, 2);
}

}  // namespace
}  // namespace rcnn::eval
