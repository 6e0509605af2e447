#include "rcnn/training/distributed/own_address.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/status_matchers.h"

namespace rcnn::training {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;

TEST(OwnAddressTest, OfTheLoopbackInterface) {
  EXPECT_THAT(FindOwnAddress("127.0.0.1", 29500), IsOkAndHolds("127.0.0.1"));
  // A machine answers on all of its loopback addresses.
  EXPECT_THAT(FindOwnAddress("localhost", 29500), IsOkAndHolds(AnyOf("127.0.0.1", "::1")));
}

TEST(OwnAddressTest, NamesAHostThatCannotBeResolved) {
  EXPECT_THAT(FindOwnAddress("no such host", 29500).status(),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("no such host: ")));
}

}  // namespace
}  // namespace rcnn::training
