#include "rcnn/eval/errors/oracle_fixes.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/eval/load_ground_truth.h"
#include "rcnn/eval/load_results.h"
#include "rcnn/eval/testing/random_case.h"
#include "rcnn/eval/testing/tide_cases.h"

namespace rcnn::eval {
namespace {

using ::testing::SizeIs;

OracleFixes Measure(const GroundTruth& truth, const Detections& detections,
                    const DetectionErrorOptions& options = {}) {
  const auto errors = FindDetectionErrors(truth, detections, options);
  EXPECT_THAT(errors, IsOk());
  return MeasureOracleFixes(truth, detections, *errors);
}

void ExpectEqualsTidecv(const testing::TideAnswer& tide, const GroundTruth& truth,
                        const Detections& detections, DetectionErrorOptions options) {
  SCOPED_TRACE(tide.name);
  constexpr double kTolerance = 1e-9;
  options.max_detections = tide.max_detections;
  options.threads = 2;
  const auto errors = FindDetectionErrors(truth, detections, options);
  ASSERT_THAT(errors, IsOk());
  EXPECT_EQ(errors->counts, tide.counts);
  const OracleFixes fixes = MeasureOracleFixes(truth, detections, *errors);
  EXPECT_NEAR(100 * fixes.ap, tide.ap, kTolerance);
  for (int kind = 0; kind < kErrorKinds; ++kind) {
    EXPECT_NEAR(100 * fixes.dap[kind], tide.dap[kind], kTolerance) << ErrorName(kind);
    for (int size = 0; size < kErrorSizes; ++size) {
      EXPECT_NEAR(100 * fixes.size_dap[size][kind], tide.size_dap[size][kind], kTolerance)
          << ErrorName(kind) << " " << ErrorSizeName(size);
    }
  }
  EXPECT_NEAR(100 * fixes.false_positives, tide.false_positive_dap, kTolerance);
  EXPECT_NEAR(100 * fixes.false_negatives, tide.false_negative_dap, kTolerance);
}

// tidecv 1.0.1 on 200 random cases: eval/testdata/make_tide_cases.py.
TEST(OracleFixesTest, EqualsTidecv) {
  const auto cases = testing::ReadTideCases("eval/testdata/tide_cases.json");
  ASSERT_THAT(cases, IsOk());
  ASSERT_THAT(*cases, SizeIs(200));
  for (const testing::TideCase& tide : *cases) {
    ExpectEqualsTidecv(tide.answer, tide.truth, tide.detections, {});
  }
}

// Its mask mode on 60 random cases, read as a user's files are.
TEST(OracleFixesTest, EqualsTidecvOnMasks) {
  const auto cases = testing::ReadTideMaskCases("eval/testdata/tide_mask_cases.json");
  ASSERT_THAT(cases, IsOk());
  ASSERT_THAT(*cases, SizeIs(60));
  const std::string truth_path = ::testing::TempDir() + "/truth.json";
  const std::string results_path = ::testing::TempDir() + "/results.json";
  for (const testing::TideMaskCase& tide : *cases) {
    SCOPED_TRACE(tide.answer.name);
    ASSERT_THAT(WriteFileAtomically(truth_path, tide.truth), IsOk());
    ASSERT_THAT(WriteFileAtomically(results_path, tide.results), IsOk());
    const std::string dataset = "coco:" + truth_path;
    auto truth = LoadGroundTruth(dataset);
    ASSERT_THAT(truth, IsOk());
    auto results =
        LoadResults(results_path, {.dataset = dataset, .iou_type = IouType::kMasks}, *truth);
    ASSERT_THAT(results, IsOk());
    AddBoxes(*results);
    ExpectEqualsTidecv(tide.answer, *truth, results->detections,
                       {.shapes = &results->shapes->similarity()});
  }
}

GroundTruth OneImage(const std::vector<Annotation>& annotations) {
  GroundTruth truth;
  truth.images = {{1, ""}};
  truth.categories = {{1, "cat"}, {2, "dog"}};
  truth.annotations = annotations;
  return truth;
}

const Annotation kCat = {.id = 1, .image_id = 1, .category_id = 1, .box = {0, 0, 40, 40}};

TEST(OracleFixesTest, FixedWrongClassFindsTheObject) {
  const GroundTruth truth = OneImage({kCat});
  Detections detections;
  detections.Add({.image_id = 1, .category_id = 2, .box = {0, 0, 40, 40}, .score = 0.9});
  const OracleFixes fixes = Measure(truth, detections);
  // Cat 0, dog 0 (a detection without objects); then cat 1 and dog has nothing.
  EXPECT_EQ(fixes.ap, 0);
  EXPECT_EQ(fixes.dap[kClassificationError], 1);
  EXPECT_EQ(fixes.classes[0].dap[kClassificationError], 1);
  EXPECT_EQ(fixes.size_dap[1][kClassificationError], 1);
  EXPECT_EQ(fixes.size_dap[0][kClassificationError], 0);
  EXPECT_EQ(fixes.dap[kMissedError], 0);
}

TEST(OracleFixesTest, HasNoApWithoutObjectsAndDetections) {
  const OracleFixes fixes = Measure(OneImage({}), {});
  EXPECT_EQ(fixes.ap, 0);
  for (double dap : fixes.dap) EXPECT_EQ(dap, 0);
  EXPECT_EQ(Measure({}, {}).ap, 0);
}

TEST(OracleFixesTest, CountsPerSizeAddUpToTheWhole) {
  for (uint64_t seed = 0; seed < 40; ++seed) {
    const testing::RandomCase random = testing::MakeRandomCase(seed);
    const auto errors = FindDetectionErrors(random.truth, random.detections, {});
    ASSERT_THAT(errors, IsOk());
    const OracleFixes fixes = MeasureOracleFixes(random.truth, random.detections, *errors);
    for (int kind = 0; kind < kErrorKinds; ++kind) {
      int64_t sum = 0;
      for (const ErrorCounts& counts : fixes.size_counts) sum += counts[kind];
      EXPECT_EQ(sum, errors->counts[kind]) << "seed " << seed << " " << ErrorName(kind);
    }
  }
}

TEST(OracleFixesTest, WithoutFalsePositivesApIsTheRecall) {
  GroundTruth truth = OneImage({kCat});
  truth.annotations.push_back(
      {.id = 2, .image_id = 1, .category_id = 1, .box = {100, 100, 40, 40}});
  Detections detections;
  detections.Add({.image_id = 1, .category_id = 1, .box = {300, 0, 40, 40}, .score = 0.9});
  detections.Add({.image_id = 1, .category_id = 1, .box = {0, 0, 40, 40}, .score = 0.8});
  const OracleFixes fixes = Measure(truth, detections);
  // Precision 1/2 up to recall 1/2: 51 of 101 points.
  EXPECT_DOUBLE_EQ(fixes.ap, 51 * 0.5 / 101);
  EXPECT_DOUBLE_EQ(fixes.false_positives, 51 * 0.5 / 101);
  EXPECT_DOUBLE_EQ(fixes.dap[kBackgroundError], 51 * 0.5 / 101);
  EXPECT_DOUBLE_EQ(fixes.false_negatives, 0.5 - 51 * 0.5 / 101);
}

}  // namespace
}  // namespace rcnn::eval
