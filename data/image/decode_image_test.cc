#include "rcnn/data/image/decode_image.h"

#include <png.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/testing/peak_memory.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/data/image/encode_image.h"
#include "rcnn/data/image/orientation.h"
#include "rcnn/data/testing/exif_file.h"

namespace rcnn::data {
namespace {

using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

// 24 x 16 (width x height): red grows to the right, green downwards, blue is 40.
Image Ramp() {
  Image image(16, 24);
  for (int y = 0; y < 16; ++y) {
    for (int x = 0; x < 24; ++x) {
      uint8_t* pixel = image.row(y) + 3 * x;
      pixel[0] = static_cast<uint8_t>(x * 10);
      pixel[1] = static_cast<uint8_t>(y * 15);
      pixel[2] = 40;
    }
  }
  return image;
}

std::string Read(absl::string_view file) {
  return *ReadFile(absl::StrCat("data/image/testdata/", file));
}

// Ramp() as a file of the format, of the best quality.
std::string Encoded(absl::string_view extension) {
  if (extension == ".png") return *EncodePng(Ramp());
  if (extension == ".jpg") return *EncodeJpeg(Ramp(), 100);
  return Read(absl::StrCat("whole", extension));
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
  EXPECT_LE(LargestError(*DecodeImage(Encoded(".jpg"))), 12);
  for (const char* extension : {".png", ".bmp", ".webp"}) {
    EXPECT_EQ(LargestError(*DecodeImage(Encoded(extension))), 0) << extension;
  }
}

TEST(DecodeImage, RotatesEveryFormatByExif) {
  for (const char* extension : {".png", ".webp"}) {
    const std::string stored = Encoded(extension);
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
  const std::string jpeg = Encoded(".jpg");
  const Image original = *DecodeImage(jpeg);
  const Image view =
      *DecodeImage(WithExif(jpeg, OrientationTiff(8)), {.apply_exif_orientation = true});
  const Image expected = TurnImage(original.Clone(), Orientation::kQuarterTurnCounterclockwise);
  ASSERT_EQ(view.height(), 24);
  EXPECT_TRUE(std::equal(view.data(), view.data() + view.size_bytes(), expected.data()));
}

TEST(DecodeImage, DropsAlpha) {
  const Image opaque = *DecodeImage(Read("reference/rgb_8.png"));
  const Image image = *DecodeImage(Read("reference/rgba_8.png"));
  ASSERT_EQ(image.size_bytes(), opaque.size_bytes());
  EXPECT_TRUE(std::equal(image.data(), image.data() + image.size_bytes(), opaque.data()));
}

// The samples are 257 v + x, at most 65535, where the file of 8 bits has v.
TEST(DecodeImage, TakesTheUpperHalfOf16Bits) {
  const Image image = *DecodeImage(Read("reference/rgb_16.png"));
  const Image low = *DecodeImage(Read("reference/rgb_8.png"));
  ASSERT_EQ(image.size_bytes(), low.size_bytes());
  for (int64_t i = 0; i < image.size_bytes(); ++i) {
    const int64_t x = i / 3 % image.width();
    EXPECT_EQ(image.data()[i], std::min<int64_t>(257 * low.data()[i] + x, 65535) >> 8) << i;
  }
}

TEST(DecodeImage, GreyHasThreeEqualChannels) {
  for (const char* file : {"reference/grey_8.png", "reference/grey.jpg", "reference/grey_8.tif"}) {
    const Image image = *DecodeImage(Read(file));
    for (int64_t i = 0; i < image.size_bytes(); ++i) {
      ASSERT_EQ(image.data()[i], image.data()[i - i % 3]) << file;
    }
  }
}

// Ramp() as a JPEG with an EXIF rotation by 90 degrees.
std::string TurnedRamp() {
  const std::string jpeg = Encoded(".jpg");
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
  EXPECT_EQ(LargestError(*DecodeImage(Encoded(".png"), {.apply_exif_orientation = true})), 0);
}

TEST(DecodeImage, EveryCutOffImageIsAnError) {
  for (const char* extension : {".jpg", ".png", ".webp"}) {
    const std::string bytes = Encoded(extension);
    for (size_t length = 0; length + 13 < bytes.size(); length += 7) {
      EXPECT_THAT(StatusFromThrown(bytes.substr(0, length)),
                  StatusIs(absl::StatusCode::kInvalidArgument))
          << extension << " " << length << " of " << bytes.size();
    }
  }
}

// An image of 4 x 2 pixels, whose one tile has 16000 x 16000, and 8 bytes in the file. Versions of
// libtiff differ in what they refuse first.
TEST(DecodeImage, ATileMuchLargerThanItsImageIsRefused) {
  EXPECT_THAT(StatusFromThrown(Read("claims_256_megabyte_tile.tif")),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AnyOf(HasSubstr("byte limit"), HasSubstr("tile byte count"))));
}

// Ramp() as a PNG with as many texts of 7.9 MB, compressed to some 8 KB each.
std::string PngWithTexts(int texts) {
  std::string bytes;
  const Image image = Ramp();
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, nullptr, nullptr);
  png_infop info = png_create_info_struct(png);
  png_set_write_fn(
      png, &bytes,
      [](png_structp writer, png_bytep data, size_t count) {
        static_cast<std::string*>(png_get_io_ptr(writer))
            ->append(reinterpret_cast<char*>(data), count);
      },
      [](png_structp) {});
  png_set_IHDR(png, info, 24, 16, 8, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE,
               PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  std::string content(7'900'000, 't'), key = "Comment";
  png_text text = {};
  text.compression = PNG_TEXT_COMPRESSION_zTXt;
  text.key = key.data();
  text.text = content.data();
  text.text_length = content.size();
  png_set_text(png, info, &text, 1);
  png_write_info(png, info);
  for (int64_t y = 0; y < image.height(); ++y) png_write_row(png, image.row(y));
  png_write_end(png, nullptr);
  png_destroy_write_struct(&png, &info);
  const size_t begin = bytes.find("zTXt") - 4, end = bytes.find("IDAT") - 4;
  const std::string chunk = bytes.substr(begin, end - begin);
  for (int i = 1; i < texts; ++i) bytes.insert(begin, chunk);
  return bytes;
}

TEST(DecodeImage, CompressedTextsTakeNoMemory) {
  const std::string png = PngWithTexts(40);
  ASSERT_LT(png.size(), 1'000'000u);
  const int64_t before = PeakMegabytes();
  EXPECT_EQ(LargestError(*DecodeImage(png)), 0);
  EXPECT_LT(PeakMegabytes() - before, 100);
}

TEST(DecodeImage, CutOffBmpIsAnError) {
  const std::string bytes = Encoded(".bmp");
  EXPECT_THAT(StatusFromThrown(bytes.substr(0, bytes.size() / 2)),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(DecodeImage, DamagedBytesNeverCrash) {
  for (const char* extension : {".jpg", ".png", ".bmp", ".webp"}) {
    const std::string bytes = Encoded(extension);
    for (size_t i = 0; i < bytes.size(); i += 3) {
      std::string damaged = bytes;
      damaged[i] = static_cast<char>(damaged[i] ^ 0x5a);
      absl::StatusOr<Image> image = DecodeImage(damaged, {.max_pixels = 1'000'000});
      EXPECT_TRUE(!image.ok() || image->size_bytes() <= 3'000'000);
    }
  }
}

TEST(DecodeImage, RejectsMorePixelsThanTheLimit) {
  const std::string png = Encoded(".png");
  EXPECT_THAT(DecodeImage(png, {.max_pixels = 24 * 16}), IsOk());
  const absl::Status status = DecodeImage(png, {.max_pixels = 24 * 16 - 1}).status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("24 x 16")));
}

TEST(DecodeImage, RejectsAClaimOfGigabytes) {
  std::string png = Encoded(".png");
  png.replace(16, 8, std::string("\x00\x00\xf0\x00\x00\x00\xf0\x00", 8));  // 61440 x 61440
  EXPECT_THAT(StatusFromThrown(png), StatusIs(absl::StatusCode::kResourceExhausted));
}

TEST(DecodeImage, DecodersPrintNothing) {
  ::testing::internal::CaptureStderr();
  ::testing::internal::CaptureStdout();
  int damaged_files = 0;
  for (const char* file :
       {"whole.jpg", "progressive.jpg", "whole.png", "palette.png", "whole.webp", "whole.bmp",
        "reference/arithmetic.jpg", "reference/animation.gif", "reference/lzw.tif",
        "reference/bilevel_group4.tif", "reference/animation.webp"}) {
    const std::string whole = Read(file);
    for (size_t i = 0; i < whole.size(); i += 5) {
      std::string damaged = whole;
      damaged[i] = static_cast<char>(damaged[i] ^ 0xa5);
      damaged_files += DecodeImage(damaged, {.max_pixels = 1'000'000}).ok() ? 0 : 1;
    }
  }
  EXPECT_EQ(::testing::internal::GetCapturedStdout(), "");
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
  EXPECT_GT(damaged_files, 100);
}

TEST(ReadImage, ErrorsStartWithThePath) {
  const std::string path = testing::TempDir() + "/cut.jpg";
  const std::string jpeg = Encoded(".jpg");
  ASSERT_THAT(WriteFileAtomically(path, jpeg.substr(0, jpeg.size() - 20)), IsOk());
  const absl::Status status = ReadImage(path).status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument,
                               AllOf(StartsWith(path), HasSubstr("cut off"))));
  EXPECT_THAT(ReadImage(path + ".none"), StatusIs(absl::StatusCode::kNotFound));
}

}  // namespace
}  // namespace rcnn::data
