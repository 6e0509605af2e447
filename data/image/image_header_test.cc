#include "rcnn/data/image/image_header.h"

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/testing/status_matchers.h"

namespace rcnn::data {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

// A string with NULs in it.
template <size_t N>
std::string Raw(const char (&text)[N]) {
  return std::string(text, N - 1);
}

// SOI, a comment, SOF0 of 640 x 480, three components.
std::string JpegHeader() {
  return Raw(
      "\xff\xd8\xff\xfe\x00\x05"
      "abc"
      "\xff\xc0\x00\x11\x08\x01\xe0\x02\x80\x03");
}

std::string PngHeader(absl::string_view size) {
  return Raw("\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR") + std::string(size);
}

void ExpectSize(const std::string& bytes, ImageFormat format, int64_t width, int64_t height) {
  absl::StatusOr<ImageHeader> header = ParseImageHeader(bytes);
  ASSERT_THAT(header, IsOk());
  EXPECT_EQ(header->format, format);
  EXPECT_EQ(header->width, width);
  EXPECT_EQ(header->height, height);
}

void ExpectError(const std::string& bytes, absl::string_view message) {
  absl::Status status = ParseImageHeader(bytes).status();
  EXPECT_THAT(status,
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(std::string(message))));
}

TEST(ParseImageHeader, ReadsJpegPastOtherSegments) {
  ExpectSize(JpegHeader(), ImageFormat::kJpeg, 640, 480);
}

TEST(ParseImageHeader, ReadsPng) {
  ExpectSize(PngHeader(Raw("\x00\x00\x01\x02\x00\x00\x00\x03")), ImageFormat::kPng, 258, 3);
}

TEST(ParseImageHeader, ReadsBmpOfBothHeaderSizesAndTopDown) {
  const std::string start = "BM" + std::string(12, '\0');
  ExpectSize(start + Raw("\x0c\x00\x00\x00\x07\x00\x05\x00\x01\x00\x18\x00"), ImageFormat::kBmp, 7,
             5);
  ExpectSize(start + Raw("\x28\x00\x00\x00\x07\x00\x00\x00\xfb\xff\xff\xff"), ImageFormat::kBmp, 7,
             5);
}

TEST(ParseImageHeader, ReadsTheThreeFormsOfWebp) {
  const std::string riff = Raw("RIFF\x20\x00\x00\x00WEBP");
  ExpectSize(riff + Raw("VP8 \x10\x00\x00\x00\x00\x00\x00\x9d\x01\x2a\x40\x00\x20\x00"),
             ImageFormat::kWebp, 64, 32);
  // 14 bits of width - 1, 14 bits of height - 1: 5 - 1 = 4, 3 - 1 = 2.
  ExpectSize(riff + Raw("VP8L\x10\x00\x00\x00\x2f\x04\x80\x00\x00\x00\x00\x00\x00\x00"),
             ImageFormat::kWebp, 5, 3);
  ExpectSize(riff + Raw("VP8X\x0a\x00\x00\x00\x00\x00\x00\x00\x3f\x00\x00\x1f\x00\x00"),
             ImageFormat::kWebp, 64, 32);
}

TEST(ParseImageHeader, EveryPrefixOfAHeaderIsAnError) {
  const std::string png = PngHeader(Raw("\x00\x00\x00\x02\x00\x00\x00\x03"));
  for (const std::string& bytes : {JpegHeader(), png}) {
    for (size_t length = 0; length + 1 < bytes.size(); ++length) {
      EXPECT_THAT(ParseImageHeader(bytes.substr(0, length)), ::testing::Not(IsOk())) << length;
    }
  }
}

TEST(ParseImageHeader, ErrorsDescribeTheProblem) {
  ExpectError("", "empty file");
  ExpectError("<annotation/>", "not a JPEG, PNG, BMP, WebP, GIF or TIFF image");
  ExpectError("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "git lfs pull");
  ExpectError("GIF89a", "a damaged GIF");
  ExpectError(PngHeader(Raw("\x00\x00\x00\x00\x00\x00\x00\x03")), "size of 0 x 3");
  ExpectError(Raw("\xff\xd8\xff\xda\x00\x00"), "without a frame header");
  ExpectError(Raw("\xff\xd8\xff\xfe\x00\x01\xff\xff"), "negative length");
}

TEST(ParseImageHeader, ReportsHugeSizes) {
  ExpectSize(PngHeader(Raw("\x7f\xff\xff\xff\x7f\xff\xff\xff")), ImageFormat::kPng, 2147483647,
             2147483647);
}

TEST(ReadImageHeader, ErrorsStartWithThePath) {
  const std::string path = testing::TempDir() + "/note.jpg";
  ASSERT_THAT(WriteFileAtomically(path, "hello"), IsOk());
  EXPECT_THAT(ReadImageHeader(path),
              StatusIs(absl::StatusCode::kInvalidArgument, StartsWith(path)));
  EXPECT_THAT(ReadImageHeader(path + ".none"), StatusIs(absl::StatusCode::kNotFound));
}

TEST(JpegIsComplete, FindsTheEndMarkerAfterStuffingAndRestarts) {
  const std::string scan = Raw("\xff\xda\x00\x02\x12\xff\x00\x34\xff\xd0\x56");
  EXPECT_TRUE(JpegIsComplete(JpegHeader() + std::string(7, '\0') + scan + "\xff\xd9"));
  EXPECT_FALSE(JpegIsComplete(JpegHeader() + std::string(7, '\0') + scan));
  EXPECT_FALSE(JpegIsComplete(JpegHeader() + std::string(7, '\0') + scan + "\xff"));
}

TEST(JpegIsComplete, AnEndMarkerInsideASegmentDoesNotCount) {
  // A thumbnail's end within an application segment.
  EXPECT_FALSE(JpegIsComplete(Raw("\xff\xd8\xff\xe1\x00\x06\xff\xd9\xff\xd9")));
}

}  // namespace
}  // namespace rcnn::data
