#include "rcnn/eval/proposal_recall.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "rcnn/base/testing/status_matchers.h"

namespace rcnn::eval {
namespace {

using data::Box;
using ::testing::DoubleEq;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

// A box of width `width` at (x, 0), 10 high.
Box Wide(float x, float width) { return {x, 0, x + width, 10}; }

TEST(CoverageTest, GivesEachProposalToOneObject) {
  const std::vector<Box> objects = {Wide(0, 10), Wide(2, 10)};
  const std::vector<Box> proposals = {Wide(1, 10), Wide(100, 10)};
  // Both objects have IoU 9/11 with the first proposal; the first object gets it.
  EXPECT_THAT(Coverage(proposals, objects, 2), ElementsAre(DoubleEq(9 / 11.), 0));
}

TEST(CoverageTest, LargestIouIsMatchedFirst) {
  const std::vector<Box> objects = {Wide(0, 10), Wide(2, 10)};
  const std::vector<Box> proposals = {Wide(2, 10), Wide(4, 10)};
  // The second object takes its exact copy; the first, which overlaps it by 8/12,
  // gets the proposal with 6/14.
  EXPECT_THAT(Coverage(proposals, objects, 2), ElementsAre(DoubleEq(6 / 14.), 1));
  EXPECT_THAT(Coverage(proposals, objects, 1), ElementsAre(0, 1));
}

TEST(CoverageTest, EmptySidesCoverNothing) {
  const std::vector<Box> one = {Wide(0, 10)};
  EXPECT_THAT(Coverage({}, one, 10), ElementsAre(0));
  EXPECT_THAT(Coverage(one, {}, 10), IsEmpty());
  const std::vector<Box> empty = {{5, 5, 5, 5}};
  EXPECT_THAT(Coverage(empty, empty, 10), ElementsAre(0)) << "no area, no overlap";
}

// All pairs again in every round.
std::vector<double> SlowCoverage(const std::vector<Box>& proposals, const std::vector<Box>& objects,
                                 size_t count) {
  std::vector<double> covered(objects.size(), 0.0);
  std::vector<bool> used(proposals.size(), false);
  std::vector<bool> done(objects.size(), false);
  for (size_t round = 0; round < objects.size(); ++round) {
    double best = 0;
    size_t best_object = 0;
    size_t best_proposal = 0;
    for (size_t g = 0; g < objects.size(); ++g) {
      for (size_t p = 0; p < std::min(count, proposals.size()); ++p) {
        if (done[g] || used[p]) continue;
        const Box& a = objects[g];
        const Box& b = proposals[p];
        const double w = std::min<double>(a.x2, b.x2) - std::max<double>(a.x1, b.x1);
        const double h = std::min<double>(a.y2, b.y2) - std::max<double>(a.y1, b.y1);
        if (w <= 0 || h <= 0) continue;
        const double area_a = (double{a.x2} - a.x1) * (double{a.y2} - a.y1);
        const double area_b = (double{b.x2} - b.x1) * (double{b.y2} - b.y1);
        const double iou = w * h / (area_a + area_b - w * h);
        if (iou <= best) continue;
        best = iou;
        best_object = g;
        best_proposal = p;
      }
    }
    if (best == 0) break;
    covered[best_object] = best;
    done[best_object] = true;
    used[best_proposal] = true;
  }
  return covered;
}

TEST(CoverageTest, EqualsSearchOverAllPairs) {
  for (unsigned seed = 1; seed <= 100; ++seed) {
    std::mt19937 random(seed);
    auto boxes = [&](size_t n) {
      std::vector<Box> result;
      for (size_t i = 0; i < n; ++i) {
        const float x = static_cast<float>(random() % 40);
        const float y = static_cast<float>(random() % 40);
        result.push_back({x, y, x + 1 + random() % 30, y + 1 + random() % 30});
      }
      return result;
    };
    const std::vector<Box> objects = boxes(random() % 10);
    const std::vector<Box> proposals = boxes(random() % 60);
    for (int64_t count : {1, 5, 1000}) {
      EXPECT_EQ(Coverage(proposals, objects, count), SlowCoverage(proposals, objects, count))
          << seed;
    }
  }
}

TEST(MeasureRecallTest, CountsByNumberThresholdAndArea) {
  const std::vector<Box> proposals = {Wide(0, 10), Wide(100, 30), Wide(206, 10)};
  const std::vector<Box> none;
  const std::vector<RecallImage> images = {
      {proposals, {Wide(0, 10), Wide(100, 40), Wide(200, 10)}, {100, 2000, 100}},
      {none, {Wide(0, 10)}, {100}}};
  const ProposalRecall recall =
      MeasureRecall(images, {.counts = {1, 3}, .iou_thresholds = {0.5, 0.75, 0.8}});
  EXPECT_EQ(recall.images, 2);
  EXPECT_THAT(recall.objects, ElementsAre(4, 3, 1, 0));
  EXPECT_EQ(recall.Recall(0, 0, 0), 1 / 4.);
  EXPECT_EQ(recall.Recall(0, 1, 0), 2 / 4.);
  EXPECT_EQ(recall.Recall(0, 1, 1), 2 / 4.) << "an IoU of exactly the threshold covers";
  EXPECT_EQ(recall.Recall(0, 1, 2), 1 / 4.);
  EXPECT_EQ(recall.Recall(2, 1, 0), 1.) << "the medium one";
  EXPECT_EQ(recall.Recall(1, 1, 0), 1 / 3.);
  EXPECT_TRUE(std::isnan(recall.Recall(3, 1, 0))) << "no large object";
  EXPECT_DOUBLE_EQ(recall.AverageRecall(0, 1), (2 / 4. + 2 / 4. + 1 / 4.) / 3);
}

TEST(MeasureRecallTest, InclusiveBoxesReachToTheEndOfTheirLastPixel) {
  // Pixels 0 to 9 and 0 to 4, five pixels high: 25 of 50 in common. As continuous
  // boxes they would have 4/9.
  const std::vector<Box> proposals = {{0, 0, 4, 4}};
  const std::vector<RecallImage> images = {{proposals, {{0, 0, 9, 4}}, {50}}};
  ProposalRecallOptions options = {.counts = {1}, .iou_thresholds = {0.5}};
  EXPECT_EQ(MeasureRecall(images, options).Recall(0, 0, 0), 0);
  options.inclusive_boxes = true;
  EXPECT_EQ(MeasureRecall(images, options).Recall(0, 0, 0), 1);
}

TEST(CheckOptionsTest, RejectsUnsortedCounts) {
  EXPECT_THAT(CheckOptions(ProposalRecallOptions{}), IsOk());
  EXPECT_THAT(CheckOptions(ProposalRecallOptions{.counts = {}}), ::testing::Not(IsOk()));
  EXPECT_THAT(CheckOptions(ProposalRecallOptions{.counts = {0}}), ::testing::Not(IsOk()));
  EXPECT_THAT(CheckOptions(ProposalRecallOptions{.counts = {5, 1}}), ::testing::Not(IsOk()));
  EXPECT_THAT(CheckOptions(ProposalRecallOptions{.iou_thresholds = {2}}), ::testing::Not(IsOk()));
}

}  // namespace
}  // namespace rcnn::eval
