#include "rcnn/eval/bgr_image.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/data/image/decode_image.h"

namespace rcnn::eval {
namespace {

TEST(BgrImageTest, KeepsColoursOnTheWayThereAndBack) {
  data::Image image(32, 48);
  for (int64_t i = 0; i < 32 * 48; ++i) {
    image.data()[3 * i] = 200;
    image.data()[3 * i + 1] = 100;
    image.data()[3 * i + 2] = 20;
  }
  const cv::Mat bgr = ToBgr(image);
  ASSERT_EQ(bgr.size(), cv::Size(48, 32));
  EXPECT_EQ(bgr.at<cv::Vec3b>(31, 47), cv::Vec3b(20, 100, 200));
  const absl::StatusOr<std::string> jpeg = EncodeBgrAsJpeg(bgr, 100);
  ASSERT_THAT(jpeg, IsOk());
  const absl::StatusOr<data::Image> decoded = data::DecodeImage(*jpeg);
  ASSERT_THAT(decoded, IsOk());
  ASSERT_EQ(decoded->width(), 48);
  EXPECT_NEAR(decoded->row(31)[3 * 47], 200, 2);
  EXPECT_NEAR(decoded->row(31)[3 * 47 + 2], 20, 2);
}

TEST(BgrImageTest, AnImageWithoutPixelsIsAnError) {
  EXPECT_THAT(EncodeBgrAsJpeg(cv::Mat()),
              StatusIs(absl::StatusCode::kInvalidArgument, ::testing::HasSubstr("without pixels")));
}

}  // namespace
}  // namespace rcnn::eval
