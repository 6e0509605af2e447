#include "rcnn/data/split/image_hash.h"

#include <cstdint>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/data/image/encode_image.h"
#include "rcnn/data/image/image.h"

namespace rcnn::data {
namespace {

using ::testing::HasSubstr;

// Grey between random points of a grid, of any size, so that it can be drawn at several.
Image Draw(int seed, int64_t width, int64_t height, int bright = 0) {
  constexpr int kColumns = 12, kRows = 9;
  std::mt19937 draw(static_cast<uint32_t>(seed));
  double grid[kRows + 1][kColumns + 1];
  for (auto& row : grid) {
    for (double& value : row) value = 20 + static_cast<double>(draw() % 200);
  }
  Image image(height, width);
  for (int64_t y = 0; y < height; ++y) {
    for (int64_t x = 0; x < width; ++x) {
      const double u = (static_cast<double>(x) + 0.5) / static_cast<double>(width) * kColumns;
      const double v = (static_cast<double>(y) + 0.5) / static_cast<double>(height) * kRows;
      const int column = static_cast<int>(u), row = static_cast<int>(v);
      const double right = u - column, down = v - row;
      const double value =
          (1 - down) * ((1 - right) * grid[row][column] + right * grid[row][column + 1]) +
          down * ((1 - right) * grid[row + 1][column] + right * grid[row + 1][column + 1]) + bright;
      for (int c = 0; c < 3; ++c) {
        image.data()[3 * (y * width + x) + c] = static_cast<uint8_t>(value);
      }
    }
  }
  return image;
}

ImageHash WriteAndHash(const std::string& name, const absl::StatusOr<std::string>& bytes) {
  EXPECT_THAT(bytes, IsOk());
  const std::string path = testing::TempDir() + "/" + name;
  EXPECT_THAT(WriteFileAtomically(path, *bytes), IsOk());
  const auto hash = ReadImageHash(path);
  EXPECT_THAT(hash, IsOk());
  return hash.ok() ? *hash : ImageHash();
}

TEST(ReadImageHash, CopiesAreEqualInBoth) {
  const auto bytes = EncodePng(Draw(1, 200, 150));
  EXPECT_EQ(WriteAndHash("a.png", bytes), WriteAndHash("b.png", bytes));
}

TEST(ReadImageHash, AnImageSavedAgainLooksTheSame) {
  for (int seed = 0; seed < 10; ++seed) {
    const ImageHash png = WriteAndHash("a.png", EncodePng(Draw(seed, 400, 300)));
    const ImageHash jpeg = WriteAndHash("a.jpg", EncodeJpeg(Draw(seed, 400, 300), 80));
    const ImageHash bright = WriteAndHash("b.png", EncodePng(Draw(seed, 400, 300, 15)));
    const ImageHash small = WriteAndHash("c.png", EncodePng(Draw(seed, 200, 150)));
    EXPECT_NE(png.content, jpeg.content);
    EXPECT_LE(LookDistance(png, jpeg), kSameLook) << seed;
    EXPECT_LE(LookDistance(png, bright), kSameLook) << seed;
    EXPECT_LE(LookDistance(png, small), kSameLook) << seed;
  }
}

TEST(ReadImageHash, OtherImagesLookOther) {
  for (int a = 0; a < 6; ++a) {
    for (int b = 0; b < a; ++b) {
      EXPECT_GT(LookDistance(WriteAndHash("a.png", EncodePng(Draw(a, 200, 150))),
                             WriteAndHash("b.png", EncodePng(Draw(b, 200, 150)))),
                2 * kSameLook)
          << a << " " << b;
    }
  }
}

TEST(ReadImageHash, TakesImagesOfAnySize) {
  for (const auto& [width, height] : {std::pair(1, 1), std::pair(3, 500), std::pair(40, 20)}) {
    WriteAndHash("a.png", EncodePng(Draw(1, width, height)));
    WriteAndHash("a.jpg", EncodeJpeg(Draw(1, width, height), 90));
  }
}

TEST(ReadImageHash, ErrorsNameTheFile) {
  const std::string path = testing::TempDir() + "/bad.jpg";
  ASSERT_THAT(WriteFileAtomically(path, "\xff\xd8\xff nothing"), IsOk());
  EXPECT_THAT(ReadImageHash(path), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(path)));
  EXPECT_THAT(ReadImageHash("nowhere.jpg"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("nowhere.jpg")));
}

TEST(HashLook, ABitIsARightNeighbourThatIsBrighter) {
  std::vector<uint8_t> pixels;
  for (int y = 0; y < 16; ++y) {
    for (int x = 0; x < 17; ++x) pixels.push_back(static_cast<uint8_t>(y == 0 ? 10 * x : 100 - x));
  }
  const auto look = HashLook(pixels.data(), 17, 16, 17, 16);
  EXPECT_EQ(look[0], 0xffffu);
  EXPECT_EQ(look[1] | look[2] | look[3], 0u);
}

}  // namespace
}  // namespace rcnn::data
