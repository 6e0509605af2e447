#include "rcnn/eval/run_length_mask.h"

#include <random>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/base/testing/test_seed.h"

namespace rcnn::eval {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Column by column.
using Pixels = std::vector<bool>;

std::vector<uint32_t> ToRuns(const Pixels& pixels) {
  std::vector<uint32_t> runs = {0};
  for (size_t i = 0; i < pixels.size(); ++i) {
    if (pixels[i] != (runs.size() % 2 == 0)) runs.push_back(0);
    ++runs.back();
  }
  return runs;
}

Pixels ToPixels(const Mask& mask) {
  Pixels pixels;
  for (size_t i = 0; i < mask.runs.size(); ++i) {
    pixels.insert(pixels.end(), mask.runs[i], i % 2 == 1);
  }
  return pixels;
}

// "..#\n.##\n", row by row.
std::string Draw(const Mask& mask) {
  const Pixels pixels = ToPixels(mask);
  std::string text;
  for (int64_t y = 0; y < mask.height; ++y) {
    for (int64_t x = 0; x < mask.width; ++x) text += pixels[x * mask.height + y] ? '#' : '.';
    text += '\n';
  }
  return text;
}

TEST(MaskIouTest, EqualsCountingPixels) {
  std::mt19937_64 random(TestSeed());
  for (int repeat = 0; repeat < 300; ++repeat) {
    SCOPED_TRACE(repeat);
    const int64_t height = 1 + static_cast<int64_t>(random() % 12);
    const int64_t width = 1 + static_cast<int64_t>(random() % 12);
    std::vector<Pixels> pixels(2, Pixels(height * width));
    MaskSet masks;
    for (Pixels& one : pixels) {
      const uint64_t rarity = 1 + random() % 6;
      for (size_t i = 0; i < one.size(); ++i) one[i] = random() % rarity == 0;
      ASSERT_THAT(masks.AddRuns(ToRuns(one), height, width), IsOk());
    }
    int64_t areas[2] = {0, 0};
    int64_t both = 0;
    for (size_t i = 0; i < pixels[0].size(); ++i) {
      areas[0] += pixels[0][i];
      areas[1] += pixels[1][i];
      both += pixels[0][i] && pixels[1][i];
    }
    EXPECT_EQ(masks[0].Area(), areas[0]);
    EXPECT_EQ(IntersectionArea(masks[0], masks[1]), both);
    EXPECT_EQ(MaskIou(masks[0], masks[1], false),
              both == 0
                  ? 0.0
                  : static_cast<double>(both) / static_cast<double>(areas[0] + areas[1] - both));
    EXPECT_EQ(MaskIou(masks[0], masks[1], true),
              both == 0 ? 0.0 : static_cast<double>(both) / static_cast<double>(areas[0]));
  }
}

TEST(MaskSetTest, UnpacksWhatPycocotoolsPacks) {
  MaskSet masks;
  // pycocotools.mask.encode of a 9 x 10 mask with ones at rows 2 to 6, columns 3 to 7.
  ASSERT_THAT(masks.AddPacked("m0540000000`0", 9, 10), IsOk());
  EXPECT_THAT(masks[0].runs, ElementsAre(29, 5, 4, 5, 4, 5, 4, 5, 4, 5, 20));
  EXPECT_EQ(masks[0].Area(), 25);
}

TEST(MaskSetTest, FillsAPolygon) {
  MaskSet masks;
  ASSERT_THAT(masks.AddPolygons({{1, 1, 4, 1, 4, 3, 1, 3}}, 4, 6), IsOk());
  EXPECT_EQ(Draw(masks[0]),
            "......\n"
            ".###..\n"
            ".###..\n"
            "......\n");
}

TEST(MaskSetTest, UnitesPolygonsAndCutsThemAtTheImage) {
  MaskSet masks;
  ASSERT_THAT(masks.AddPolygons({{-5, -5, 2, -5, 2, 2, -5, 2}, {1, 1, 9, 1, 9, 9, 1, 9}}, 3, 4),
              IsOk());
  EXPECT_EQ(Draw(masks[0]),
            "##..\n"
            "####\n"
            ".###\n");
}

TEST(MaskSetTest, KeepsMasksApart) {
  MaskSet first;
  ASSERT_THAT(first.AddRuns({1, 2, 1}, 2, 2), IsOk());
  MaskSet second;
  ASSERT_THAT(second.AddRuns({6}, 2, 3), IsOk());
  first.Append(second);
  EXPECT_EQ(first.size(), 2);
  EXPECT_THAT(first[0].runs, ElementsAre(1, 2, 1));
  EXPECT_THAT(first[1].runs, ElementsAre(6));
  EXPECT_EQ(first[1].width, 3);
  first.Clear();
  EXPECT_EQ(first.size(), 0);
}

// As of a small piece of a large file that has most of its runs.
TEST(MaskSetTest, ReservesNoMoreThanThereMayBe) {
  MaskSet part;
  ASSERT_THAT(part.AddRuns({1, 2, 1}, 2, 2), IsOk());
  MaskSet all;
  all.ReserveLike(part, 1e18);
  all.Append(part);
  EXPECT_THAT(all[0].runs, ElementsAre(1, 2, 1));
}

TEST(MaskSetTest, RefusesWhatIsNotAMask) {
  MaskSet masks;
  using absl::StatusCode;
  EXPECT_THAT(masks.AddRuns({1, 2}, 2, 2), StatusIs(StatusCode::kInvalidArgument,
                                                    HasSubstr("have 3 pixels, its size is 2 x 2")));
  EXPECT_THAT(masks.AddRuns({0}, -1, 2), StatusIs(StatusCode::kInvalidArgument, HasSubstr("-1")));
  EXPECT_THAT(masks.AddRuns({0}, 100000, 100000), StatusIs(StatusCode::kInvalidArgument));
  EXPECT_THAT(masks.AddPacked("m", 9, 10),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr("end inside a number")));
  EXPECT_THAT(masks.AddPacked("m0 5", 9, 10),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr("damaged at character 2")));
  EXPECT_THAT(masks.AddPacked("ooooooooo0", 9, 10), StatusIs(StatusCode::kInvalidArgument));
  EXPECT_THAT(masks.AddPacked("N", 9, 10), StatusIs(StatusCode::kInvalidArgument, HasSubstr("-")));
  EXPECT_THAT(masks.AddPolygons({}, 9, 10), StatusIs(StatusCode::kInvalidArgument));
  EXPECT_THAT(masks.AddPolygons({{1, 2, 3, 4}}, 9, 10),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr("a polygon of 4 numbers")));
  // Each of its numbers would take a megabyte.
  std::vector<double> zigzag;
  for (int i = 0; i < 1000; ++i) zigzag.insert(zigzag.end(), {i % 2 == 0 ? 0.0 : 1e6, i * 0.5});
  EXPECT_THAT(masks.AddPolygons({zigzag}, 1000, 1000000),
              StatusIs(StatusCode::kInvalidArgument,
                       HasSubstr("the outline of a polygon of 2000 numbers is 1000000000 pixels")));
  EXPECT_THAT(masks.AddPolygons({{1, 2, 3, 4, 1e300, 5}}, 9, 10),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr("coordinate 1e+300")));
  EXPECT_EQ(masks.size(), 0);
}

}  // namespace
}  // namespace rcnn::eval
