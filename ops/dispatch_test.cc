// Every operator on a device without a kernel: the result equals the CPU's and is on that device.

#include "rcnn/ops/dispatch.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include <functional>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/ops/anchors.h"
#include "rcnn/ops/balanced_sampler.h"
#include "rcnn/ops/batched_nms.h"
#include "rcnn/ops/box_coder.h"
#include "rcnn/ops/box_voting.h"
#include "rcnn/ops/error_message.h"
#include "rcnn/ops/matcher.h"
#include "rcnn/ops/nms.h"
#include "rcnn/ops/preprocess.h"
#include "rcnn/ops/proposals.h"
#include "rcnn/ops/roi_align.h"
#include "rcnn/ops/roi_pool.h"
#include "rcnn/ops/soft_nms.h"
#include "rcnn/ops/testing/far_device.h"

namespace rcnn::ops {
namespace {

using Tensors = std::vector<at::Tensor>;

at::Generator Seeded() { return at::detail::createCPUGenerator(7); }

// The tensors that the operators below are called with.
struct Arguments {
  at::Tensor boxes, others, scores, classes, rows, labels, deltas, map, rois, image;
  ProposalLevel level;

  Arguments() {
    boxes = at::tensor({0.f, 0.f, 10.f, 10.f, 1.f, 0.f, 10.f, 9.f, 20.f, 20.f, 30.f, 31.f})
                .view({3, 4});
    others = boxes + 1;
    scores = at::tensor({.5f, .9f, .1f});
    classes = at::tensor({1, 1, 2}, at::kLong);
    rows = at::tensor({1, 2}, at::kLong);
    labels = at::tensor({1, 0, -1, 0, 1, 0}, at::kLong);
    deltas = at::full({3, 4}, 0.125f);
    map = at::arange(192, at::kFloat).view({1, 2, 8, 12});
    rois = at::tensor({0.f, 1.f, 1.f, 6.f, 7.f}).view({1, 5});
    image = at::arange(60, at::kByte).view({4, 5, 3});
    level = {at::arange(4, at::kFloat).view({1, 1, 2, 2}), at::zeros({1, 4, 2, 2}),
             at::tensor({0.f, 0.f, 20.f, 20.f}).repeat({4, 1})};
  }

  void MoveTo(at::Device device) {
    for (at::Tensor* tensor : {&boxes, &others, &scores, &classes, &rows, &labels, &deltas, &map,
                               &rois, &image, &level.logits, &level.deltas, &level.anchors}) {
      *tensor = tensor->to(device);
    }
  }
};

struct Case {
  std::string name;
  std::function<Tensors(const Arguments&)> call;
};

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
         const Matches matches = MatchBoxes(a.boxes, a.others, {});
         return {matches.labels, matches.gt_index, matches.iou};
       }},
      {"sample_balanced",
       [](const Arguments& a) -> Tensors {
         const BalancedSample sample = SampleBalanced(a.labels, {3, 0.34}, Seeded());
         return {sample.positive, sample.negative};
       }},
      {"encode_boxes",
       [](const Arguments& a) -> Tensors { return {EncodeBoxes(a.boxes, a.others)}; }},
      {"decode_boxes",
       [](const Arguments& a) -> Tensors { return {DecodeBoxes(a.boxes, a.deltas)}; }},
      {"place_anchors",
       [](const Arguments& a) -> Tensors {
         return {PlaceAnchors(a.boxes, {2, 3}, 16, 16)};
       }},
      {"preprocess",
       [](const Arguments& a) -> Tensors {
         return {Preprocess(a.image, {.height = 8, .width = 10})};
       }},
      {"roi_pool",
       [](const Arguments& a) -> Tensors {
         return {RoiPool(a.map, a.rois, {2, 2, 1.0})};
       }},
      {"proposals",
       [](const Arguments& a) -> Tensors {
         const Proposals found = GenerateProposals({a.level}, {{64, 64, 1}}, {});
         return {found.rois, found.scores, found.counts};
       }},
  };
}

int Count(const std::string& text, const std::string& wanted) {
  int count = 0;
  for (size_t at = text.find(wanted); at != std::string::npos; at = text.find(wanted, at + 1)) {
    ++count;
  }
  return count;
}

// The first test, since an operator warns once in a process.
TEST(FallbackTest, WarnsOncePerOperator) {
  Arguments far;
  far.MoveTo(testing::FarDevice());
  ::testing::internal::CaptureStderr();
  for (int i = 0; i < 3; ++i) {
    EncodeBoxes(far.boxes, far.others);
    Preprocess(far.image, {.height = 3, .width = 3});
  }
  const std::string text = ::testing::internal::GetCapturedStderr();
  EXPECT_EQ(Count(text, "rcnn::encode_boxes has no kernel"), 1) << text;
  EXPECT_EQ(Count(text, "rcnn::preprocess has no kernel"), 1) << text;
}

