#include "rcnn/data/image/image_codecs.h"

#include <fstream>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "opencv2/imgcodecs.hpp"

namespace rcnn::data {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::string MappedFiles() {
  std::ifstream maps("/proc/self/maps");
  return {std::istreambuf_iterator<char>(maps), {}};
}

cv::Mat Gradient() {
  cv::Mat image(5, 7, CV_8UC3);
  for (int y = 0; y < image.rows; ++y) {
    for (int x = 0; x < image.cols; ++x) image.at<cv::Vec3b>(y, x) = cv::Vec3b(30 * x, 40 * y, 200);
  }
  return image;
}

TEST(ImageCodecsTest, LoadsTheLibraryWithTheFirstImage) {
  EXPECT_THAT(MappedFiles(), Not(HasSubstr("libopencv_imgcodecs")));
  std::vector<unsigned char> png;
  ASSERT_TRUE(LoadedImencode(".png", Gradient(), png, {cv::IMWRITE_PNG_COMPRESSION, 3}));
  EXPECT_THAT(MappedFiles(), HasSubstr("libopencv_imgcodecs"));
}

TEST(ImageCodecsTest, DecodesWhatItEncodes) {
  std::vector<unsigned char> png;
  ASSERT_TRUE(LoadedImencode(".png", Gradient(), png, {}));
  EXPECT_EQ(std::string(png.begin() + 1, png.begin() + 4), "PNG");
  const cv::Mat decoded =
      LoadedImdecode(cv::Mat(1, static_cast<int>(png.size()), CV_8U, png.data()), cv::IMREAD_COLOR);
  ASSERT_EQ(decoded.size(), Gradient().size());
  EXPECT_EQ(cv::norm(decoded, Gradient(), cv::NORM_INF), 0);
}

TEST(ImageCodecsTest, GivesAnEmptyImageForOtherBytes) {
  unsigned char bytes[] = "not an image";
  EXPECT_TRUE(LoadedImdecode(cv::Mat(1, sizeof(bytes), CV_8U, bytes), cv::IMREAD_COLOR).empty());
}

TEST(ImageCodecsTest, ThrowsAsOpenCvDoes) {
  std::vector<unsigned char> bytes;
  EXPECT_THROW(LoadedImencode(".no_such_format", Gradient(), bytes, {}), cv::Exception);
}

}  // namespace
}  // namespace rcnn::data
