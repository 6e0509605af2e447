#include "rcnn/training/trainer/running_means.h"

#include <ATen/ATen.h>

#include <cstdint>
#include <limits>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/ops/testing/queue_device.h"

namespace rcnn::training {
namespace {

using ops::testing::QueueDevice;
using ops::testing::TakeWaits;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

TEST(RunningMeansTest, MeansInTheOrderOfTheFirstAdd) {
  RunningMeans means;
  means.Add("loss", 1);
  means.Add("rate", 0.5);
  means.Add("loss", 4);
  EXPECT_THAT(means.Take(), ElementsAre(Pair("loss", 2.5), Pair("rate", 0.5)));
  EXPECT_THAT(means.Take(), IsEmpty());
}

// Sums without a short decimal representation.
TEST(RunningMeansTest, TextReadsBackExactly) {
  RunningMeans means;
  for (int i = 1; i < 100; ++i) means.Add("third", i / 3.0);
  means.Add("tiny", std::numeric_limits<double>::denorm_min());
  means.Add("large", -std::numeric_limits<double>::max());
  RunningMeans restored;
  restored.Add("gone", 1);
  ASSERT_THAT(restored.Restore(means.Text()), IsOk());
  EXPECT_EQ(restored.Text(), means.Text());
  means.Add("third", 1e-3);
  restored.Add("third", 1e-3);
  EXPECT_EQ(restored.Take(), means.Take());
}

TEST(RunningMeansTest, MeasurementsOnADeviceGiveTheSame) {
  RunningMeans read, unread;
  for (const float value : {0.1f, 0.7f, -3.f}) {
    read.Add("loss", value);
    read.Add("rate", 0.5);
    unread.AddUnread("loss", at::full({}, value).to(QueueDevice()));
    unread.Add("rate", 0.5);
  }
  EXPECT_EQ(unread.Text(), read.Text());
  read.Add("loss", 2);
  unread.AddUnread("loss", at::full({}, 2.f));
  EXPECT_EQ(unread.Take(), read.Take());
}

// Of several types, as losses, counts and norms are.
TEST(RunningMeansTest, MeasurementsOnADeviceAreReadInOneCopy) {
  RunningMeans read, unread;
  for (int64_t i = 1; i <= 5; ++i) {
    for (const at::Tensor& scalar :
         {at::scalar_tensor(i, at::kFloat) / 3, at::scalar_tensor(i * i, at::kLong),
          at::scalar_tensor(i, at::kDouble) / 7}) {
      const std::string name = c10::toString(scalar.scalar_type());
      read.Add(name, scalar.item<double>());
      unread.AddUnread(name, scalar.to(QueueDevice()));
    }
  }
  TakeWaits();
  const std::string text = unread.Text();
  EXPECT_THAT(TakeWaits(), ElementsAre("copy to the CPU"));
  EXPECT_EQ(text, read.Text());
  unread.Take();
  EXPECT_THAT(TakeWaits(), IsEmpty());
}

TEST(RunningMeansTest, KeepsTheSignOfZero) {
  RunningMeans means;
  means.Add("loss", -0.0);
  EXPECT_EQ(means.Text(), "loss -0 1\n");
}

TEST(RunningMeansTest, EmptyIsEmpty) {
  RunningMeans means;
  EXPECT_EQ(means.Text(), "");
  ASSERT_THAT(means.Restore(""), IsOk());
  EXPECT_THAT(means.Take(), IsEmpty());
}

TEST(RunningMeansTest, RejectsOtherTextsAndKeepsItsState) {
  RunningMeans means;
  means.Add("loss", 1);
  for (const char* text :
       {"loss", "loss 1", "loss x 1", "loss 1 x", "loss 1 0", "a 1 1\nloss 1 1 1"}) {
    const absl::Status status = means.Restore(text);
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("loss"))) << text;
  }
  EXPECT_THAT(means.Take(), ElementsAre(Pair("loss", 1.0)));
}

}  // namespace
}  // namespace rcnn::training
