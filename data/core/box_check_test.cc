#include "rcnn/data/core/box_check.h"

#include <array>
#include <limits>
#include <optional>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rcnn::data {
namespace {

using Xywh = std::array<double, 4>;
using ::testing::ElementsAre;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kHuge = std::numeric_limits<double>::max();

BoxVerdict CheckIn100x50(Xywh xywh, configs::DefectPolicy policy = configs::DROP_AND_REPORT) {
  return CheckBox(xywh, 100, 50, {policy, 0.05, false});
}

void ExpectDropped(Xywh xywh, DefectKind kind) {
  const BoxVerdict verdict = CheckIn100x50(xywh);
  EXPECT_EQ(verdict.defect, kind) << testing::PrintToString(xywh);
  EXPECT_FALSE(verdict.keep());
}

TEST(CheckBox, AcceptsBoxesUpToTheEdge) {
  for (const Xywh& xywh : {Xywh{0, 0, 100, 50}, Xywh{99, 49, 1, 1}, Xywh{3.5, 2.25, 1e-3, 7}}) {
    const BoxVerdict verdict = CheckIn100x50(xywh);
    EXPECT_EQ(verdict.defect, std::nullopt);
    EXPECT_TRUE(verdict.keep());
  }
}

TEST(CheckBox, NamesEveryDefect) {
  ExpectDropped({kNan, 0, 1, 1}, DefectKind::kBadNumber);
  ExpectDropped({0, 0, 1, std::numeric_limits<double>::infinity()}, DefectKind::kBadNumber);
  ExpectDropped({kHuge, 0, kHuge, 1}, DefectKind::kBadNumber);
  ExpectDropped({10, 10, -1, 5}, DefectKind::kInverted);
  ExpectDropped({10, 10, 5, -1e-9}, DefectKind::kInverted);
  ExpectDropped({10, 10, 0, 5}, DefectKind::kZeroSize);
  ExpectDropped({100, 10, 5, 5}, DefectKind::kOutside);
  ExpectDropped({-5, 10, 5, 5}, DefectKind::kOutside);
  ExpectDropped({10, 50, 5, 5}, DefectKind::kOutside);
  ExpectDropped({-1, 10, 5, 5}, DefectKind::kPartlyOutside);
  ExpectDropped({98, 10, 5, 5}, DefectKind::kPartlyOutside);
  ExpectDropped({10, 48, 5, 5}, DefectKind::kPartlyOutside);
}

TEST(CheckBox, TrimsWithinTheToleranceWithoutADefect) {
  Xywh xywh = {-0.04, 10, 5, 40.03};
  EXPECT_EQ(CheckBox(xywh, 100, 50, {}).defect, std::nullopt);
  EXPECT_THAT(xywh, ElementsAre(0, 10, 4.96, 40));
}

TEST(CheckBox, ClipsWithPolicyClip) {
  Xywh xywh = {-10, 40, 30, 30};
  const BoxVerdict verdict = CheckBox(xywh, 100, 50, {configs::CLIP, 0.05, false});
  EXPECT_EQ(verdict.defect, DefectKind::kPartlyOutside);
  EXPECT_EQ(verdict.action, DefectAction::kClipped);
  EXPECT_THAT(xywh, ElementsAre(0, 40, 20, 10));
}

TEST(CheckBox, ClippingDoesNotKeepBoxesOutside) {
  EXPECT_FALSE(CheckIn100x50({200, 0, 5, 5}, configs::CLIP).keep());
  EXPECT_FALSE(CheckIn100x50({5, 5, 0, 5}, configs::CLIP).keep());
  EXPECT_FALSE(CheckIn100x50({kNan, 5, 1, 5}, configs::CLIP).keep());
}

TEST(CheckBox, KeepsTheBitsOfAValidBox) {
  // 0.1 + 0.2 - 0.1 != 0.2 in float64.
  Xywh xywh = {0.1, 0.3, 0.2, 0.7};
  CheckBox(xywh, 100, 50, {});
  EXPECT_THAT(xywh, ElementsAre(0.1, 0.3, 0.2, 0.7));
}

TEST(MakeObject, GivesContinuousCorners) {
  const Object object = MakeObject({10, 20, 30, 40}, {});
  EXPECT_EQ(object.box, (Box{10, 20, 40, 60}));
  EXPECT_EQ(object.area, 1200);
  EXPECT_EQ(object.label, 0);
}

TEST(MakeObject, GivesFirstAndLastPixelIfInclusive) {
  const Object object = MakeObject({10, 20, 30, 40}, {configs::CLIP, 0.05, true});
  EXPECT_EQ(object.box, (Box{10, 20, 39, 59}));
  EXPECT_THAT(object.xywh, ElementsAre(10, 20, 30, 40));
}

}  // namespace
}  // namespace rcnn::data
