// Every operator that checks values: unchecked it gives the same result, does not throw, and reads
// nothing outside its tensors; checked it names the first offending row.

#include "rcnn/ops/unchecked_values.h"

#include <ATen/ATen.h>

#include <functional>
#include <limits>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/ops/batched_nms.h"
#include "rcnn/ops/box_coder.h"
#include "rcnn/ops/box_voting.h"
#include "rcnn/ops/boxes.h"
#include "rcnn/ops/error_message.h"
#include "rcnn/ops/fast_rcnn_loss.h"
#include "rcnn/ops/matcher.h"
#include "rcnn/ops/nms.h"
#include "rcnn/ops/proposals.h"
#include "rcnn/ops/roi_align.h"
#include "rcnn/ops/rpn_loss.h"
#include "rcnn/ops/smooth_l1.h"
#include "rcnn/ops/soft_nms.h"
#include "rcnn/ops/testing/far_device.h"
#include "rcnn/ops/testing/random_boxes.h"

namespace rcnn::ops {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;
using Tensors = std::vector<at::Tensor>;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

at::Tensor Longs(const std::vector<int64_t>& values) { return at::tensor(values, at::kLong); }

// Valid arguments of the operators below.
struct Arguments {
  at::Generator generator = testing::TestGenerator();
  at::Tensor boxes = testing::RandomBoxes(7, generator).to(at::kFloat);
  at::Tensor gt_boxes = testing::RandomBoxes(7, generator).to(at::kFloat);
  at::Tensor scores = at::rand({7}, generator);
  at::Tensor deltas = at::randn({7, 4}, generator) * 0.1;
  at::Tensor classes = Longs({0, 1, 2, 1, 0, 2, 1});
  at::Tensor rows = Longs({0, 3, 5});
};

struct Case {
  std::string name;
  std::function<Tensors(const Arguments&)> call;
};

// Each reads `boxes`, or `deltas` if it has no boxes.
std::vector<Case> AllCases() {
  return {
      {"nms", [](const Arguments& a) -> Tensors { return {Nms(a.boxes, a.scores, {})}; }},
      {"batched_nms",
       [](const Arguments& a) -> Tensors {
         return {BatchedNms(a.boxes, a.scores, a.classes, {})};
       }},
      {"soft_nms",
       [](const Arguments& a) -> Tensors {
         const SoftNmsResult result = SoftNms(a.boxes, a.scores, {});
         return {result.kept, result.scores};
       }},
      {"vote_boxes",
       [](const Arguments& a) -> Tensors {
         return {VoteBoxes(a.boxes, a.scores, a.classes, a.rows, {})};
       }},
      {"match_boxes",
       [](const Arguments& a) -> Tensors {
         const Matches matches = MatchBoxes(a.boxes, a.gt_boxes, {});
         return {matches.labels, matches.gt_index, matches.iou};
       }},
      {"encode_boxes",
       [](const Arguments& a) -> Tensors { return {EncodeBoxes(a.boxes, a.gt_boxes)}; }},
      {"decode_boxes",
       [](const Arguments& a) -> Tensors { return {DecodeBoxes(a.boxes, a.deltas)}; }},
      {"box_iou", [](const Arguments& a) -> Tensors { return {BoxIou(a.boxes, a.gt_boxes)}; }},
      {"box_area", [](const Arguments& a) -> Tensors { return {BoxArea(a.boxes)}; }},
      {"clip_boxes",
       [](const Arguments& a) -> Tensors {
         return {ClipBoxes(a.boxes, {300, 400})};
       }},
      {"large_boxes", [](const Arguments& a) -> Tensors { return {LargeBoxes(a.boxes, 50)}; }},
      {"flip_boxes", [](const Arguments& a) -> Tensors { return {FlipBoxes(a.boxes, 700)}; }},
      {"scale_boxes", [](const Arguments& a) -> Tensors { return {ScaleBoxes(a.boxes, 2, 3)}; }},
      {"smooth_l1", [](const Arguments& a) -> Tensors { return {SmoothL1(a.deltas, a.gt_boxes)}; }},
      {"rpn_loss",
       [](const Arguments& a) -> Tensors {
         const RpnLosses losses = RpnLoss(a.scores, a.deltas, a.rows, Longs({1, 2}),
                                          a.gt_boxes.index_select(0, a.rows), {});
         return {losses.objectness, losses.box};
       }},
      {"fast_rcnn_loss",
       [](const Arguments& a) -> Tensors {
         const FastRcnnLosses losses = FastRcnnLoss(a.deltas, a.deltas, a.classes, a.gt_boxes, {});
         return {losses.classification, losses.box};
       }},
  };
}

TEST(UncheckedValuesTest, ValidValuesGiveTheSame) {
  const Arguments arguments;
  for (const Case& one : AllCases()) {
    SCOPED_TRACE(one.name);
    const Tensors expected = one.call(arguments);
    const UncheckedValues unchecked;
    const Tensors found = one.call(arguments);
    ASSERT_EQ(found.size(), expected.size());
    for (size_t i = 0; i < found.size(); ++i) EXPECT_TRUE(at::equal(found[i], expected[i])) << i;
  }
}

// NaN in the rows 3 and 5, which the losses sample.
TEST(UncheckedValuesTest, OthersAreErrorsOfTheCheckedFormAlone) {
  Arguments bad;
  for (const int64_t row : {5, 3}) {
    bad.boxes[row][2].fill_(kNan);
    bad.deltas[row][2].fill_(kNan);
  }
  for (const Case& one : AllCases()) {
    SCOPED_TRACE(one.name);
    {
      const UncheckedValues unchecked;
      EXPECT_EQ(ErrorMessage([&] { one.call(bad); }), "");
    }
    const char* first = one.name == "rpn_loss" ? ": row 1 is (" : ": row 3 is (";
    EXPECT_THAT(ErrorMessage([&] { one.call(bad); }), HasSubstr(first));
  }
}

TEST(UncheckedValuesTest, ABoxWithoutASideIsEncodedUnchecked) {
  const at::Tensor boxes = at::tensor({0.f, 0.f, 1.f, 1.f}).view({1, 4}), flat = boxes * 0;
  EXPECT_THAT(ErrorMessage([&] { EncodeBoxes(boxes, flat); }), StartsWith("gt_boxes: row 0"));
  const UncheckedValues unchecked;
  EXPECT_FALSE(EncodeBoxes(boxes, flat).isfinite().all().item<bool>());
}

// Its label means nothing, but its object is a row of gt_boxes or -1.
TEST(UncheckedValuesTest, ABoxThatIsNotFiniteLeadsToNoRowOutside) {
  const at::Tensor gt = at::tensor({0.f, 0.f, 10.f, 10.f}).view({1, 4});
  const at::Tensor boxes = at::cat({gt, at::full({3, 4}, kNan, at::kFloat)});
  const UncheckedValues unchecked;
  const Matches matches = MatchBoxes(boxes, gt, {});
  EXPECT_EQ(matches.labels[0].item<int64_t>(), kForeground);
  EXPECT_TRUE(matches.gt_index.le(0).all().item<bool>());
  EXPECT_TRUE(matches.gt_index.ge(-1).all().item<bool>());
}

// What decides which elements are read is checked always.
TEST(UncheckedValuesTest, RowsAndScoresAreStillChecked) {
  Arguments a;
  const UncheckedValues unchecked;
  const at::Tensor map = at::zeros({1, 2, 8, 8});
  EXPECT_THAT(ErrorMessage([&] {
                RoiAlign(map, at::tensor({7.f, 0.f, 0.f, 4.f, 4.f}).view({1, 5}), {});
              }),
              HasSubstr("the image index is not in [0, 1)"));
  EXPECT_THAT(ErrorMessage([&] { VoteBoxes(a.boxes, a.scores, a.classes, Longs({7}), {}); }),
              StartsWith("kept: row 0"));
  EXPECT_THAT(
      ErrorMessage([&] { FastRcnnLoss(a.deltas, a.deltas, a.classes + 9, a.gt_boxes, {}); }),
      StartsWith("labels: row 0"));
  EXPECT_THAT(ErrorMessage([&] { Nms(a.boxes, a.scores * kNan, {}); }),
              StartsWith("scores: row 0"));
}

TEST(UncheckedValuesTest, ProposalsStillCheckLogitsAndDeltas) {
  const UncheckedValues unchecked;
  const ProposalLevel level = {at::full({1, 1, 2, 2}, kNan, at::kFloat), at::zeros({1, 4, 2, 2}),
                               at::tensor({0.f, 0.f, 20.f, 20.f}).repeat({4, 1})};
  EXPECT_THAT(ErrorMessage([&] {
                GenerateProposals({level}, {{64, 64, 1}}, {});
              }),
              StartsWith("logits of level 0"));
}

TEST(UncheckedValuesTest, HoldsForTheFallbackOfOtherDevices) {
  const at::Tensor far = at::full({2, 4}, kNan, at::kFloat).to(testing::FarDevice());
  EXPECT_THAT(ErrorMessage([&] { EncodeBoxes(far, far); }), StartsWith("boxes: row 0"));
  const UncheckedValues unchecked;
  EXPECT_EQ(EncodeBoxes(far, far).device(), testing::FarDevice());
}

TEST(UncheckedValuesTest, ScopesNestAndBelongToAThread) {
  EXPECT_TRUE(ValuesAreChecked());
  {
    const UncheckedValues outer;
    {
      const UncheckedValues inner;
      EXPECT_FALSE(ValuesAreChecked());
    }
    EXPECT_FALSE(ValuesAreChecked());
    bool elsewhere = false;
    std::thread([&] { elsewhere = ValuesAreChecked(); }).join();
    EXPECT_TRUE(elsewhere);
  }
  EXPECT_TRUE(ValuesAreChecked());
}

}  // namespace
}  // namespace rcnn::ops
