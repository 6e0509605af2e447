#include "rcnn/ops/counted_proposals.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

#include "rcnn/ops/error_message.h"
#include "rcnn/ops/proposals.h"

namespace rcnn::ops {
namespace {

using ::testing::HasSubstr;

// One anchor of 40 x 40 pixels at each cell of `stride` pixels.
ProposalLevel RandomLevel(int64_t images, int64_t side, double stride, uint64_t seed) {
  at::Generator generator = at::detail::createCPUGenerator(seed);
  const at::Tensor step = at::arange(side, at::kFloat).mul(stride);
  const at::Tensor x = step.repeat({side}), y = step.repeat_interleave(side);
  return {at::randn({images, 1, side, side}, generator),
          at::randn({images, 4, side, side}, generator).mul(0.3),
          at::stack({x - 20, y - 20, x + 20, y + 20}, 1)};
}

std::vector<InputSize> Sizes(int64_t images) {
  std::vector<InputSize> sizes;
  for (int64_t b = 0; b < images; ++b) {
    sizes.push_back({100.0f + static_cast<float>(b), 120, 1.5f});
  }
  return sizes;
}

at::Tensor ImageInfo(const std::vector<InputSize>& sizes) {
  const at::Tensor info = at::empty({static_cast<int64_t>(sizes.size()), 3}, at::kFloat);
  for (size_t b = 0; b < sizes.size(); ++b) {
    info[static_cast<int64_t>(b)].copy_(
        at::tensor({sizes[b].height, sizes[b].width, sizes[b].scale}));
  }
  return info;
}

TEST(CountedProposalsTest, HaveTheRowsOfGenerateProposals) {
  for (const int64_t images : {1, 3}) {
    const std::vector<ProposalLevel> levels = {RandomLevel(images, 12, 8, 1),
                                               RandomLevel(images, 6, 16, 2)};
    ProposalOptions options;
    options.post_nms_top_n = 100;
    options.pre_nms_top_n = 80;
    const Proposals expected = GenerateProposals(levels, Sizes(images), options);
    const CountedProposals found =
        GenerateCountedProposals(levels, ImageInfo(Sizes(images)), options);
    ASSERT_EQ(found.rois.sizes(), at::IntArrayRef({images, 100, 5}));
    ASSERT_TRUE(found.counts.equal(expected.counts));
    int64_t begin = 0;
    for (int64_t b = 0; b < images; ++b) {
      const int64_t count = found.counts[b].item<int64_t>();
      EXPECT_TRUE(found.rois[b].slice(0, 0, count).equal(expected.rois.narrow(0, begin, count)));
      EXPECT_TRUE(
          found.scores[b].slice(0, 0, count).equal(expected.scores.narrow(0, begin, count)));
      EXPECT_TRUE(found.rois[b].slice(0, count).eq(0).all().item<bool>());
      EXPECT_TRUE(found.scores[b].slice(0, count).eq(0).all().item<bool>());
      begin += count;
    }
  }
}

// A level has at most 36 anchors, of which 20 are decoded.
TEST(CountedProposalsTest, HaveNoMoreRowsThanAnchorsAreDecoded) {
  ProposalOptions options;
  options.pre_nms_top_n = 20;
  const CountedProposals found =
      GenerateCountedProposals({RandomLevel(2, 6, 16, 3)}, ImageInfo(Sizes(2)), options);
  EXPECT_EQ(found.scores.sizes(), at::IntArrayRef({2, 20}));
}

TEST(CountedProposalsTest, WithoutImages) {
  const CountedProposals found =
      GenerateCountedProposals({RandomLevel(0, 6, 16, 3)}, at::zeros({0, 3}), {});
  EXPECT_EQ(found.rois.size(0), 0);
  EXPECT_EQ(found.counts.numel(), 0);
}

TEST(CountedProposalsTest, ErrorsNameTheArgument) {
  const std::vector<ProposalLevel> levels = {RandomLevel(2, 6, 16, 3)};
  EXPECT_THAT(ErrorMessage([&] {
                GenerateCountedProposals(levels, at::ones({1, 3}), {});
              }),
              HasSubstr("image_info"));
  EXPECT_THAT(ErrorMessage([&] {
                GenerateCountedProposals(levels, at::zeros({2, 3}), {});
              }),
              HasSubstr("image_info: row 0"));
  EXPECT_THAT(ErrorMessage([&] {
                GenerateCountedProposals({}, at::ones({0, 3}), {});
              }),
              HasSubstr("levels"));
}

}  // namespace
}  // namespace rcnn::ops
