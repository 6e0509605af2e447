#include "rcnn/eval/voc_eval.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/base/testing/test_seed.h"
#include "rcnn/eval/testing/random_case.h"

namespace rcnn::eval {
namespace {

using ::rcnn::eval::testing::MakeRandomCase;
using ::rcnn::eval::testing::RandomCase;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

// voc_eval.py in C++, line by line.
struct Reference {
  std::vector<double> recall;
  std::vector<double> precision;
  double ap07 = 0;
  double ap10 = 0;
};

double RoundText(double value, int decimals) {
  char text[400];
  std::snprintf(text, sizeof(text), "%.*f", decimals, value);
  return std::atof(text);
}

Reference LiteralVocEval(const GroundTruth& truth, const Detections& detections, int64_t category,
                         bool text) {
  struct Line {
    int64_t image;
    double confidence;
    double bb[4];
  };
  std::vector<Line> lines;
  for (const GroundTruthImage& image : truth.images) {
    for (int64_t i = 0; i < detections.size(); ++i) {
      const Detection d = detections[i];
      if (d.image_id != image.id || d.category_id != category) continue;
      Line line = {d.image_id,
                   d.score,
                   {d.box.x + 1, d.box.y + 1, d.box.x + d.box.width, d.box.y + d.box.height}};
      if (text) {
        line.confidence = RoundText(line.confidence, 3);
        for (double& x : line.bb) x = RoundText(x, 1);
      }
      lines.push_back(line);
    }
  }
  std::stable_sort(lines.begin(), lines.end(),
                   [](const Line& a, const Line& b) { return -a.confidence < -b.confidence; });
  double npos = 0;
  for (const Annotation& a : truth.annotations) {
    const bool listed = truth.ImageIndex(a.image_id) >= 0;
    npos += listed && a.category_id == category && !a.difficult && !a.crowd;
  }
  std::vector<bool> det(truth.annotations.size(), false);
  Reference result;
  double tp = 0;
  double fp = 0;
  for (const Line& line : lines) {
    double ovmax = -std::numeric_limits<double>::infinity();
    size_t jmax = 0;
    const double* bb = line.bb;
    for (size_t j = 0; j < truth.annotations.size(); ++j) {
      const Annotation& a = truth.annotations[j];
      if (a.image_id != line.image || a.category_id != category) continue;
      const double gt[4] = {a.box.x + 1, a.box.y + 1, a.box.x + a.box.width,
                            a.box.y + a.box.height};
      const double iw = std::max(std::min(gt[2], bb[2]) - std::max(gt[0], bb[0]) + 1., 0.);
      const double ih = std::max(std::min(gt[3], bb[3]) - std::max(gt[1], bb[1]) + 1., 0.);
      const double inters = iw * ih;
      const double uni = (bb[2] - bb[0] + 1.) * (bb[3] - bb[1] + 1.) +
                         (gt[2] - gt[0] + 1.) * (gt[3] - gt[1] + 1.) - inters;
      const double overlap = inters / uni;
      if (overlap > ovmax) {
        ovmax = overlap;
        jmax = j;
      }
    }
    if (ovmax > 0.5) {
      if (!truth.annotations[jmax].difficult && !truth.annotations[jmax].crowd) {
        if (!det[jmax]) {
          tp += 1;
          det[jmax] = true;
        } else {
          fp += 1;
        }
      }
    } else {
      fp += 1;
    }
    result.recall.push_back(tp / npos);
    result.precision.push_back(tp / std::max(tp + fp, std::numeric_limits<double>::epsilon()));
  }
  const double points[] = {
      0, .1, .2, .30000000000000004, .4, .5, .6000000000000001, .7000000000000001, .8, .9, 1.0};
  for (double t : points) {
    double p = 0;
    for (size_t i = 0; i < result.recall.size(); ++i) {
      if (result.recall[i] >= t) p = std::max(p, result.precision[i]);
    }
    result.ap07 = result.ap07 + p / 11.;
  }
  double last = 0;
  for (size_t i = 0; i <= result.recall.size(); ++i) {
    const double next = i < result.recall.size() ? result.recall[i] : 1;
    double p = 0;
    for (size_t j = i; j < result.precision.size(); ++j) p = std::max(p, result.precision[j]);
    if (next != last) result.ap10 += (next - last) * p;
    last = next;
  }
  return result;
}

void ExpectSameOrBothNaN(double a, double b, double tolerance) {
  if (std::isnan(b)) {
    EXPECT_TRUE(std::isnan(a));
  } else {
    EXPECT_NEAR(a, b, tolerance);
  }
}

TEST(VocEvalTest, EqualsLiteralTranscriptionOnRandomCases) {
  for (uint64_t seed = TestSeed(); seed < TestSeed() + 200; ++seed) {
    SCOPED_TRACE(seed);
    const RandomCase random = MakeRandomCase(seed, {.equal_scores = seed % 2 == 0});
    for (bool rounding : {false, true}) {
      const auto voc = EvaluateVoc(random.truth, random.detections, {.text_rounding = rounding});
      ASSERT_THAT(voc, IsOk());
      for (size_t k = 0; k < random.truth.categories.size(); ++k) {
        const VocClassResult& got = voc->classes[k];
        const Reference want = LiteralVocEval(random.truth, random.detections,
                                              random.truth.categories[k].id, rounding);
        EXPECT_EQ(got.precision, want.precision);
        ASSERT_EQ(got.recall.size(), want.recall.size());
        for (size_t i = 0; i < want.recall.size(); ++i) {
          ExpectSameOrBothNaN(got.recall[i], want.recall[i], 0);
        }
        EXPECT_EQ(got.ap07, want.ap07);
        // numpy's sum takes another order than the loop.
        ExpectSameOrBothNaN(got.ap10, want.ap10, 1e-14);
      }
    }
  }
}

GroundTruth ThreeObjects() {
  GroundTruth truth;
  truth.images = {{1, ""}, {2, ""}};
  truth.categories = {{1, "cat"}, {2, "dog"}};
  truth.annotations = {{1, 1, 1, {0, 0, 10, 10}, 100},
                       {2, 1, 1, {50, 50, 20, 20}, 400},
                       {3, 2, 1, {5, 5, 10, 10}, 100}};
  return truth;
}

VocClassResult Cats(const GroundTruth& truth, const Detections& detections,
                    const VocEvalOptions& options = {}) {
  const auto voc = EvaluateVoc(truth, detections, options);
  EXPECT_THAT(voc, IsOk());
  return voc->classes[0];
}

// Hit, miss, hit, repeat of the first: recall 1/3 1/3 2/3 2/3, precision 1 1/2 2/3 1/2.
TEST(VocEvalTest, HandWorkedCase) {
  Detections detections;
  detections.Add({1, 1, {50, 50, 20, 20}, 0.9});
  detections.Add({2, 1, {60, 60, 5, 5}, 0.8});
  detections.Add({2, 1, {5, 5, 10, 10}, 0.7});
  detections.Add({1, 1, {51, 50, 20, 20}, 0.6});
  const VocClassResult cats = Cats(ThreeObjects(), detections);
  EXPECT_EQ(cats.positives, 3);
  EXPECT_THAT(cats.recall, ElementsAre(1 / 3., 1 / 3., 2 / 3., 2 / 3.));
  EXPECT_THAT(cats.precision, ElementsAre(1.0, 0.5, 2 / 3., 0.5));
  // Points 0 .1 .2 .3 have 1, points .4 .5 .6 have 2/3, the rest 0.
  EXPECT_NEAR(cats.ap07, (4 * 1.0 + 3 * 2 / 3.) / 11, 1e-15);
  EXPECT_NEAR(cats.ap10, 1 / 3. * 1 + 1 / 3. * 2 / 3., 1e-15);
}

TEST(VocEvalTest, IouOfExactlyTheThresholdIsNotAHit) {
  GroundTruth truth = ThreeObjects();
  Detections detections;
  // 10 x 10 with 10 x 5 inside it.
  detections.Add({1, 1, {0, 0, 10, 5}, 0.9});
  EXPECT_EQ(Cats(truth, detections).precision[0], 0);
  detections.boxes[0].height = 6;
  EXPECT_EQ(Cats(truth, detections).precision[0], 1);
}

TEST(VocEvalTest, UsesOnlyTheObjectWithTheLargestIou) {
  GroundTruth truth = ThreeObjects();
  truth.annotations[1].box = {0, 2, 10, 10};  // overlaps the first
  Detections detections;
  detections.Add({1, 1, {0, 0, 10, 10}, 0.9});
  detections.Add({1, 1, {0, 0.5, 10, 10}, 0.8});  // nearer to the first, which is taken
  EXPECT_THAT(Cats(truth, detections).precision, ElementsAre(1.0, 0.5));
}

TEST(VocEvalTest, DifficultObjectsCountNeitherWay) {
  GroundTruth truth = ThreeObjects();
  truth.annotations[0].difficult = true;
  truth.annotations[2].crowd = true;
  Detections detections;
  detections.Add({1, 1, {0, 0, 10, 10}, 0.9});
  detections.Add({1, 1, {0, 0, 10, 10}, 0.8});
  detections.Add({1, 1, {50, 50, 20, 20}, 0.7});
  const VocClassResult cats = Cats(truth, detections);
  EXPECT_EQ(cats.positives, 1);
  EXPECT_THAT(cats.precision, ElementsAre(0.0, 0.0, 1.0));
  EXPECT_EQ(cats.ap10, 1.0);
}

TEST(VocEvalTest, TextRoundingMakesScoresEqual) {
  Detections detections;
  detections.Add({1, 1, {70, 0, 5, 5}, 0.9001});
  detections.Add({1, 1, {0, 0, 10, 10}, 0.9004});
  EXPECT_THAT(Cats(ThreeObjects(), detections).precision, ElementsAre(1.0, 0.5));
  EXPECT_THAT(Cats(ThreeObjects(), detections, {.text_rounding = true}).precision,
              ElementsAre(0.0, 0.5));
}

TEST(VocEvalTest, ClassesWithoutObjectsOrDetectionsFollowTheFormulas) {
  Detections detections;
  detections.Add({1, 2, {0, 0, 10, 10}, 0.9});
  auto voc = EvaluateVoc(ThreeObjects(), detections);
  ASSERT_THAT(voc, IsOk());
  EXPECT_EQ(voc->classes[0].ap07, 0) << "objects, no detections";
  EXPECT_EQ(voc->classes[0].ap10, 0);
  EXPECT_EQ(voc->classes[1].ap07, 0) << "detections, no objects";
  EXPECT_TRUE(std::isnan(voc->classes[1].ap10));
  EXPECT_EQ(voc->MeanAp10(), 0);
  voc = EvaluateVoc({}, {});
  ASSERT_THAT(voc, IsOk());
  EXPECT_TRUE(std::isnan(voc->MeanAp07()));
}

TEST(VocEvalTest, OrderOfDistinctScoresChangesNothing) {
  for (uint64_t seed = 1; seed < 20; ++seed) {
    RandomCase random = MakeRandomCase(seed, {.equal_scores = false});
    const auto before = EvaluateVoc(random.truth, random.detections);
    std::vector<int64_t> order(random.detections.size());
    std::iota(order.begin(), order.end(), 0);
    std::shuffle(order.begin(), order.end(), std::mt19937_64(seed));
    Detections shuffled;
    for (int64_t i : order) shuffled.Add(random.detections[i]);
    const auto after = EvaluateVoc(random.truth, shuffled);
    for (size_t k = 0; k < before->classes.size(); ++k) {
      EXPECT_EQ(before->classes[k].precision, after->classes[k].precision) << seed;
    }
  }
}

TEST(VocEvalTest, RejectsBadThresholdsAndScores) {
  EXPECT_THAT(EvaluateVoc(ThreeObjects(), {}, {.iou_threshold = 1}), ::testing::Not(IsOk()));
  EXPECT_THAT(EvaluateVoc(ThreeObjects(), {}, {.iou_threshold = kNaN}), ::testing::Not(IsOk()));
  Detections detections;
  detections.Add({1, 1, {0, 0, 10, 10}, kNaN});
  EXPECT_THAT(EvaluateVoc(ThreeObjects(), detections),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("detection 0")));
}

TEST(VocAp07Test, RecallsOnThePointsFollowNumpysArange) {
  // 0.3 is below arange's 0.30000000000000004: points 0, .1 and .2 only.
  EXPECT_NEAR(VocAp07(std::vector<double>{0.3}, std::vector<double>{1}), 3 / 11., 1e-15);
  EXPECT_NEAR(VocAp07(std::vector<double>{0.4}, std::vector<double>{1}), 5 / 11., 1e-15);
}

}  // namespace
}  // namespace rcnn::eval
