#include "rcnn/eval/coco_evaluation.h"

namespace rcnn::eval {
namespace {

template <typename Value>
std::vector<double> ToArray(const CocoEvaluation& evaluation, Value value) {
  std::vector<double> values;
  values.reserve(evaluation.T() * evaluation.R() * evaluation.K() * evaluation.A() *
                 evaluation.M());
  for (int64_t t = 0; t < evaluation.T(); ++t) {
    for (int64_t r = 0; r < evaluation.R(); ++r) {
      for (int64_t k = 0; k < evaluation.K(); ++k) {
        for (int64_t a = 0; a < evaluation.A(); ++a) {
          for (int64_t m = 0; m < evaluation.M(); ++m) {
            values.push_back(value(evaluation.curves[k].At(t, r, a, m)));
          }
        }
      }
    }
  }
  return values;
}

}  // namespace

std::vector<double> CocoEvaluation::PrecisionArray() const {
  return ToArray(*this, [](const CurvePoint& point) { return point.precision; });
}

std::vector<double> CocoEvaluation::ScoreArray() const {
  return ToArray(*this, [](const CurvePoint& point) { return point.score; });
}

}  // namespace rcnn::eval
