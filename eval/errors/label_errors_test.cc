#include "rcnn/eval/errors/label_errors.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/eval/testing/random_case.h"

namespace rcnn::eval {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

// Two images of four cats each that are found well.
class LabelErrorsTest : public ::testing::Test {
 protected:
  LabelErrorsTest() {
    truth_.images = {{1, "a.jpg"}, {2, "b<1>.jpg"}};
    truth_.categories = {{1, "cat"}, {2, "dog"}};
    for (int64_t i = 0; i < 8; ++i) {
      const XywhBox box = {200.0 * static_cast<double>(i % 4), 0, 100, 100};
      truth_.annotations.push_back(
          {.id = i + 1, .image_id = 1 + i / 4, .category_id = 1, .box = box});
      detections_.Add({.image_id = 1 + i / 4, .category_id = 1, .box = box, .score = 0.9});
    }
  }
  Annotation& Label(size_t i) { return truth_.annotations[i]; }

  GroundTruth truth_;
  Detections detections_;
};

TEST_F(LabelErrorsTest, GoodLabelsAreNotSuspected) {
  EXPECT_THAT(FindLabelErrors(truth_, detections_), IsEmpty());
}

TEST_F(LabelErrorsTest, FindsAMissingLabel) {
  truth_.annotations.erase(truth_.annotations.begin() + 2);
  const auto suspects = FindLabelErrors(truth_, detections_);
  ASSERT_THAT(suspects, SizeIs(1));
  EXPECT_EQ(suspects[0].kind, LabelErrorKind::kMissing);
  EXPECT_EQ(suspects[0].annotation, -1);
  EXPECT_EQ(suspects[0].detection, 2);
  EXPECT_DOUBLE_EQ(suspects[0].score, 0.9);
  EXPECT_EQ(Explain(suspects[0], truth_, detections_),
            "cat, score 0.90, where nothing is labelled");
}

TEST_F(LabelErrorsTest, FindsAMisplacedLabelOnce) {
  Label(5).box.x += 50;  // IoU 1/3
  const auto suspects = FindLabelErrors(truth_, detections_);
  ASSERT_THAT(suspects, SizeIs(1));
  EXPECT_EQ(suspects[0].kind, LabelErrorKind::kMisplaced);
  EXPECT_EQ(suspects[0].annotation, 5);
  EXPECT_EQ(suspects[0].image, 1);
  EXPECT_NEAR(suspects[0].score, 0.9 * (1 - 1.0 / 9), 1e-6);
}

TEST_F(LabelErrorsTest, FindsAWrongClass) {
  Label(0).category_id = 2;
  const auto suspects = FindLabelErrors(truth_, detections_);
  ASSERT_THAT(suspects, SizeIs(1));
  EXPECT_EQ(suspects[0].kind, LabelErrorKind::kWrongClass);
  EXPECT_EQ(suspects[0].annotation, 0);
  EXPECT_EQ(Explain(suspects[0], truth_, detections_),
            "cat, score 0.90, lies on this dog (IoU 1.00)");
}

TEST_F(LabelErrorsTest, SupportTakesSuspicionAway) {
  detections_.Add({.image_id = 1, .category_id = 2, .box = Label(0).box, .score = 0.8});
  const auto suspects = FindLabelErrors(truth_, detections_);
  ASSERT_THAT(suspects, SizeIs(1));
  EXPECT_NEAR(suspects[0].score, 0.8 * (1 - 0.9), 1e-12);
}

TEST_F(LabelErrorsTest, WhatLiesInACrowdIsNotMissing) {
  Label(3).crowd = true;
  EXPECT_THAT(FindLabelErrors(truth_, detections_), IsEmpty());
}

TEST_F(LabelErrorsTest, OfSeveralDetectionsOnOnePlaceOneIsMissing) {
  const XywhBox box = {0, 500, 100, 100};
  detections_.Add({.image_id = 1, .category_id = 2, .box = box, .score = 0.6});
  detections_.Add({.image_id = 1, .category_id = 1, .box = box, .score = 0.7});
  const auto suspects = FindLabelErrors(truth_, detections_);
  ASSERT_THAT(suspects, SizeIs(1));
  EXPECT_DOUBLE_EQ(suspects[0].score, 0.7);
}

TEST_F(LabelErrorsTest, ExportsCocoThatNamesTheLabelAndTheReason) {
  Label(5).category_id = 2;
  truth_.categories[0].name = "c\"at\xFF";
  const auto suspects = FindLabelErrors(truth_, detections_);
  const auto json = nlohmann::json::parse(SuspectsToCocoJson(suspects, truth_, detections_));
  ASSERT_THAT(json["images"], SizeIs(1));
  EXPECT_EQ(json["images"][0]["file_name"], "b<1>.jpg");
  EXPECT_THAT(json["categories"], SizeIs(2));
  ASSERT_THAT(json["annotations"], SizeIs(1));
  const auto& annotation = json["annotations"][0];
  EXPECT_EQ(annotation["id"], 1);
  EXPECT_EQ(annotation["suspected_annotation_id"], 6);
  EXPECT_EQ(annotation["suspicion"], "wrong class");
  EXPECT_EQ(annotation["category_id"], 1);
  EXPECT_EQ(annotation["bbox"][0], 200);
}

TEST(LabelErrorsOfRandomCasesTest, AreRankedAndEachObjectIsSuspectedOnce) {
  for (uint64_t seed = 0; seed < 40; ++seed) {
    const testing::RandomCase random = testing::MakeRandomCase(seed);
    const auto one = FindLabelErrors(random.truth, random.detections, {.threads = 1});
    const auto three = FindLabelErrors(random.truth, random.detections, {.threads = 3});
    ASSERT_EQ(one.size(), three.size());
    std::vector<int64_t> annotations;
    for (size_t i = 0; i < one.size(); ++i) {
      EXPECT_GE(one[i].score, 0.05);
      EXPECT_LE(one[i].score, 1);
      EXPECT_LE(one[i].score, one[i > 0 ? i - 1 : 0].score);
      EXPECT_EQ(one[i].detection, three[i].detection);
      if (one[i].annotation >= 0) annotations.push_back(one[i].annotation);
    }
    std::sort(annotations.begin(), annotations.end());
    EXPECT_EQ(std::adjacent_find(annotations.begin(), annotations.end()), annotations.end());
  }
}

}  // namespace
}  // namespace rcnn::eval
