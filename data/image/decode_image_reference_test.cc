// testdata/reference holds small files of every kind, and digests of what OpenCV 4.6
// decodes them to (make_reference_set.py): results of training must not depend on the
// decoder.

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/crc32c.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/data/image/decode_image.h"
#include "rcnn/data/image/encode_image.h"
#include "rcnn/data/image/image.h"

namespace rcnn::data {
namespace {

constexpr char kFolder[] = "data/image/testdata/reference/";

std::string Read(absl::string_view name) { return *ReadFile(absl::StrCat(kFolder, name)); }

// name -> "width height crc32c", or "refused".
std::map<std::string, std::string> ReadDigests(absl::string_view file = "digests.txt") {
  std::map<std::string, std::string> digests;
  const std::string text = Read(file);
  for (absl::string_view line : absl::StrSplit(text, '\n', absl::SkipEmpty())) {
    digests.insert(absl::StrSplit(line, absl::MaxSplits(' ', 1)));
  }
  return digests;
}

std::string Digest(const Image& image) {
  const absl::string_view bytes(reinterpret_cast<const char*>(image.data()), image.size_bytes());
  return absl::StrFormat("%d %d %08x", image.width(), image.height(), Crc32c(bytes));
}

// Files that OpenCV rejects and that decode like another file of the set.
const std::map<std::string, std::string>& ReadLike() {
  static const auto& like = *new std::map<std::string, std::string>{
      {"fields_565_v4.bmp", "fields_565.bmp"},
      {"rle_4_delta.bmp", "rle_8_delta.bmp"},
      {"rle_4_ends_early.bmp", "rle_8_ends_early.bmp"},
      {"rle_4_no_line_ends.bmp", "rle_4.bmp"},
  };
  return like;
}

TEST(DecodeImageReference, GivesTheBytesThatOpenCvGives) {
  const std::map<std::string, std::string> digests = ReadDigests();
  ASSERT_EQ(digests.size(), 188u);
  for (const auto& [name, digest] : digests) {
    if (digest == "refused") continue;
    const absl::StatusOr<Image> image = DecodeImage(Read(name));
    ASSERT_THAT(image, IsOk()) << name;
    EXPECT_EQ(Digest(*image), digest) << name;
  }
}

TEST(DecodeImageReference, WhatOpenCvRefusesIsAnErrorOrReadAsItIsMeant) {
  const std::map<std::string, std::string> digests = ReadDigests();
  for (const auto& [name, digest] : digests) {
    if (digest != "refused") continue;
    const absl::StatusOr<Image> image = DecodeImage(Read(name));
    const auto like = ReadLike().find(name);
    if (like == ReadLike().end()) {
      EXPECT_THAT(image, StatusIs(absl::StatusCode::kInvalidArgument, ::testing::HasSubstr("BMP")))
          << name;
      continue;
    }
    ASSERT_THAT(image, IsOk()) << name;
    EXPECT_EQ(Digest(*image), digests.at(like->second)) << name;
  }
}

TEST(DecodeImageReference, GivesTheFirstImageOfGifTiffAndAnimations) {
  const std::map<std::string, std::string> digests = ReadDigests("first_images.txt");
  ASSERT_GT(digests.size(), 20u);
  for (const auto& [name, digest] : digests) {
    const absl::StatusOr<Image> image = DecodeImage(Read(name));
    ASSERT_THAT(image, IsOk()) << name;
    EXPECT_EQ(Digest(*image), digest) << name;
  }
}

// `pixels` of make_reference_set.py.
Image Pixels(int64_t height, int64_t width) {
  Image image(height, width);
  for (int64_t y = 0; y < height; ++y) {
    for (int64_t x = 0; x < width; ++x) {
      for (int64_t c = 0; c < 3; ++c) {
        image.row(y)[3 * x + c] = static_cast<uint8_t>(
            x * (7 + 4 * c) + y * (3 + 5 * c) + x * y * (c + 1) / 9 + 60 * ((x / 5 + y / 4) % 2));
      }
    }
  }
  return image;
}

// Checks that the digests belong to these files.
TEST(DecodeImageReference, LosslessFilesHoldTheFormulasPixels) {
  const std::string expected = Digest(Pixels(29, 37));
  for (const char* name : {"filters.png", "lossless_37x29.webp", "rgb_8.tif", "animation.webp"}) {
    EXPECT_EQ(Digest(*DecodeImage(Read(name))), expected) << name;
  }
}

TEST(EncodeImageReference, WritesTheBytesThatOpenCvWrites) {
  const std::string lines = Read("encoded.txt");
  for (const auto& [width, height] : {std::pair(1, 1), std::pair(37, 29), std::pair(48, 64)}) {
    const Image image = Pixels(height, width);
    const std::vector<std::pair<std::string, absl::StatusOr<std::string>>> files = {
        {"png", EncodePng(image)},
        {"jpeg 92", EncodeJpeg(image)},
        {"jpeg 0", EncodeJpeg(image, 0)},
        {"jpeg 100", EncodeJpeg(image, 100)}};
    for (const auto& [name, bytes] : files) {
      ASSERT_THAT(bytes, IsOk());
      EXPECT_THAT(lines,
                  ::testing::HasSubstr(absl::StrFormat("%d %d %s %d %08x\n", width, height, name,
                                                       bytes->size(), Crc32c(*bytes))));
    }
  }
}

}  // namespace
}  // namespace rcnn::data
