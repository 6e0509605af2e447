#include "rcnn/data/voc/voc_coordinates.h"

#include <array>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rcnn::data {
namespace {

using Corners = std::array<double, 4>;

// Boxes of images of 64 x 48.
configs::VocCoordinates Recognise(const std::vector<Corners>& boxes) {
  CoordinateVotes votes;
  for (const Corners& corners : boxes) votes.Add(corners, 64, 48);
  return votes.Recognise();
}

TEST(VocCoordinates, AreTheDevkitsUnlessBoxesTellOtherwise) {
  EXPECT_EQ(Recognise({}), configs::ONE_BASED_INCLUSIVE);
  EXPECT_EQ(Recognise({{10, 10, 20, 20}}), configs::ONE_BASED_INCLUSIVE);
  EXPECT_EQ(Recognise({{1, 1, 64, 48}, {1, 5, 20, 20}}), configs::ONE_BASED_INCLUSIVE);
}

TEST(VocCoordinates, BeginAtZeroAndEndBeforeTheSize) {
  EXPECT_EQ(Recognise({{0, 5, 20, 20}, {30, 5, 63, 47}, {4, 4, 9, 9}}),
            configs::ZERO_BASED_INCLUSIVE);
}

TEST(VocCoordinates, BeginAtZeroAndEndAtTheSize) {
  EXPECT_EQ(Recognise({{0, 5, 20, 20}, {30, 5, 64, 48}, {4, 4, 9, 9}}), configs::CONTINUOUS);
}

TEST(VocCoordinates, FractionsFromZeroAreContinuous) {
  EXPECT_EQ(Recognise({{0.25, 5.5, 20, 20}, {30.5, 5, 63, 47}}), configs::CONTINUOUS);
  // Fractions alone decide nothing: counted from 1, the smallest is 1.
  EXPECT_EQ(Recognise({{1.25, 5.5, 20, 20}, {30.5, 5, 63, 47}}), configs::ONE_BASED_INCLUSIVE);
}

// Public sets counted from 1 have a few.
TEST(VocCoordinates, StrayZerosAreOutvoted) {
  EXPECT_EQ(Recognise({{0, 5, 20, 20}, {1, 5, 64, 48}, {1, 4, 9, 9}, {3, 1, 9, 9}}),
            configs::ONE_BASED_INCLUSIVE);
}

TEST(VocCoordinates, SaysWhatWasCounted) {
  CoordinateVotes votes;
  votes.Add({0, 5, 20, 48}, 64, 48);
  votes.Add({0.5, 5, 63, 20}, 64, 48);
  EXPECT_THAT(votes.ToString(), testing::HasSubstr("2 boxes, 2 begin at 0 and 0 at 1, 1 ends at"));
}

}  // namespace
}  // namespace rcnn::data
