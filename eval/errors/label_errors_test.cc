#include "rcnn/eval/errors/label_errors.h"

#include <algorithm>
#include <ctime>
#include <map>
#include <nlohmann/json.hpp>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/eval/coco_matching.h"
#include "rcnn/eval/testing/random_case.h"

namespace rcnn::eval {
namespace {

using ::testing::EndsWith;
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
  EXPECT_THAT(Explain(suspects[0], truth_, detections_),
              EndsWith("overlaps this label with an IoU of only 0.33"));
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
  EXPECT_FALSE(json["images"][0].contains("width"));
  EXPECT_THAT(json["categories"], SizeIs(2));
  ASSERT_THAT(json["annotations"], SizeIs(1));
  const auto& annotation = json["annotations"][0];
  EXPECT_EQ(annotation["id"], 1);
  EXPECT_EQ(annotation["suspected_annotation_id"], 6);
  EXPECT_EQ(annotation["suspicion"], "wrong class");
  EXPECT_EQ(annotation["category_id"], 1);
  EXPECT_EQ(annotation["bbox"][0], 200);
}

TEST_F(LabelErrorsTest, ExportsTheSizesOfImages) {
  truth_.images[1].width = 640;
  truth_.images[1].height = 480;
  Label(5).category_id = 2;
  const auto json = nlohmann::json::parse(
      SuspectsToCocoJson(FindLabelErrors(truth_, detections_), truth_, detections_));
  EXPECT_EQ(json["images"][0]["width"], 640);
  EXPECT_EQ(json["images"][0]["height"], 480);
}

// The rules of label_errors.h for one object, by search.
double SlowSuspicion(const testing::RandomCase& random, const Annotation& object,
                     const std::map<int64_t, double>& usual) {
  const auto iou = [](const XywhBox& a, const XywhBox& b) { return CocoIou(a, b, false); };
  const GroundTruth& truth = random.truth;
  const Detections& found = random.detections;
  const auto usable = [&](int64_t d) {
    return found.image_ids[d] == object.image_id && found.scores[d] >= 0.1;
  };
  double most = 0;
  for (int64_t d = 0; d < found.size(); ++d) {
    const double overlap = iou(found.boxes[d], object.box);
    const bool same = found.category_ids[d] == object.category_id;
    if (!usable(d) || overlap < (same ? 0.1 : 0.5)) continue;
    const bool elsewhere =
        std::any_of(truth.annotations.begin(), truth.annotations.end(), [&](const Annotation& a) {
          return a.id != object.id && a.image_id == object.image_id && !a.crowd && !a.ignored &&
                 a.category_id == found.category_ids[d] && iou(found.boxes[d], a.box) >= overlap;
        });
    if (elsewhere) continue;
    double support = 0;
    for (int64_t other = 0; other < found.size(); ++other) {
      if (!usable(other) || other == d || found.category_ids[other] != object.category_id) continue;
      const double fit = iou(found.boxes[other], object.box) / usual.at(object.category_id);
      support = std::max(support, found.scores[other] * std::min(1.0, fit));
    }
    const double fit = std::min(1.0, overlap / usual.at(object.category_id));
    most = std::max(most, found.scores[d] * (same ? 1 - fit * fit : fit) * (1 - support));
  }
  return most;
}

// The median of the best IoU of each object that is found.
std::map<int64_t, double> SlowPlacement(const testing::RandomCase& random) {
  std::map<int64_t, double> usual;
  for (const GroundTruthCategory& category : random.truth.categories) {
    std::vector<double> ious;
    for (const Annotation& a : random.truth.annotations) {
      if (a.category_id != category.id || a.crowd || a.ignored) continue;
      if (random.truth.ImageIndex(a.image_id) < 0) continue;
      double best = 0;
      for (int64_t d = 0; d < random.detections.size(); ++d) {
        const Detection found = random.detections[d];
        if (found.image_id != a.image_id || found.category_id != a.category_id) continue;
        if (found.score >= 0.1) best = std::max(best, CocoIou(found.box, a.box, false));
      }
      if (best >= 0.5) ious.push_back(static_cast<double>(static_cast<float>(best)));
    }
    std::sort(ious.begin(), ious.end());
    usual[category.id] = ious.empty() ? 0.8 : ious[ious.size() / 2];
  }
  return usual;
}

TEST(LabelErrorsOfRandomCasesTest, EqualsASlowSearch) {
  int64_t suspected = 0;
  for (uint64_t seed = 0; seed < 60; ++seed) {
    SCOPED_TRACE(seed);
    const testing::RandomCase random = testing::MakeRandomCase(seed, {.zero_id = false});
    const std::map<int64_t, double> usual = SlowPlacement(random);
    std::map<int64_t, double> scores;  // by position
    for (const LabelSuspect& suspect : FindLabelErrors(random.truth, random.detections)) {
      if (suspect.annotation >= 0) scores[suspect.annotation] = suspect.score;
    }
    for (size_t g = 0; g < random.truth.annotations.size(); ++g) {
      const Annotation& object = random.truth.annotations[g];
      if (object.crowd || object.ignored || random.truth.ImageIndex(object.image_id) < 0 ||
          random.truth.CategoryIndex(object.category_id) < 0) {
        continue;
      }
      const double slow = SlowSuspicion(random, object, usual);
      const auto position = static_cast<int64_t>(g);
      EXPECT_NEAR(scores.count(position) > 0 ? scores[position] : 0, slow >= 0.05 ? slow : 0,
                  1e-12);
      suspected += slow >= 0.05;
    }
  }
  EXPECT_GT(suspected, 100);
}

// A search among all detections for each pair would take 10^10 steps.
TEST(LabelErrorsOfACrowdedImageTest, TakeLittleTime) {
  GroundTruth truth;
  truth.images = {{1, "a.jpg"}};
  truth.categories = {{1, "cat"}, {2, "dog"}};
  Detections detections;
  for (int64_t i = 0; i < 400; ++i) {
    const XywhBox box = {0.05 * static_cast<double>(i), 0, 100, 100};
    truth.annotations.push_back({.id = i + 1, .image_id = 1, .category_id = 1, .box = box});
  }
  for (int64_t i = 0; i < 6000; ++i) {
    const XywhBox box = {0.003 * static_cast<double>(i), 1, 100, 100};
    const double score = 0.2 + 1e-4 * static_cast<double>(i);
    detections.Add({.image_id = 1, .category_id = 2, .box = box, .score = score});
  }
  const std::clock_t start = std::clock();
  FindLabelErrors(truth, detections, {.threads = 1});
  EXPECT_LT(static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC, 5);
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
