#include "rcnn/data/image/decode_image.h"

#include <algorithm>
#include <cstdlib>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "opencv2/core.hpp"
#include "opencv2/imgcodecs.hpp"
#include "rcnn/base/file_io.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/data/image/orientation.h"
#include "rcnn/data/testing/exif_file.h"

namespace rcnn::data {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

// 24 x 16 (width x height): red grows to the right, green downwards, blue is 40.
cv::Mat Ramp() {
  cv::Mat bgr(16, 24, CV_8UC3);
  for (int y = 0; y < bgr.rows; ++y) {
    for (int x = 0; x < bgr.cols; ++x) {
      bgr.at<cv::Vec3b>(y, x) =
          cv::Vec3b(40, static_cast<uint8_t>(y * 15), static_cast<uint8_t>(x * 10));
    }
  }
  return bgr;
}

std::string Encode(const cv::Mat& image, const std::string& extension,
                   const std::vector<int>& parameters = {}) {
  std::vector<uint8_t> bytes;
  EXPECT_TRUE(cv::imencode(extension, image, bytes, parameters));
  return std::string(bytes.begin(), bytes.end());
}

// The largest difference to Ramp() in RGB; 255 if the size differs.
int LargestError(const Image& image) {
  if (image.width() != 24 || image.height() != 16) return 255;
  int largest = 0;
  for (int y = 0; y < 16; ++y) {
    for (int x = 0; x < 24; ++x) {
      const uint8_t* pixel = image.row(y) + 3 * x;
      for (int error : {pixel[0] - x * 10, pixel[1] - y * 15, pixel[2] - 40}) {
        largest = std::max(largest, std::abs(error));
      }
    }
  }
  return largest;
}

absl::Status StatusFromThrown(absl::string_view bytes) { return DecodeImage(bytes).status(); }

TEST(DecodeImage, DecodesEveryFormatToRgb) {
  EXPECT_EQ(LargestError(*DecodeImage(Encode(Ramp(), ".png"))), 0);
  EXPECT_EQ(LargestError(*DecodeImage(Encode(Ramp(), ".bmp"))), 0);
  EXPECT_LE(LargestError(*DecodeImage(Encode(Ramp(), ".jpg", {cv::IMWRITE_JPEG_QUALITY, 100}))),
            12);
  EXPECT_LE(LargestError(*DecodeImage(Encode(Ramp(), ".webp", {cv::IMWRITE_WEBP_QUALITY, 101}))),
            0);
}

TEST(DecodeImage, RotatesEveryFormatByExif) {
  for (const char* extension : {".png", ".webp"}) {
    const std::string stored = Encode(Ramp(), extension, {cv::IMWRITE_WEBP_QUALITY, 101});
    const Image original = *DecodeImage(stored);
    for (int value = 1; value <= 8; ++value) {
      const auto orientation = static_cast<Orientation>(value);
      const std::string file = WithExif(stored, OrientationTiff(value));
      const Image view = *DecodeImage(file, {.apply_exif_orientation = true});
      const Image expected = TurnImage(original.Clone(), orientation);
      ASSERT_EQ(view.width(), expected.width()) << extension << value;
      EXPECT_TRUE(std::equal(view.data(), view.data() + view.size_bytes(), expected.data()));
      EXPECT_EQ(LargestError(*DecodeImage(file)), 0) << "as stored unless asked for";
    }
  }
  const std::string jpeg = Encode(Ramp(), ".jpg", {cv::IMWRITE_JPEG_QUALITY, 100});
  const Image original = *DecodeImage(jpeg);
  const Image view =
      *DecodeImage(WithExif(jpeg, OrientationTiff(8)), {.apply_exif_orientation = true});
  const Image expected = TurnImage(original.Clone(), Orientation::kQuarterTurnCounterclockwise);
  ASSERT_EQ(view.height(), 24);
  EXPECT_TRUE(std::equal(view.data(), view.data() + view.size_bytes(), expected.data()));
}

TEST(DecodeImage, DropsAlpha) {
  cv::Mat bgra(16, 24, CV_8UC4);
  const cv::Mat alpha(16, 24, CV_8UC1, cv::Scalar(3));
  const int from_to[] = {0, 0, 1, 1, 2, 2, 3, 3};
  cv::mixChannels(std::vector<cv::Mat>{Ramp(), alpha}, std::vector<cv::Mat>{bgra}, from_to, 4);
  EXPECT_EQ(LargestError(*DecodeImage(Encode(bgra, ".png"))), 0);
}

TEST(DecodeImage, TakesTheUpperHalfOf16Bits) {
  cv::Mat deep;
  Ramp().convertTo(deep, CV_16UC3, 256.0, 77.0);
  EXPECT_EQ(LargestError(*DecodeImage(Encode(deep, ".png"))), 0);
}

TEST(DecodeImage, GreyHasThreeEqualChannels) {
  const cv::Mat grey(5, 4, CV_8UC1, cv::Scalar(99));
  absl::StatusOr<Image> image = DecodeImage(Encode(grey, ".png"));
  ASSERT_THAT(image, IsOk());
  for (int64_t i = 0; i < image->size_bytes(); ++i) EXPECT_EQ(image->data()[i], 99);
}

// Ramp() as a JPEG with an EXIF rotation by 90 degrees.
std::string TurnedRamp() {
  const std::string jpeg = Encode(Ramp(), ".jpg", {cv::IMWRITE_JPEG_QUALITY, 100});
  // One tag, 0x0112 (orientation) = 6: rotate by 90 degrees.
  const char exif[] =
      "\xff\xe1\x00\x22"
      "Exif\0\0"
      "MM\0\x2a\0\0\0\x08"
      "\0\x01"
      "\x01\x12\0\x03\0\0\0\x01\0\x06\0\0"
      "\0\0\0\0";
  return jpeg.substr(0, 2) + std::string(exif, sizeof(exif) - 1) + jpeg.substr(2);
}

TEST(DecodeImage, DoesNotApplyTheOrientationOfExif) {
  const std::string turned = TurnedRamp();
  absl::StatusOr<Image> image = DecodeImage(turned);
  ASSERT_THAT(image, IsOk());
  EXPECT_LE(LargestError(*image), 12);
  // The tag is one that OpenCV would follow.
  const cv::Mat bytes(1, static_cast<int>(turned.size()), CV_8U, const_cast<char*>(turned.data()));
  EXPECT_EQ(cv::imdecode(bytes, cv::IMREAD_COLOR).cols, 16);
}

// Clockwise: the first row is the first column from below.
TEST(DecodeImage, AppliesExifOrientationIfRequested) {
  absl::StatusOr<Image> image = DecodeImage(TurnedRamp(), {.apply_exif_orientation = true});
  ASSERT_THAT(image, IsOk());
  ASSERT_EQ(image->width(), 16);
  ASSERT_EQ(image->height(), 24);
  for (int y = 0; y < 24; ++y) {
    for (int x = 0; x < 16; ++x) {
      const uint8_t* pixel = image->row(y) + 3 * x;
      EXPECT_NEAR(pixel[0], y * 10, 12);
      EXPECT_NEAR(pixel[1], (15 - x) * 15, 12);
    }
  }
  EXPECT_EQ(LargestError(*DecodeImage(Encode(Ramp(), ".png"), {.apply_exif_orientation = true})),
            0);
}

TEST(DecodeImage, EveryCutOffImageIsAnError) {
  for (const char* extension : {".jpg", ".png", ".webp"}) {
    const std::string bytes = Encode(Ramp(), extension);
    for (size_t length = 0; length + 13 < bytes.size(); length += 7) {
      EXPECT_EQ(StatusFromThrown(bytes.substr(0, length)).code(),
                absl::StatusCode::kInvalidArgument)
          << extension << " " << length << " of " << bytes.size();
    }
  }
}

TEST(DecodeImage, CutOffBmpIsAnError) {
  const std::string bytes = Encode(Ramp(), ".bmp");
  EXPECT_EQ(StatusFromThrown(bytes.substr(0, bytes.size() / 2)).code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(DecodeImage, DamagedBytesNeverCrash) {
  for (const char* extension : {".jpg", ".png", ".bmp", ".webp"}) {
    const std::string bytes = Encode(Ramp(), extension);
    for (size_t i = 0; i < bytes.size(); i += 3) {
      std::string damaged = bytes;
      damaged[i] = static_cast<char>(damaged[i] ^ 0x5a);
      absl::StatusOr<Image> image = DecodeImage(damaged, {.max_pixels = 1'000'000});
      EXPECT_TRUE(!image.ok() || image->size_bytes() <= 3'000'000);
    }
  }
}

TEST(DecodeImage, RejectsMorePixelsThanTheLimit) {
  const std::string png = Encode(Ramp(), ".png");
  EXPECT_THAT(DecodeImage(png, {.max_pixels = 24 * 16}), IsOk());
  const absl::Status status = DecodeImage(png, {.max_pixels = 24 * 16 - 1}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(status.message()), HasSubstr("24 x 16"));
}

TEST(DecodeImage, RejectsAClaimOfGigabytes) {
  std::string png = Encode(Ramp(), ".png");
  png.replace(16, 8, std::string("\x00\x00\xf0\x00\x00\x00\xf0\x00", 8));  // 61440 x 61440
  EXPECT_EQ(StatusFromThrown(png).code(), absl::StatusCode::kResourceExhausted);
}

TEST(ReadImage, ErrorsStartWithThePath) {
  const std::string path = testing::TempDir() + "/cut.jpg";
  const std::string jpeg = Encode(Ramp(), ".jpg");
  ASSERT_THAT(WriteFileAtomically(path, jpeg.substr(0, jpeg.size() - 20)), IsOk());
  const absl::Status status = ReadImage(path).status();
  EXPECT_THAT(std::string(status.message()), StartsWith(path));
  EXPECT_THAT(std::string(status.message()), HasSubstr("cut off"));
  EXPECT_EQ(ReadImage(path + ".none").status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace rcnn::data
