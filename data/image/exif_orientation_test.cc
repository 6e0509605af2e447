#include "rcnn/data/image/exif_orientation.h"

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/data/image/encode_image.h"
#include "rcnn/data/image/image.h"
#include "rcnn/data/testing/exif_file.h"

namespace rcnn::data {
namespace {

using ::testing::HasSubstr;

std::string Data(const std::string& name) {
  return ReadFile(absl::StrCat("data/image/testdata/", name)).value();
}

TEST(ExifOrientation, ReadsAllEightOfEveryFormat) {
  for (const char* name : {"whole.jpg", "whole.png", "whole.webp", "progressive.jpg"}) {
    const std::string file = Data(name);
    for (int value = 1; value <= 8; ++value) {
      for (const bool big_endian : {false, true}) {
        const std::string turned = WithExif(file, OrientationTiff(value, big_endian));
        EXPECT_EQ(ParseExifOrientation(turned), static_cast<Orientation>(value)) << name;
      }
    }
  }
}

// The entry of an IFD: tag, type SHORT, one value.
TEST(ExifOrientation, ReadsAllEightOfATiff) {
  std::string file = Data("reference/orientation_6.tif");
  const size_t entry = file.find(std::string("\x12\x01\x03\0\x01\0\0\0\x06\0", 10));
  ASSERT_NE(entry, std::string::npos);
  for (int value = 1; value <= 8; ++value) {
    file[entry + 8] = static_cast<char>(value);
    EXPECT_EQ(ParseExifOrientation(file), static_cast<Orientation>(value));
  }
  for (const char* name : {"reference/lzw.tif", "reference/big_endian.tif"}) {
    EXPECT_EQ(ParseExifOrientation(Data(name)), Orientation::kUpright) << name;
  }
  EXPECT_EQ(ParseExifOrientation(file.substr(0, 6)), Orientation::kUpright);
}

TEST(ExifOrientation, AFileWithoutExifIsUpright) {
  for (const char* name : {"whole.jpg", "whole.png", "whole.webp", "whole.bmp", "text.jpg",
                           "empty.jpg", "cut_off.png"}) {
    EXPECT_EQ(ParseExifOrientation(Data(name)), Orientation::kUpright) << name;
  }
}

TEST(ExifOrientation, AnUnknownValueIsUpright) {
  for (const int value : {0, 9, 60000}) {
    EXPECT_EQ(ParseExifOrientation(WithExif(Data("whole.jpg"), OrientationTiff(value))),
              Orientation::kUpright);
  }
}

TEST(ExifOrientation, FindsPngChunkAfterThePixels) {
  const std::string png = PngWithExifBehindPixels(Data("whole.png"), OrientationTiff(8));
  EXPECT_EQ(ParseExifOrientation(png), Orientation::kQuarterTurnCounterclockwise);
}

// A large image's pixels lie in many chunks, far more than the tail that is searched.
TEST(ExifOrientation, FindsPngChunkAfterMegabytesOfPixels) {
  Image noise(700, 700);
  uint32_t state = 1;
  for (int64_t i = 0; i < noise.size_bytes(); ++i) {
    state = state * 1664525 + 1013904223;
    noise.data()[i] = static_cast<uint8_t>(state >> 24);
  }
  const std::string png = EncodePng(noise).value();
  ASSERT_GT(png.size(), size_t{1} << 20);
  EXPECT_EQ(ParseExifOrientation(png), Orientation::kUpright);
  EXPECT_EQ(ParseExifOrientation(PngWithExifBehindPixels(png, OrientationTiff(3))),
            Orientation::kHalfTurn);
}

TEST(ExifOrientation, AcceptsJpegPrefixInWebp) {
  const std::string tiff = absl::StrCat(absl::string_view("Exif\0\0", 6), OrientationTiff(5));
  EXPECT_EQ(ParseExifOrientation(WithExif(Data("whole.webp"), tiff)), Orientation::kTransposed);
}

// XMP lies in an APP1 segment too.
TEST(ExifOrientation, SkipsOtherSegments) {
  std::string jpeg = WithExif(Data("whole.jpg"), OrientationTiff(7));
  jpeg.insert(2, absl::string_view("\xff\xe1\x00\x10http://ns.a/\0\xff", 18).data(), 18);
  EXPECT_EQ(ParseExifOrientation(jpeg), Orientation::kTransversed);
}

// The second directory describes the thumbnail.
TEST(ExifOrientation, IsThatOfTheImageAndNotTheThumbnail) {
  std::string tiff = OrientationTiff(1);
  const std::string of_thumbnail = OrientationTiff(6);
  tiff.replace(tiff.size() - 4, 4, std::string("\0\0\0\x1a", 4));
  ASSERT_EQ(tiff.size(), 0x1au);
  absl::StrAppend(&tiff, of_thumbnail.substr(8));
  EXPECT_EQ(ParseExifOrientation(WithExif(Data("whole.jpg"), tiff)), Orientation::kUpright);
}

TEST(ExifOrientation, DamagedDataNeverFails) {
  for (const char* name : {"whole.jpg", "whole.png", "whole.webp"}) {
    const std::string file = WithExif(Data(name), OrientationTiff(6));
    for (size_t size = 0; size < file.size(); ++size) {
      ParseExifOrientation(absl::string_view(file).substr(0, size));
      std::string changed = file;
      changed[size] = static_cast<char>(~changed[size]);
      ParseExifOrientation(changed);
    }
  }
}

TEST(ExifOrientation, ReadsAFile) {
  const std::string path = ::testing::TempDir() + "/turned.jpg";
  ASSERT_THAT(WriteFileAtomically(path, WithExif(Data("whole.jpg"), OrientationTiff(6))), IsOk());
  EXPECT_THAT(ReadExifOrientation(path), IsOkAndHolds(Orientation::kQuarterTurnClockwise));
  EXPECT_THAT(ReadExifOrientation("missing.jpg"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("missing.jpg")));
}

}  // namespace
}  // namespace rcnn::data
