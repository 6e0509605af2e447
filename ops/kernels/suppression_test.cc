#include "rcnn/ops/kernels/suppression.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <iterator>
#include <limits>
#include <random>

#include "rcnn/ops/testing/test_seed.h"

namespace rcnn::ops {
namespace {

using ::rcnn::ops::testing::TestSeed;

template <typename T>
class SuppressionTest : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(SuppressionTest, Types);

// Boxes with any corners, which nobody has checked on a GPU: equal ones, ones that end before they
// begin, and ones that T cannot hold.
TYPED_TEST(SuppressionTest, ALookLosesNoPairThatSuppresses) {
  using Limits = std::numeric_limits<TypeParam>;
  const TypeParam large = Limits::max() / 4, small = Limits::denorm_min();
  const TypeParam infinite = Limits::infinity(), nan = Limits::quiet_NaN();
  const TypeParam values[] = {0, 1, 2, 3, 4, 5, 6, -1, large, small, infinite, -infinite, nan};
  std::mt19937_64 random(TestSeed());
  const auto draw = [&](TypeParam(&corners)[4], uint64_t one_in) {
    for (TypeParam& corner : corners) {
      if (random() % one_in == 0) corner = values[random() % std::size(values)];
    }
  };
  for (const double iou : {0.0, 0.2, 0.5, 0.9}) {
    const auto threshold = LargestAllowed<TypeParam>(iou, /*suppress_equal=*/false);
    int suppressed = 0;
    for (int i = 0; i < 50000; ++i) {
      const TypeParam extra = random() % 2 == 0 ? 0 : 1;
      TypeParam corners[4] = {};
      draw(corners, 1);
      const AreaBox<TypeParam> a = LoadAreaBox(corners, extra);
      draw(corners, 3);
      const AreaBox<TypeParam> b = LoadAreaBox(corners, extra);
      if (!Suppresses(a, b, threshold, extra)) continue;
      ++suppressed;
      ASSERT_TRUE(MaySuppress(a, b, threshold, extra))
          << a.x1 << " " << a.y1 << " " << a.x2 << " " << a.y2 << " and " << b.x1 << " " << b.y1
          << " " << b.x2 << " " << b.y2;
    }
    EXPECT_GT(suppressed, 100) << iou;
  }
}

TYPED_TEST(SuppressionTest, ALookSeesThatBoxesAreApart) {
  const auto may_suppress = [](TypeParam x, TypeParam y) {
    const TypeParam one[] = {0, 0, 4, 4}, other[] = {x, y, x + 4, y + 4};
    return MaySuppress(LoadAreaBox(one, TypeParam{0}), LoadAreaBox(other, TypeParam{0}),
                       TypeParam(0.3), TypeParam{0});
  };
  EXPECT_TRUE(may_suppress(1, 1));  // IoU 9/23
  EXPECT_FALSE(may_suppress(3, 0));
  EXPECT_FALSE(may_suppress(5, 0));
  EXPECT_FALSE(may_suppress(0, -5));
  EXPECT_FALSE(may_suppress(5, 5));
}

// Also where an IoU of 0 is enough.
TYPED_TEST(SuppressionTest, ABoxWithNanNeitherSuppressesNorIsSuppressed) {
  const TypeParam corners[] = {0, 0, 4, 4};
  const AreaBox<TypeParam> whole = LoadAreaBox(corners, TypeParam{0});
  for (const bool suppress_equal : {false, true}) {
    const auto threshold = LargestAllowed<TypeParam>(0, suppress_equal);
    EXPECT_TRUE(Suppresses(whole, whole, threshold, TypeParam{0}));
    for (int corner = 0; corner < 4; ++corner) {
      TypeParam changed[] = {0, 0, 4, 4};
      changed[corner] = std::numeric_limits<TypeParam>::quiet_NaN();
      const AreaBox<TypeParam> box = LoadAreaBox(changed, TypeParam{0});
      EXPECT_FALSE(Suppresses(whole, box, threshold, TypeParam{0})) << corner;
      EXPECT_FALSE(Suppresses(box, whole, threshold, TypeParam{0})) << corner;
    }
  }
}

}  // namespace
}  // namespace rcnn::ops
