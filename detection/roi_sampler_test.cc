// The drawn RoIs against a plain matching of every proposal: which may be drawn, and with what
// label and targets; how many; and that an image's do not depend on its batch.

#include "rcnn/detection/roi_sampler.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/configs/testing/parse_text.h"
#include "rcnn/detection/config_options.h"
#include "rcnn/detection/testing/slow_boxes.h"
#include "rcnn/ops/error_message.h"

namespace rcnn::detection {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;
using ::testing::UnorderedElementsAreArray;

at::Generator Generator(uint64_t seed = 7) { return at::detail::createCPUGenerator(seed); }

// Draws as a head of this config does.
RoiSamples Sample(const std::vector<at::Tensor>& proposals, const GroundTruths& truths,
                  at::Generator generator, const std::string& text = "") {
  const auto config = configs::ParseTextOrDie<configs::HeadConfig>(text);
  const ops::BoxCoderOptions coder =
      MakeBoxCoderOptions(config.box_coder(), "head.box_coder").value();
  return SampleRois(proposals, truths, std::move(generator), coder, config);
}

// One image with two objects, and one with an object and a crowd.
GroundTruths Truths() {
  return {{at::tensor({10.f, 10.f, 49.f, 59.f, 60.f, 20.f, 119.f, 79.f}).view({2, 4}),
           at::tensor({2, 3}, at::kLong), at::Tensor()},
          {at::tensor({20.f, 20.f, 79.f, 79.f, 0.f, 90.f, 140.f, 128.f}).view({2, 4}),
           at::tensor({1, 1}, at::kLong), at::tensor({0, 1}, at::kLong).to(at::kBool)}};
}

std::vector<at::Tensor> Proposals() {
  std::vector<at::Tensor> proposals;
  for (const uint64_t seed : {21, 22}) {
    const at::Tensor corner = (at::rand({60, 2}, Generator(seed)) * 80).round();
    const at::Tensor side = (15 + at::rand({60, 2}, Generator(seed + 10)) * 50).round();
    proposals.push_back(at::cat({corner, corner + side}, 1));
  }
  return proposals;
}

struct SlowRoi {
  int64_t image;
  SlowBox box;
  int64_t label;
  SlowDeltas target;
};

// Box 1 of image 1, which is as wide as the image.
bool IsHiddenByTheCrowd(const SlowBox& box, int64_t image, double plus) {
  if (image != 1) return false;
  const SlowBox crowd = BoxAt(Truths()[1].boxes, 1);
  const double rows = std::min(box[3], crowd[3]) - std::max(box[1], crowd[1]) + plus;
  return rows / (box[3] - box[1] + plus) > 0.7;
}

// Adds the box of the image to RoIs that may be sampled: IoU >= 0.5 objects, [0.1, 0.4) background.
void AddRoi(const SlowBox& box, int64_t image, int64_t objects, double plus,
            std::vector<SlowRoi>& rois) {
  const GroundTruth truth = Truths()[static_cast<size_t>(image)];
  double best = 0;
  int64_t match = 0;
  for (int64_t g = 0; g < objects; ++g) {
    const double iou = SlowIou(box, BoxAt(truth.boxes, g), plus);
    if (iou > best) match = g;
    best = std::max(best, iou);
  }
  if (best >= 0.5) {
    rois.push_back({image, box, truth.labels[match].item<int64_t>(),
                    SlowEncode(box, BoxAt(truth.boxes, match), {10, 10, 5, 5}, plus)});
  } else if (best >= 0.1 && best < 0.4 && !IsHiddenByTheCrowd(box, image, plus)) {
    rois.push_back({image, box, 0, {0, 0, 0, 0}});
  }
}

// Every RoI that may be sampled.
std::vector<SlowRoi> AllRois(double plus, bool add_truth) {
  std::vector<SlowRoi> all;
  for (const int64_t image : {0, 1}) {
    const auto index = static_cast<size_t>(image);
    const at::Tensor proposals = Proposals()[index], truth = Truths()[index].boxes;
    const int64_t objects = image == 0 ? 2 : 1;  // then the crowd
    for (int64_t i = 0; i < proposals.size(0); ++i) {
      AddRoi(BoxAt(proposals, i), image, objects, plus, all);
    }
    for (int64_t g = 0; g < objects && add_truth; ++g) {
      AddRoi(BoxAt(truth, g), image, objects, plus, all);
    }
  }
  return all;
}

int64_t CountPositives(const std::vector<SlowRoi>& rois) {
  return std::count_if(rois.begin(), rois.end(), [](const SlowRoi& roi) { return roi.label > 0; });
}

std::vector<double> Row(const SlowRoi& roi) {
  const auto& [image, box, label, target] = roi;
  return {static_cast<double>(image), box[0], box[1], box[2], box[3], static_cast<double>(label)};
}

std::vector<std::vector<double>> Rows(const RoiSamples& samples) {
  std::vector<std::vector<double>> rows;
  for (int64_t i = 0; i < samples.rois.size(0); ++i) {
    const SlowBox box = BoxAt(samples.rois.slice(1, 1), i);
    rows.push_back({samples.rois[i][0].item<double>(), box[0], box[1], box[2], box[3],
                    samples.labels[i].item<double>()});
  }
  return rows;
}

std::string SampleConfig(const std::string& more) {
  return "targets { background_max_iou: 0.4 background_min_iou: 0.1 " + more;
}

// In any order.
void ExpectRois(const RoiSamples& samples, const std::vector<SlowRoi>& expected) {
  std::vector<std::vector<double>> rows;
  for (const SlowRoi& roi : expected) rows.push_back(Row(roi));
  const std::vector<std::vector<double>> found = Rows(samples);
  EXPECT_THAT(found, UnorderedElementsAreArray(rows));
  for (const SlowRoi& roi : expected) {
    const auto at = std::find(found.begin(), found.end(), Row(roi));
    if (at == found.end()) continue;  // reported above
    const SlowDeltas target = BoxAt(samples.box_targets, at - found.begin());
    for (size_t j = 0; j < 4; ++j) EXPECT_NEAR(target[j], roi.target[j], 1e-4);
  }
}

TEST(RoiSamplerTest, SamplesRoisByItsRule) {
  for (const bool inclusive : {false, true}) {
    for (const bool add_truth : {false, true}) {
      SCOPED_TRACE(absl::StrCat("inclusive ", inclusive, " add ", add_truth));
      const std::string config = SampleConfig(absl::StrCat(
          "rois_per_image: 1000000 add_ground_truth: ", add_truth,
          " } box_coder { weight: [10, 10, 5, 5] inclusive_corners: ", inclusive, " }"));
      const RoiSamples samples = Sample(Proposals(), Truths(), Generator(), config);
      const std::vector<SlowRoi> expected = AllRois(inclusive ? 1 : 0, add_truth);
      ExpectRois(samples, expected);
      EXPECT_EQ(samples.positives, CountPositives(expected));
      EXPECT_GE(samples.positives, add_truth ? 5 : 2);
      EXPECT_GT(expected.size(), 20u);
    }
  }
}

TEST(RoiSamplerTest, SamplesTheConfiguredNumberOfRois) {
  const std::string config = SampleConfig("rois_per_image: 8 positive_fraction: 0.25 }");
  const auto sample = [&](uint64_t seed) {
    return Sample(Proposals(), Truths(), Generator(seed), config);
  };
  const RoiSamples samples = sample(1);
  EXPECT_EQ(samples.rois.size(0), 16);
  int64_t positives[] = {0, 0};  // at most a quarter of each image's eight
  for (const SlowRoi& roi : AllRois(0, true)) positives[roi.image] += roi.label > 0;
  EXPECT_GT(positives[0], 2);
  const int64_t expected = std::min<int64_t>(positives[0], 2) + std::min<int64_t>(positives[1], 2);
  EXPECT_EQ(samples.positives, expected);
  EXPECT_EQ((samples.labels > 0).sum().item<int64_t>(), expected);
  EXPECT_TRUE(samples.rois.equal(sample(1).rois));
  EXPECT_FALSE(samples.rois.equal(sample(2).rois));
}

TEST(RoiSamplerTest, AnImageHasTheSameRoisInAnyBatch) {
  const std::string config = SampleConfig("rois_per_image: 8 positive_fraction: 0.25 }");
  GroundTruths truths = Truths();
  truths[0].image_id = 5;
  truths[1].image_id = 6;
  const RoiSamples both = Sample(Proposals(), truths, Generator(1), config);
  const auto sample_second = [&] {
    return Sample({Proposals()[1]}, {truths[1]}, Generator(1), config);
  };
  const RoiSamples alone = sample_second();
  ASSERT_EQ(alone.rois.size(0), 8);
  EXPECT_TRUE(alone.rois.slice(1, 1).equal(both.rois.slice(0, 8).slice(1, 1)));
  EXPECT_TRUE(alone.draw_rows.equal(both.draw_rows.slice(0, 8)));
  EXPECT_TRUE(alone.draw_rows.select(1, 0).eq(6).all().item<bool>());
  EXPECT_TRUE(alone.draw_rows.select(1, 1).equal(at::arange(8, at::kLong)));
  truths[1].image_id = 7;
  EXPECT_FALSE(sample_second().rois.equal(alone.rois));
}

TEST(RoiSamplerTest, ImageWithoutBoxesGivesNoRois) {
  const GroundTruths nothing = {{at::empty({0, 4}), at::empty({0}, at::kLong), at::Tensor()}};
  const RoiSamples samples = Sample({at::empty({0, 4})}, nothing, Generator());
  EXPECT_EQ(samples.rois.sizes().vec(), (std::vector<int64_t>{0, 5}));
  // Without objects, all proposals are background.
  const RoiSamples background = Sample({Proposals()[0]}, nothing, Generator());
  EXPECT_EQ(background.rois.size(0), 60);
  EXPECT_EQ(background.positives, 0);
}

TEST(RoiSamplerTest, InvalidBoxesAreNamed) {
  std::vector<at::Tensor> proposals = Proposals();
  proposals[1][7][3].fill_(NAN);
  EXPECT_THAT(ops::ErrorMessage([&] { Sample(proposals, Truths(), Generator()); }),
              StartsWith("proposals: row 7 is ("));
  GroundTruths truths = Truths();
  truths[0].boxes[1][2].fill_(-1);
  EXPECT_THAT(ops::ErrorMessage([&] { Sample(Proposals(), truths, Generator()); }),
              StartsWith("ground truth: row 1 is ("));
}

TEST(RoiSamplerTest, OtherNumbersOfImagesAreAnError) {
  EXPECT_THAT(ops::ErrorMessage([] { Sample(Proposals(), {}, Generator()); }),
              HasSubstr("head: proposals for 2 images, but ground truth for 0"));
}

}  // namespace
}  // namespace rcnn::detection
