#include "rcnn/data/image/jpeg_decoder.h"

#include <algorithm>
#include <cstdint>
#include <random>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/data/image/jpeg_encoder.h"

namespace rcnn::data {
namespace {

using ::testing::HasSubstr;

constexpr char kEnd[] = "\xff\xd9";

// Smooth in part, noisy in part.
Image Texture(int64_t height, int64_t width) {
  Image image(height, width);
  std::mt19937 random(7);
  for (int64_t y = 0; y < height; ++y) {
    for (int64_t i = 0; i < 3 * width; ++i) {
      const int64_t noise = y / 16 % 2 == 0 ? 0 : static_cast<int64_t>(random() % 64);
      image.row(y)[i] = static_cast<uint8_t>((2 * y + i / 3) % 190 + noise);
    }
  }
  return image;
}

struct File {
  std::string bytes;
  int64_t height = 0;
  int64_t width = 0;

  absl::Status Decode(absl::string_view changed) const {
    Image image(height, width);
    return DecodeJpeg(changed, image);
  }
  // The first byte of the first scan's data.
  size_t ScanBegin() const {
    const size_t marker = bytes.find("\xff\xda");
    return marker + 2 + static_cast<uint8_t>(bytes[marker + 3]);
  }
  size_t ScanEnd() const { return bytes.rfind(kEnd); }
};

File Baseline() { return {*EncodeAsJpeg(Texture(120, 160), 90), 120, 160}; }

// 37 x 29, of testdata/reference.
File Reference(absl::string_view name) {
  return {*ReadFile(absl::StrCat("data/image/testdata/reference/", name)), 29, 37};
}

// The share of single damages of `length` random bytes, at places all over the scan,
// that are found.
double ShareFound(const File& file, size_t length) {
  std::mt19937 random(11);
  int found = 0, tried = 0;
  const size_t step = 1 + file.bytes.size() / 397;
  for (size_t at = file.ScanBegin(); at + length < file.ScanEnd(); at += step) {
    std::string damaged = file.bytes;
    for (size_t i = at; i < at + length; ++i) damaged[i] = static_cast<char>(random() % 255);
    ++tried;
    if (!file.Decode(damaged).ok()) ++found;
  }
  return static_cast<double>(found) / tried;
}

// Not all, because the codes may resynchronise at the right block.
TEST(DecodeJpeg, FindsDamageInTheMiddle) {
  EXPECT_GT(ShareFound(Baseline(), 512), 0.95);
  EXPECT_GT(ShareFound(Baseline(), 64), 0.85);
  EXPECT_GT(ShareFound(Baseline(), 16), 0.65);
  EXPECT_GT(ShareFound(Reference("restarts.jpg"), 64), 0.95);
  EXPECT_GT(ShareFound(Reference("progressive.jpg"), 64), 0.85);
}

TEST(DecodeJpeg, AFileThatIsCutAndClosedIsDamaged) {
  for (const File& file : {Baseline(), Reference("progressive.jpg"), Reference("420.jpg"),
                           Reference("restarts.jpg"), Reference("grey.jpg")}) {
    const size_t begin = file.ScanBegin(), end = file.ScanEnd();
    for (size_t length = begin; length + 8 < end; length += 1 + (end - begin) / 200) {
      const std::string cut = absl::StrCat(file.bytes.substr(0, length), kEnd);
      EXPECT_THAT(file.Decode(cut),
                  StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("a damaged JPEG: ")))
          << length << " of " << end;
    }
  }
}

TEST(DecodeJpeg, DataBehindTheLastBlockAreDamageUnlessTheyArePadding) {
  const File file = Baseline();
  const std::string before = file.bytes.substr(0, file.ScanEnd());
  EXPECT_THAT(file.Decode(before + std::string("\0\0\0", 3) + kEnd), IsOk());
  EXPECT_THAT(file.Decode(before + std::string(12, '\0') + kEnd),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("extraneous")));
  EXPECT_THAT(file.Decode(before + "more than libjpeg fetches ahead" + kEnd),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("extraneous")));
}

TEST(DecodeJpeg, WhatConcernsNoPixelsIsNotDamage) {
  const File file = Baseline();
  // Bytes between two segments, before the first scan.
  const size_t table = file.bytes.find("\xff\xdb");
  EXPECT_THAT(file.Decode(file.bytes.substr(0, table) + "junk" + file.bytes.substr(table)), IsOk());
  EXPECT_THAT(file.Decode(file.bytes + "behind the end"), IsOk());
}

TEST(DecodeJpeg, ManyScansAreRefused) {
  const File file = Reference("progressive.jpg");
  // Of the first scan, the commonest bits of all blocks, which may be sent again.
  const size_t begin = file.bytes.find("\xff\xda"), end = file.bytes.find("\xff\xc4", begin);
  std::string many = file.bytes.substr(0, end);
  for (int i = 0; i < 600; ++i) many += file.bytes.substr(begin, end - begin);
  EXPECT_THAT(file.Decode(many + kEnd),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("more than 500 scans")));
}

TEST(DecodeJpeg, AnotherSizeThanTheHeadersIsAnError) {
  Image image(120, 161);
  EXPECT_THAT(DecodeJpeg(Baseline().bytes, image), StatusIs(absl::StatusCode::kInvalidArgument));
}

}  // namespace
}  // namespace rcnn::data
