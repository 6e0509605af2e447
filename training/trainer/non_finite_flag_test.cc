#include "rcnn/training/trainer/non_finite_flag.h"

#include <ATen/ATen.h>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/ops/testing/queue_device.h"

namespace rcnn::training {
namespace {

using ops::testing::QueueDevice;
using ops::testing::TakeWaits;
using ::testing::ElementsAre;

const at::Tensor& Yes() {
  static const auto* const yes = new at::Tensor(at::ones({}, at::kBool));
  return *yes;
}
const at::Tensor& No() {
  static const auto* const no = new at::Tensor(at::zeros({}, at::kBool));
  return *no;
}

TEST(NonFiniteFlagTest, NothingIsWrongAtFirst) {
  NonFiniteFlag flag;
  EXPECT_FALSE(flag.Read().has_value());
  for (int64_t i = 0; i < 5; ++i) flag.Add("rpn_output", Yes(), i);
  EXPECT_FALSE(flag.Read().has_value());
}

TEST(NonFiniteFlagTest, TheFirstIterationStays) {
  NonFiniteFlag flag;
  flag.Add("loss", Yes(), 0);
  flag.Add("loss", No(), 7);
  flag.Add("loss", No(), 8);
  flag.Add("loss", Yes(), 9);
  ASSERT_TRUE(flag.Read().has_value());
  EXPECT_EQ(flag.Read()->iteration, 7);
  EXPECT_THAT(flag.Read()->names, ElementsAre("loss"));
}

TEST(NonFiniteFlagTest, NamesAllThatWasWrongInThatIteration) {
  NonFiniteFlag flag;
  flag.Add("a", No(), 3);
  for (const char* name : {"d", "c", "b"}) flag.Add(name, No(), 2);
  flag.Add("e", Yes(), 1);
  ASSERT_TRUE(flag.Read().has_value());
  EXPECT_EQ(flag.Read()->iteration, 2);
  EXPECT_THAT(flag.Read()->names, ElementsAre("b", "c", "d"));
}

TEST(NonFiniteFlagTest, IterationZeroCounts) {
  NonFiniteFlag flag;
  flag.Add("loss", No(), 0);
  ASSERT_TRUE(flag.Read().has_value());
  EXPECT_EQ(flag.Read()->iteration, 0);
}

TEST(NonFiniteFlagTest, IsClearUntilAValueIsNotFinite) {
  NonFiniteFlag flag;
  EXPECT_FALSE(flag.IsClear().defined());
  flag.Add("a", Yes(), 0);
  flag.Add("b", Yes(), 0);
  EXPECT_TRUE(flag.IsClear().item<bool>());
  flag.Add("b", No(), 1);
  flag.Add("b", Yes(), 2);
  EXPECT_FALSE(flag.IsClear().item<bool>());
}

TEST(NonFiniteFlagTest, AllNamesAreReadAtOnce) {
  NonFiniteFlag flag;
  const auto add = [&](const char* name, const at::Tensor& finite) {
    flag.Add(name, finite.to(QueueDevice(), at::kBool, /*non_blocking=*/true), 4);
  };
  add("a", Yes());
  add("b", No());
  add("c", No());
  TakeWaits();
  const auto fault = flag.Read();
  EXPECT_THAT(TakeWaits(), ElementsAre("copy to the CPU"));
  ASSERT_TRUE(fault.has_value());
  EXPECT_THAT(fault->names, ElementsAre("b", "c"));
}

// The flag of a meta tensor can be computed only if no value is read.
TEST(NonFiniteFlagTest, AddReadsNoValue) {
  NonFiniteFlag flag;
  const at::Tensor far = at::empty({}, at::TensorOptions(at::kMeta).dtype(at::kBool));
  EXPECT_NO_THROW(flag.Add("loss", far, 1));
  EXPECT_NO_THROW(flag.IsClear());
}

}  // namespace
}  // namespace rcnn::training
