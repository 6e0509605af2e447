#include "rcnn/detection/finite_output.h"

#include <ATen/ATen.h>

#include <limits>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/not_finite_error.h"

namespace rcnn::detection {
namespace {

at::Tensor WithValue(double value) {
  at::Tensor values = at::ones({5, 4});
  values[3][2].fill_(value);
  return values;
}

TEST(FiniteOutputTest, FiniteOutputPassesOnTheCpu) {
  EXPECT_FALSE(CheckFiniteOutput(WithValue(1e38), "deltas").defined());
  EXPECT_FALSE(CheckFiniteOutput(at::zeros({0, 4}), "deltas").defined());
}

TEST(FiniteOutputTest, TheErrorNamesTheFirstRow) {
  try {
    CheckFiniteOutput(WithValue(std::numeric_limits<double>::infinity()), "deltas");
    FAIL();
  } catch (const NotFiniteError& error) {
    EXPECT_THAT(error.what_without_backtrace(), ::testing::StartsWith("deltas: row 3 is ("));
  }
}

// The meta device has no values to be read.
TEST(FiniteOutputTest, OnAnotherDeviceTheAnswerStaysThere) {
  const at::Tensor values = at::empty({5, 4}, at::TensorOptions(at::kMeta));
  const at::Tensor finite = CheckFiniteOutput(values, "deltas");
  EXPECT_TRUE(finite.is_meta());
  EXPECT_EQ(finite.scalar_type(), at::kBool);
  EXPECT_EQ(finite.dim(), 0);
  EXPECT_TRUE(BothFinite(finite, finite).is_meta());
}

TEST(FiniteOutputTest, AnyValueThatIsNotFiniteIsSeen) {
  EXPECT_TRUE(AllFinite(WithValue(-3e38)).item<bool>());
  EXPECT_TRUE(AllFinite(at::zeros({0})).item<bool>());
  for (const double bad :
       {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity(),
        -std::numeric_limits<double>::infinity()}) {
    EXPECT_FALSE(AllFinite(WithValue(bad).requires_grad_()).item<bool>()) << bad;
  }
}

TEST(FiniteOutputTest, BothMustBeFinite) {
  const at::Tensor yes = at::ones({}, at::kBool), no = at::zeros({}, at::kBool);
  EXPECT_TRUE(BothFinite(yes, yes).item<bool>());
  EXPECT_FALSE(BothFinite(yes, no).item<bool>());
  EXPECT_FALSE(BothFinite({}, {}).defined());
}

}  // namespace
}  // namespace rcnn::detection
