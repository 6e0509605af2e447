#include "rcnn/data/core/box_units.h"

#include <limits>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/status_matchers.h"

namespace rcnn::data {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(BoxUnits, FractionsAreOfTheImagesSides) {
  configs::DatasetConfig config;
  EXPECT_THAT(InPixels(config, {0.25, 0.5, 0.5, 0.25}, 640, 480),
              ElementsAre(0.25, 0.5, 0.5, 0.25));
  config.set_box_units(configs::FRACTIONS);
  EXPECT_THAT(InPixels(config, {0.25, 0.5, 0.5, 0.25}, 640, 480), ElementsAre(160, 240, 320, 120));
}

TEST(BoxUnits, BoxesWithinOneAreAnErrorThatNamesTheField) {
  FractionCheck check;
  check.Add({0.25, 0.5, 0.5, 0.5}, 640, 480);
  check.Add({0, 0, 1, 1}, 800, 600);
  check.Add({0, 0, std::numeric_limits<double>::quiet_NaN(), 1}, 640, 480);
  check.Add({0, 0, 0, 100}, 640, 480);
  EXPECT_THAT(check.Check(configs::DatasetConfig()),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("all 2 boxes"), HasSubstr("[0.25, 0.5, 0.5, 0.5]"),
                             HasSubstr("800 x 600"), HasSubstr("box_units: FRACTIONS"),
                             HasSubstr("--box_units=fractions"))));
  for (const auto units : {configs::PIXELS, configs::FRACTIONS}) {
    configs::DatasetConfig config;
    config.set_box_units(units);
    EXPECT_THAT(check.Check(config), IsOk());
  }
}

TEST(BoxUnits, OneBoxInPixelsIsEnough) {
  FractionCheck check;
  check.Add({0.25, 0.5, 0.5, 0.5}, 640, 480);
  check.Add({3, 4, 0.5, 20}, 640, 480);
  EXPECT_THAT(check.Check(configs::DatasetConfig()), IsOk());
  EXPECT_THAT(FractionCheck().Check(configs::DatasetConfig()), IsOk()) << "no boxes";
}

// Some programs write such a box for every mask.
TEST(BoxUnits, WholeNumbersAreNotTakenForFractions) {
  FractionCheck check;
  for (int i = 0; i < 3; ++i) check.Add({0, 0, 1, 1}, 640, 480);
  EXPECT_THAT(check.Check(configs::DatasetConfig()), IsOk());
}

TEST(BoxUnits, AnImageOfOnePixelHoldsSuchBoxes) {
  FractionCheck check;
  check.Add({0, 0, 1, 1}, 1, 1);
  EXPECT_THAT(check.Check(configs::DatasetConfig()), IsOk());
}

}  // namespace
}  // namespace rcnn::data
