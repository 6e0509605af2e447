#include "rcnn/ops/counted_detections.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/ops/error_message.h"
#include "rcnn/ops/testing/slow_iou.h"

namespace rcnn::ops {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct Problem {
  at::Tensor scores, deltas, rois, frames;
  CountedDetectionOptions options;

  CountedDetections Find() const {
    return FindCountedDetections(scores, deltas, rois, frames, options);
  }
};

Problem RandomProblem(uint64_t seed) {
  at::Generator generator = at::detail::createCPUGenerator(seed);
  Problem problem;
  problem.scores = at::softmax(at::randn({60, 4}, generator), 1);
  problem.deltas = at::randn({60, 16}, generator).mul(0.3);
  const at::Tensor corner = at::rand({60, 2}, generator).mul(40);
  const at::Tensor image = at::randint(0, 3, {60, 1}, generator, at::kFloat);
  problem.rois = at::cat({image, corner, corner + 30}, 1);
  problem.frames = at::tensor({60.f, 70.f, 2.f, 3.f, 0.5f}).repeat({3, 1});
  problem.options.min_score = 0.2;
  problem.options.max_per_image = 20;
  problem.options.min_side_px = 8;
  return problem;
}

struct Slow {
  float score;
  int64_t roi, label;
  double box[4];
};

// The definition: sort all, and keep what no better one of the class overlaps.
std::vector<Slow> FindSlowly(const Problem& problem, int64_t image) {
  std::vector<Slow> all;
  const auto scores = problem.scores.accessor<float, 2>();
  const auto deltas = problem.deltas.accessor<float, 2>();
  const auto rois = problem.rois.accessor<float, 2>();
  const auto frame = problem.frames.accessor<float, 2>()[image];
  for (int64_t r = 0; r < problem.scores.size(0); ++r) {
    for (int64_t label = 1; label < problem.scores.size(1); ++label) {
      if (rois[r][0] != image || scores[r][label] <= problem.options.min_score) continue;
      Slow slow = {scores[r][label], r, label, {}};
      for (int axis = 0; axis < 2; ++axis) {
        const double low = rois[r][1 + axis] / frame[2], high = rois[r][3 + axis] / frame[2];
        const double side = high - low;
        const double center = low + side / 2 + deltas[r][4 * label + axis] * side;
        const double half = std::exp(deltas[r][4 * label + axis + 2]) * side / 2;
        const double end = frame[1 - axis];
        slow.box[axis] = std::clamp(center - half, 0.0, end);
        slow.box[axis + 2] = std::clamp(center + half, 0.0, end);
      }
      const double least = std::min(slow.box[2] - slow.box[0], slow.box[3] - slow.box[1]);
      if (least >= problem.options.min_side_px) all.push_back(slow);
    }
  }
  std::stable_sort(all.begin(), all.end(),
                   [](const Slow& a, const Slow& b) { return a.score > b.score; });
  std::vector<Slow> kept;
  for (const Slow& slow : all) {
    const bool is_free = std::none_of(kept.begin(), kept.end(), [&](const Slow& better) {
      return better.label == slow.label &&
             testing::SlowIou(better.box, slow.box, /*inclusive=*/false) >
                 problem.options.nms_iou_threshold;
    });
    if (is_free) kept.push_back(slow);
  }
  kept.resize(std::min(kept.size(), static_cast<size_t>(problem.options.max_per_image)));
  return kept;
}

TEST(CountedDetectionsTest, EqualTheDefinition) {
  int64_t total = 0;
  for (const uint64_t seed : {1, 2, 3}) {
    const Problem problem = RandomProblem(seed);
    const CountedDetections found = problem.Find();
    for (int64_t b = 0; b < 3; ++b) {
      const std::vector<Slow> expected = FindSlowly(problem, b);
      const auto count = static_cast<int64_t>(expected.size());
      ASSERT_EQ(found.counts[b].item<int64_t>(), count);
      for (size_t i = 0; i < expected.size(); ++i) {
        const auto row = static_cast<int64_t>(i);
        EXPECT_EQ(found.scores[b][row].item<float>(), expected[i].score);
        EXPECT_EQ(found.labels[b][row].item<int64_t>(), expected[i].label);
        for (int64_t c = 0; c < 4; ++c) {
          EXPECT_NEAR(found.boxes[b][row][c].item<float>(),
                      expected[i].box[c] * (c % 2 == 0 ? 3.0 : 0.5), 2e-4);
        }
      }
      EXPECT_TRUE(found.boxes[b].slice(0, count).eq(0).all().item<bool>());
      EXPECT_TRUE(found.scores[b].slice(0, count).eq(0).all().item<bool>());
      total += count;
    }
  }
  EXPECT_GT(total, 60);
}

TEST(CountedDetectionsTest, ImagesDoNotAffectEachOther) {
  const Problem problem = RandomProblem(5);
  const CountedDetections together = problem.Find();
  for (int64_t b = 0; b < 3; ++b) {
    const at::Tensor rows = problem.rois.select(1, 0).eq(b).nonzero().squeeze(1);
    Problem alone = {problem.scores.index_select(0, rows), problem.deltas.index_select(0, rows),
                     problem.rois.index_select(0, rows), problem.frames.narrow(0, b, 1),
                     problem.options};
    alone.rois.select(1, 0).zero_();
    const CountedDetections found = alone.Find();
    EXPECT_TRUE(at::equal(found.boxes[0], together.boxes[b]));
    EXPECT_TRUE(at::equal(found.labels[0], together.labels[b]));
    EXPECT_TRUE(at::equal(found.counts[0], together.counts[b]));
  }
}

// Of one box with two classes, and no other.
Problem OneRoi() {
  return {at::tensor({.1f, .3f, .6f}).view({1, 3}),
          at::zeros({1, 12}),
          at::tensor({0.f, 10.f, 10.f, 30.f, 50.f}).view({1, 5}),
          at::tensor({40.f, 100.f, 1.f, 1.f, 1.f}).view({1, 5}),
          {}};
}

TEST(CountedDetectionsTest, OneRoiIsClippedAndFoundInEachClass) {
  const CountedDetections found = OneRoi().Find();
  ASSERT_EQ(found.boxes.sizes(), at::IntArrayRef({1, 2, 4})) << "not 100, as there are two at most";
  EXPECT_EQ(found.counts[0].item<int64_t>(), 2);
  EXPECT_TRUE(at::equal(found.labels[0], at::tensor({2, 1}, at::kLong)));
  EXPECT_TRUE(at::equal(found.boxes[0], at::tensor({10.f, 10.f, 30.f, 40.f}).repeat({2, 1})));
}

TEST(CountedDetectionsTest, OfEqualScoresTheFirstRoiComesFirst) {
  Problem problem = OneRoi();
  problem.scores = at::full({3, 3}, 0.3f);
  problem.deltas = at::zeros({3, 12});
  problem.rois = problem.rois.repeat({3, 1});
  problem.rois[1].add_(at::tensor({0.f, 40.f, 0.f, 40.f, 0.f}));
  problem.options.max_per_image = 3;
  const CountedDetections found = problem.Find();
  EXPECT_TRUE(at::equal(found.labels[0], at::tensor({1, 2, 1}, at::kLong)));
  EXPECT_TRUE(at::equal(found.boxes[0].select(1, 0), at::tensor({10.f, 10.f, 50.f})));
  problem.options.max_per_class = 1;
  EXPECT_EQ(problem.Find().counts[0].item<int64_t>(), 2) << "one of each class";
}

TEST(CountedDetectionsTest, WithoutRoisImagesOrClasses) {
  Problem problem = RandomProblem(1);
  const auto sizes = [&] {
    const CountedDetections found = problem.Find();
    EXPECT_TRUE(found.counts.eq(0).all().item<bool>());
    return found.boxes.sizes().vec();
  };
  Problem whole = problem;
  problem.scores = whole.scores.slice(0, 0, 0);
  problem.deltas = whole.deltas.slice(0, 0, 0);
  problem.rois = whole.rois.slice(0, 0, 0);
  EXPECT_THAT(sizes(), ElementsAre(3, 0, 4));
  problem = whole;
  problem.frames = whole.frames.slice(0, 0, 0);
  EXPECT_THAT(sizes(), ElementsAre(0, 20, 4));
  problem = whole;
  problem.scores = whole.scores.slice(1, 0, 1);
  problem.deltas = whole.deltas.slice(1, 0, 4);
  EXPECT_THAT(sizes(), ElementsAre(3, 0, 4));
}

TEST(CountedDetectionsTest, ErrorsNameTheArgument) {
  const auto error = [](const std::function<void(Problem&)>& spoil) {
    Problem problem = RandomProblem(1);
    spoil(problem);
    return ErrorMessage([&] { problem.Find(); });
  };
  EXPECT_EQ(error([](Problem&) {}), "");
  EXPECT_THAT(error([](Problem& p) { p.scores = p.scores.to(at::kDouble); }), HasSubstr("scores"));
  EXPECT_THAT(error([](Problem& p) { p.scores = p.scores.slice(1, 0, 0); }), HasSubstr("scores"));
  EXPECT_THAT(error([](Problem& p) { p.deltas = p.deltas.slice(1, 4); }), HasSubstr("deltas"));
  EXPECT_THAT(error([](Problem& p) { p.rois = p.rois.slice(0, 1); }), HasSubstr("rois"));
  EXPECT_THAT(error([](Problem& p) { p.frames = p.frames.slice(1, 1); }), HasSubstr("frames"));
  EXPECT_THAT(error([](Problem& p) { p.frames = p.frames * NAN; }), HasSubstr("frames: row 0"));
  EXPECT_THAT(error([](Problem& p) { p.frames = -p.frames; }), HasSubstr("image: "));
  EXPECT_THAT(error([](Problem& p) { p.options.nms_iou_threshold = 2; }),
              HasSubstr("nms_iou_threshold"));
  EXPECT_THAT(error([](Problem& p) { p.options.max_per_image = -1; }), HasSubstr("max_per_image"));
  EXPECT_THAT(error([](Problem& p) { p.options.max_per_class = -1; }), HasSubstr("max_per_class"));
  EXPECT_THAT(error([](Problem& p) { p.options.min_side_px = -1; }), HasSubstr("min_side_px"));
  EXPECT_THAT(error([](Problem& p) { p.options.min_score = NAN; }), HasSubstr("min_score"));
}

}  // namespace
}  // namespace rcnn::ops
