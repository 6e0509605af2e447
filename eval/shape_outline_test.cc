#include "rcnn/eval/shape_outline.h"

#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>
#include <random>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/status_matchers.h"

namespace rcnn::eval {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;

// Rows of '#' and '.'.
MaskSet MaskFromRows(const std::vector<std::string>& rows) {
  const auto height = static_cast<int64_t>(rows.size());
  const auto width = static_cast<int64_t>(rows[0].size());
  std::vector<uint32_t> runs = {0};
  bool ones = false;
  for (int64_t x = 0; x < width; ++x) {
    for (int64_t y = 0; y < height; ++y) {
      if ((rows[y][x] == '#') != ones) {
        ones = !ones;
        runs.push_back(0);
      }
      ++runs.back();
    }
  }
  MaskSet masks;
  EXPECT_THAT(masks.AddRuns(runs, height, width), IsOk());
  return masks;
}

// Filled by the even-odd rule.
std::vector<std::string> Fill(const ShapeOutline& outline, int height, int width) {
  std::vector<std::vector<cv::Point>> rings;
  for (const auto& ring : outline.rings) {
    rings.emplace_back();
    for (const auto& [x, y] : ring) {
      rings.back().emplace_back(static_cast<int>(x), static_cast<int>(y));
    }
  }
  cv::Mat filled = cv::Mat::zeros(height, width, CV_8UC1);
  cv::drawContours(filled, rings, -1, cv::Scalar(1), cv::FILLED);
  std::vector<std::string> rows;
  for (int y = 0; y < height; ++y) {
    rows.emplace_back();
    for (int x = 0; x < width; ++x) rows.back() += filled.at<uint8_t>(y, x) != 0 ? '#' : '.';
  }
  return rows;
}

TEST(OutlineMaskTest, GoesAlongTheOutermostPixels) {
  const MaskSet masks = MaskFromRows({"......", ".####.", ".####.", ".####.", "......"});
  const ShapeOutline outline = OutlineMask(masks[0]);
  ASSERT_THAT(outline.rings, SizeIs(1));
  EXPECT_THAT(outline.rings[0], ::testing::UnorderedElementsAre(Pair(1.5, 1.5), Pair(4.5, 1.5),
                                                                Pair(4.5, 3.5), Pair(1.5, 3.5)));
}

TEST(OutlineMaskTest, HasARingForEachPartAndHole) {
  const std::vector<std::string> rows = {"#######...##", "#.....#...##", "#.....#.....",
                                         "#.....#....#", "#######....#"};
  const ShapeOutline outline = OutlineMask(MaskFromRows(rows)[0]);
  EXPECT_THAT(outline.rings, SizeIs(4));
}

TEST(OutlineMaskTest, FilledIsTheMaskAgain) {
  std::mt19937 random(5);
  for (int round = 0; round < 50; ++round) {
    // Blobs without holes: columns of one run each that touch their neighbours.
    std::vector<std::string> rows(12, std::string(16, '.'));
    int low = 4;
    int high = 8;
    for (int x = 2; x < 14; ++x) {
      low = std::max(0, low + static_cast<int>(random() % 3) - 1);
      high = std::min(11, std::max(low + 2, high + static_cast<int>(random() % 3) - 1));
      low = std::min(low, high - 2);
      for (int y = low; y <= high; ++y) rows[y][x] = '#';
    }
    const ShapeOutline outline = OutlineMask(MaskFromRows(rows)[0]);
    EXPECT_EQ(Fill(outline, 12, 16), rows) << "round " << round;
  }
}

TEST(OutlineMaskTest, AMaskWithoutPixelsHasNoOutline) {
  EXPECT_TRUE(OutlineMask(MaskFromRows({"...", "..."})[0]).empty());
}

TEST(OutlineMaskTest, ABoxInsteadOfGigabytesOfPixels) {
  MaskSet masks;
  ASSERT_THAT(masks.AddRuns({0, 3000000000u}, 50000, 60000), IsOk());
  const ShapeOutline outline = OutlineMask(masks[0]);
  ASSERT_THAT(outline.rings, SizeIs(1));
  EXPECT_THAT(outline.rings[0],
              ElementsAre(Pair(0, 0), Pair(60000, 0), Pair(60000, 50000), Pair(0, 50000)));
}

std::vector<double> People(double visibility) {
  std::vector<double> numbers;
  for (int k = 0; k < 17; ++k) numbers.insert(numbers.end(), {k * 10.0, k * 5.0, visibility});
  return numbers;
}

TEST(OutlineKeypointsTest, JoinsTheLimbsOfPeople) {
  const ShapeOutline outline = OutlineKeypoints(People(2), /*annotation=*/true);
  EXPECT_THAT(outline.points, SizeIs(17));
  EXPECT_THAT(outline.lines, SizeIs(19));
  EXPECT_THAT(outline.lines[0], ElementsAre(Pair(150, 75), Pair(130, 65)));
}

TEST(OutlineKeypointsTest, LeavesOutWhatIsNotLabelled) {
  std::vector<double> numbers = People(2);
  numbers[3 * 15 + 2] = 0;  // the left ankle, which has one limb
  const ShapeOutline outline = OutlineKeypoints(numbers, /*annotation=*/true);
  EXPECT_THAT(outline.points, SizeIs(16));
  EXPECT_THAT(outline.lines, SizeIs(18));
  EXPECT_TRUE(OutlineKeypoints(People(0), /*annotation=*/true).empty());
}

TEST(BoxAroundTest, HoldsAllThatIsDrawn) {
  EXPECT_EQ(BoxAround(OutlineKeypoints(People(2), true)), (XywhBox{0, 0, 160, 80}));
  EXPECT_EQ(BoxAround(OutlineMask(MaskFromRows({"....", ".##.", "...."})[0])),
            (XywhBox{1.5, 1.5, 1, 0}));
  EXPECT_EQ(BoxAround(ShapeOutline()), XywhBox());
}

TEST(OutlineKeypointsTest, ADetectionHasAllOfItsKeypoints) {
  EXPECT_THAT(OutlineKeypoints(People(0), /*annotation=*/false).points, SizeIs(17));
}

TEST(OutlineKeypointsTest, OtherNumbersOfKeypointsHaveNoLines) {
  const ShapeOutline outline = OutlineKeypoints({1, 2, 1, 3, 4, 1}, /*annotation=*/true);
  EXPECT_THAT(outline.points, ElementsAre(Pair(1, 2), Pair(3, 4)));
  EXPECT_THAT(outline.lines, IsEmpty());
}

}  // namespace
}  // namespace rcnn::eval
