#include "rcnn/data/split/jpeg_thumbnail.h"

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/testing/status_matchers.h"

namespace rcnn::data {
namespace {

constexpr int64_t kMaxPixels = 1'000'000;

// Each scan takes the time of an image, and a small file may have thousands.
TEST(DecodeJpegThumbnail, ManyScansAreRefused) {
  const auto bytes = ReadFile("data/image/testdata/progressive.jpg");
  ASSERT_THAT(bytes, IsOk());
  EXPECT_THAT(DecodeJpegThumbnail(*bytes, kMaxPixels), IsOk());
  // Of the first scan, the commonest bits of all blocks, which may be sent again.
  const size_t begin = bytes->find("\xff\xda"), end = bytes->find("\xff\xc4", begin);
  const std::string scan = bytes->substr(begin, end - begin);
  std::string many = bytes->substr(0, begin);
  for (int i = 0; i < 600; ++i) many += scan;
  EXPECT_THAT(DecodeJpegThumbnail(absl::StrCat(many, bytes->substr(begin)), kMaxPixels),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

}  // namespace
}  // namespace rcnn::data
