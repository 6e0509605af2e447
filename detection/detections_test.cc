#include "rcnn/detection/detections.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include <limits>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/ops/boxes.h"
#include "rcnn/ops/testing/queue_device.h"

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

// Three images with RoIs in any order, the last without any.
struct BatchCase {
  at::Tensor logits = at::randn({60, 4}, Generator(1)).mul(2);
  at::Tensor deltas = at::randn({60, 16}, Generator(2)).mul(0.3);
  at::Tensor corners = at::rand({60, 2}, Generator(3)).mul(40);
  at::Tensor rois =
      at::cat({at::randint(0, 2, {60, 1}, Generator(4), at::kFloat), corners, corners + 30}, 1);
  std::vector<DetectionFrame> frames = {{{60, 70}, 2, 3, 0.5}, {{50, 40}, 1, 1, 1}, {{9, 9}}};
  ops::BoxCoderOptions coder;
  configs::DetectionsConfig config = Config(0);

  static at::Generator Generator(uint64_t seed) { return at::detail::createCPUGenerator(seed); }

  std::vector<Detections> Select(const c10::Device& device) const {
    const auto move = [&](const at::Tensor& tensor) {
      return tensor.to(device, at::kFloat, /*non_blocking=*/true);
    };
    return SelectDetectionsTogether(move(logits), move(deltas), move(rois), frames, coder, config);
  }

  // On the host, in the frame of the result.
  Detections SelectOne(int64_t image) const {
    const at::Tensor rows = rois.select(1, 0).eq(image).nonzero().squeeze(1);
    const DetectionFrame& frame = frames[static_cast<size_t>(image)];
    Detections found = SelectDetections(logits.index_select(0, rows), deltas.index_select(0, rows),
                                        rois.index_select(0, rows).slice(1, 1) / frame.roi_scale,
                                        frame.image, coder, config);
    found.boxes = ops::ScaleBoxes(found.boxes, frame.scale_x, frame.scale_y);
    return found;
  }
};

TEST(SelectDetectionsTogetherTest, EachImageHasTheBitsThatItHasAlone) {
  for (const bool inclusive : {false, true}) {
    for (const int max_per_class : {0, 4}) {
      BatchCase batch;
      batch.coder.inclusive = inclusive;
      batch.config.set_max_per_class(max_per_class);
      batch.config.set_max_per_image(15);
      const std::vector<Detections> found = batch.Select(at::kCPU);
      ASSERT_EQ(found.size(), 3u);
      for (int64_t b = 0; b < 3; ++b) {
        const Detections& actual = found[static_cast<size_t>(b)];
        const Detections expected = batch.SelectOne(b);
        EXPECT_EQ(expected.scores.size(0) > 5, b < 2);
        EXPECT_TRUE(at::equal(actual.boxes, expected.boxes)) << b;
        EXPECT_TRUE(at::equal(actual.scores, expected.scores)) << b;
        EXPECT_TRUE(at::equal(actual.labels, expected.labels)) << b;
      }
    }
  }
}

TEST(SelectDetectionsTogetherTest, ADeviceIsWaitedForOnce) {
  const BatchCase batch;
  const std::vector<Detections> expected = batch.Select(at::kCPU);
  ops::testing::TakeWaits();
  const std::vector<Detections> found = batch.Select(ops::testing::QueueDevice());
  EXPECT_THAT(ops::testing::TakeWaits(), ElementsAre("copy to the CPU"));
  for (size_t b = 0; b < 3; ++b) {
    EXPECT_TRUE(found[b].boxes.is_cpu());
    EXPECT_TRUE(at::equal(found[b].boxes, expected[b].boxes)) << b;
    EXPECT_TRUE(at::equal(found[b].labels, expected[b].labels)) << b;
  }
}

TEST(SelectDetectionsTogetherTest, AnImageWithAValueThatIsNotFiniteHasNoTensors) {
  for (const bool in_logits : {false, true}) {
    BatchCase batch;
    const int64_t row = batch.rois.select(1, 0).eq(1).nonzero()[0].item<int64_t>();
    (in_logits ? batch.logits : batch.deltas)[row].fill_(std::numeric_limits<float>::quiet_NaN());
    const std::vector<Detections> found = batch.Select(at::kCPU);
    EXPECT_GT(found[0].boxes.size(0), 0);
    EXPECT_FALSE(found[1].boxes.defined());
    EXPECT_EQ(found[2].boxes.size(0), 0);
    EXPECT_THROW(batch.SelectOne(1), c10::Error);
  }
}

TEST(SelectDetectionsTogetherTest, VotingIsNotForIt) {
  BatchCase batch;
  EXPECT_TRUE(CanSelectTogether(batch.config));
  batch.config.set_voting_iou(0.5);
  EXPECT_FALSE(CanSelectTogether(batch.config));
  EXPECT_THROW(batch.Select(at::kCPU), c10::Error);
}

}  // namespace
}  // namespace rcnn::detection
