#include "rcnn/detection/roi_samples.h"

#include <ATen/ATen.h>

#include <cstdint>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rcnn::detection {
namespace {

using ::testing::ElementsAre;

// Six RoIs of these images, each box and target its own.
RoiSamples Samples(const std::vector<int64_t>& images, const std::vector<int64_t>& labels) {
  const at::Tensor image = at::tensor(images, at::kLong).to(at::kFloat).unsqueeze(1);
  RoiSamples samples;
  samples.rois = at::cat({image, at::arange(24, at::kFloat).view({6, 4})}, 1);
  samples.labels = at::tensor(labels, at::kLong);
  samples.box_targets = at::arange(24, at::kFloat).view({6, 4}) + 100;
  samples.draw_rows = at::arange(12, at::kLong).view({6, 2});
  return samples;
}

// The rows of `part` are those of `samples` from `begin` on, and its images are `images`.
void ExpectRows(const RoiSamples& part, const RoiSamples& samples, int64_t begin,
                const std::vector<int64_t>& images) {
  const auto count = static_cast<int64_t>(images.size());
  EXPECT_TRUE(part.rois.select(1, 0).equal(at::tensor(images, at::kLong).to(at::kFloat)));
  EXPECT_TRUE(part.rois.slice(1, 1).equal(samples.rois.slice(1, 1).narrow(0, begin, count)));
  EXPECT_TRUE(part.labels.equal(samples.labels.narrow(0, begin, count)));
  EXPECT_TRUE(part.box_targets.equal(samples.box_targets.narrow(0, begin, count)));
  EXPECT_TRUE(part.draw_rows.equal(samples.draw_rows.narrow(0, begin, count)));
}

TEST(SamplesOfImagesTest, TakesTheRowsOfTheImagesAndNumbersThemFromZero) {
  const RoiSamples samples = Samples({0, 0, 1, 2, 2, 2}, {1, 0, 2, 0, 3, 0});
  const RoiSamples part = SamplesOfImages(samples, {1, 3});
  ExpectRows(part, samples, 2, {0, 1, 1, 1});
  EXPECT_EQ(part.positives, 2);
  EXPECT_EQ(part.rois_of_batch.value(), 6);
  EXPECT_EQ(samples.rois[3][0].item<float>(), 2) << "the whole is unchanged";
}

TEST(SamplesOfImagesTest, OfAFixedSizeCountsOnTheDeviceWhatTakesPart) {
  RoiSamples samples = Samples({0, 0, 1, 1, 2, 2}, {1, -1, 0, 0, 2, -1});
  samples.rois_of_image = {2, 2, 2};
  const RoiSamples part = SamplesOfImages(samples, {1, 3});
  ExpectRows(part, samples, 2, {0, 0, 1, 1});
  EXPECT_THAT(part.rois_of_image, ElementsAre(2, 2));
  EXPECT_EQ(part.unread_positives.item<int64_t>(), 1);
  EXPECT_EQ(part.unread_negatives.item<int64_t>(), 2);
  EXPECT_EQ(part.unread_of.item<int64_t>(), 4);
}

}  // namespace
}  // namespace rcnn::detection