TEST(FallbackTest, ComputesOnTheCpuAndReturnsToTheDevice) {
  const Arguments near;
  Arguments far;
  far.MoveTo(testing::FarDevice());
  for (const Case& one : AllCases()) {
    SCOPED_TRACE(one.name);
    const Tensors expected = one.call(near), found = one.call(far);
    ASSERT_EQ(found.size(), expected.size());
    for (size_t i = 0; i < found.size(); ++i) {
      EXPECT_EQ(found[i].device(), testing::FarDevice());
      EXPECT_TRUE(found[i].cpu().equal(expected[i]));
    }
  }
}

// Values on another device are not read, since that would wait for it; only shapes are checked.
TEST(FallbackTest, ErrorsNameTheArgumentThereToo) {
  Arguments far;
  far.MoveTo(testing::FarDevice());
  EXPECT_THAT(ErrorMessage([&] { Nms(far.boxes, far.labels, {}); }),
              ::testing::HasSubstr("scores"));
}

TEST(RegistrationTest, AnUnknownOperatorIsAnError) {
  EXPECT_THROW(FindOperator<at::Tensor(const at::Tensor&)>("no_such_operator"), c10::Error);
}

TEST(RegistrationTest, TheNameOfASchemaIncludesItsOverload) {
  EXPECT_EQ(OperatorName("proposals.sizes(Tensor[] logits) -> Tensor"), "proposals.sizes");
}

// The kernel of a device that is not here.
at::Tensor NoLevels(at::TensorList, const at::Tensor&, const at::Tensor&, at::ArrayRef<double>,
                    int64_t, int64_t, int64_t, bool) {
  TORCH_CHECK(false, "is not called");
}

// The type of RoIAlign's result under autocast, as if the maps were on the device of `autocast`.
at::ScalarType RoiAlignType(c10::DispatchKey autocast, at::TensorList maps) {
  const auto op = FindOperator<decltype(NoLevels)>("_roi_align_levels");
  return op
      .redispatch(c10::DispatchKeySet(autocast).add(c10::DispatchKey::CPU), maps, Arguments().rois,
                  at::zeros({1}, at::kLong), std::vector<double>(maps.size(), 1), 2, 2, 2, true)
      .scalar_type();
}

TEST(AutocastTest, RoiAlignReadsShortMapsWhereCudaHasItsKernel) {
  constexpr auto kCpu = c10::DispatchKey::AutocastCPU, kCuda = c10::DispatchKey::AutocastCUDA;
  const at::Tensor map = Arguments().map, rois = Arguments().rois;
  const at::Tensor short_map = map.to(at::kBFloat16);
  EXPECT_EQ(RoiAlignType(kCuda, {short_map}), at::kFloat);
  {
    torch::Library library = MAKE_TORCH_LIBRARY_IMPL(rcnn, CUDA);
    library.impl("_roi_align_levels", &NoLevels);
    EXPECT_EQ(RoiAlignType(kCuda, {short_map, short_map}), at::kBFloat16);
    EXPECT_EQ(RoiAlignType(kCpu, {short_map}), at::kFloat);
    EXPECT_EQ(RoiAlignType(kCuda, {map}), at::kFloat);
    EXPECT_EQ(RoiAlignType(kCuda, {short_map, map}), at::kFloat);
    using Signature =
        at::Tensor(const at::Tensor&, const at::Tensor&, double, int64_t, int64_t, int64_t, bool);
    const at::Tensor pooled = FindOperator<Signature>("roi_align")
                                  .redispatch(c10::DispatchKeySet(kCuda).add(c10::DispatchKey::CPU),
                                              short_map, rois, 1, 2, 2, 2, true);
    EXPECT_EQ(pooled.scalar_type(), at::kBFloat16);
    EXPECT_TRUE(pooled.equal(RoiAlign(short_map, rois, {2, 2, 1, 2, true})));
  }
  EXPECT_EQ(RoiAlignType(kCuda, {short_map}), at::kFloat);
}

// Gradients flow through the registered operators and end at those that have none.
TEST(AutogradTest, OnlyDifferentiableOperatorsRecordAGraph) {
  Arguments a;
  a.boxes.requires_grad_();
  a.map.requires_grad_();
  EXPECT_TRUE(DecodeBoxes(a.boxes, a.deltas).requires_grad());
  EXPECT_TRUE(RoiAlign(a.map, a.rois, {}).requires_grad());
  EXPECT_TRUE(RoiPool(a.map, a.rois, {}).requires_grad());
  EXPECT_FALSE(MatchBoxes(a.boxes, a.others, {}).iou.requires_grad());
  EXPECT_FALSE(VoteBoxes(a.boxes, a.scores, a.classes, a.rows, {}).requires_grad());
}

}  // namespace
}  // namespace rcnn::ops
