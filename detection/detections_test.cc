#include "rcnn/detection/detections.h"

#include <ATen/ATen.h>

#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rcnn::detection {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// Four boxes far from each other, with zero deltas. Class 1 prefers them from left
// to right, class 2 from right to left.
struct Case {
  at::Tensor boxes = at::tensor({0.f, 0.f, 10.f, 10.f, 20.f, 0.f, 30.f, 10.f,  //
                                 40.f, 0.f, 50.f, 10.f, 60.f, 0.f, 70.f, 10.f})
                         .view({4, 4});
  at::Tensor logits =
      at::tensor({0.f, 4.f, 1.f, 0.f, 3.f, 2.f, 0.f, 2.f, 3.f, 0.f, 1.f, 4.f}).view({4, 3});
  at::Tensor deltas = at::zeros({4, 12});

  Detections Select(const configs::DetectionsConfig& config) const {
    return SelectDetections(logits, deltas, boxes, {100, 100}, ops::BoxCoderOptions(), config);
  }
};

configs::DetectionsConfig Config(int max_per_class) {
  configs::DetectionsConfig config;
  config.set_min_score(0);
  config.set_max_per_class(max_per_class);
  return config;
}

// Left edges of the boxes of a class, best first.
std::vector<float> LeftEdges(const Detections& found, int64_t label) {
  std::vector<float> edges;
  for (int64_t i = 0; i < found.labels.size(0); ++i) {
    if (found.labels[i].item<int64_t>() == label) edges.push_back(found.boxes[i][0].item<float>());
  }
  return edges;
}

TEST(SelectDetectionsTest, ListsAllScoresAboveTheThresholdBestFirst) {
  const Detections found = Case().Select(Config(0));
  EXPECT_THAT(LeftEdges(found, 1), ElementsAre(0, 20, 40, 60));
  EXPECT_THAT(LeftEdges(found, 2), ElementsAre(60, 40, 20, 0));
  EXPECT_TRUE((found.scores.slice(0, 1) <= found.scores.slice(0, 0, -1)).all().item<bool>());
}

TEST(SelectDetectionsTest, KeepsTheBestOfEachClass) {
  const Detections found = Case().Select(Config(2));
  EXPECT_THAT(LeftEdges(found, 1), ElementsAre(0, 20));
  EXPECT_THAT(LeftEdges(found, 2), ElementsAre(60, 40));
}

TEST(SelectDetectionsTest, TheBestOfAClassAreCountedBeforeNms) {
  Case same;
  same.boxes = same.boxes.select(0, 0).repeat({4, 1});
  same.boxes[2] += 50;
  // Boxes 0 and 1 of class 1, which coincide, reach the limit; box 2 exceeds it.
  EXPECT_THAT(LeftEdges(same.Select(Config(2)), 1), ElementsAre(0));
  EXPECT_THAT(LeftEdges(same.Select(Config(3)), 1), ElementsAre(0, 50));
}

TEST(SelectDetectionsTest, TheEarlierOfEqualScoresIsKept) {
  Case equal;
  equal.logits = at::zeros({4, 3});
  EXPECT_THAT(LeftEdges(equal.Select(Config(2)), 1), ElementsAre(0, 20));
}

TEST(SelectDetectionsTest, BoxesThatNmsDropsVote) {
  Case close;
  close.boxes = at::tensor({0.f, 0.f, 10.f, 10.f, 0.f, 0.f, 10.f, 9.f,  //
                            0.f, 0.f, 10.f, 4.f, 60.f, 0.f, 70.f, 10.f})
                    .view({4, 4});
  configs::DetectionsConfig config = Config(0);
  const Detections without = close.Select(config);
  config.set_voting_iou(0.5);
  const Detections with = close.Select(config);
  EXPECT_TRUE(at::equal(with.scores, without.scores));
  EXPECT_TRUE(at::equal(with.labels, without.labels));
  // Class 1 on the first two boxes, whose IoU is 0.9.
  const at::Tensor scores = at::softmax(close.logits, 1).select(1, 1);
  const float a = scores[0].item<float>(), b = scores[1].item<float>();
  EXPECT_EQ(without.boxes[0][3].item<float>(), 10);
  EXPECT_FLOAT_EQ(with.boxes[0][3].item<float>(), (10 * a + 9 * b) / (a + b));
}

TEST(SelectDetectionsTest, MinScoreChangesNumberButNotPositions) {
  Case close;
  close.boxes = close.boxes.select(0, 0).repeat({4, 1}) + at::arange(4).view({4, 1}) / 2;
  configs::DetectionsConfig config = Config(0);
  config.set_voting_iou(0.5);
  config.set_nms_iou(0.9);
  config.set_min_score(0.001);
  const Detections all = close.Select(config);
  config.set_min_score(0.5);
  const Detections few = close.Select(config);
  const int64_t count = few.scores.size(0);
  EXPECT_EQ(count, 4);
  EXPECT_EQ(all.scores.size(0), 8);
  EXPECT_TRUE(at::equal(few.scores, all.scores.slice(0, 0, count)));
  EXPECT_TRUE(at::equal(few.boxes, all.boxes.slice(0, 0, count)));
  EXPECT_TRUE(at::equal(few.labels, all.labels.slice(0, 0, count)));
}

TEST(SelectDetectionsTest, OnlyTheBestOfAClassVote) {
  Case same;
  same.boxes = same.boxes.select(0, 0).repeat({4, 1}) + at::arange(4).view({4, 1}) / 2;
  configs::DetectionsConfig config = Config(1);
  config.set_voting_iou(0.5);
  EXPECT_THAT(LeftEdges(same.Select(config), 1), ElementsAre(0));
  EXPECT_THAT(LeftEdges(same.Select(config), 2), ElementsAre(1.5));
}

TEST(SelectDetectionsTest, NoRoisNoDetections) {
  Case none;
  none.boxes = none.boxes.slice(0, 0, 0);
  none.logits = none.logits.slice(0, 0, 0);
  none.deltas = none.deltas.slice(0, 0, 0);
  EXPECT_THAT(LeftEdges(none.Select(Config(1)), 1), IsEmpty());
}

}  // namespace
}  // namespace rcnn::detection
