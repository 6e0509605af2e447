#include "rcnn/base/testing/status_matchers.h"

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gmock/gmock.h"
#include "gtest/gtest-spi.h"
#include "gtest/gtest.h"

namespace rcnn {
namespace {

using ::testing::AnyOf;
using ::testing::DescribeMatcher;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Pointee;
using ::testing::SizeIs;
using ::testing::StringMatchResultListener;

const absl::Status kMissing = absl::NotFoundError("missing file: train.json");

TEST(StatusMatchersTest, IsOkTakesStatusesAndValues) {
  EXPECT_THAT(absl::OkStatus(), IsOk());
  EXPECT_THAT(absl::StatusOr<int>(3), IsOk());
  EXPECT_THAT(kMissing, Not(IsOk()));
  EXPECT_THAT(absl::StatusOr<int>(kMissing), Not(IsOk()));
}

TEST(StatusMatchersTest, AFailurePrintsTheStatus) {
  EXPECT_NONFATAL_FAILURE(EXPECT_THAT(kMissing, IsOk()),
                          "Value of: kMissing\nExpected: is OK\n"
                          "  Actual: NOT_FOUND: missing file: train.json");
  EXPECT_NONFATAL_FAILURE(EXPECT_THAT(absl::StatusOr<int>(kMissing), IsOk()),
                          "  Actual: NOT_FOUND: missing file: train.json");
  EXPECT_NONFATAL_FAILURE(EXPECT_THAT(absl::OkStatus(), StatusIs(absl::StatusCode::kNotFound)),
                          "  Actual: OK");
}

TEST(StatusMatchersTest, AFailureOfAPartExplainsItByTheStatus) {
  const ::testing::Matcher<const absl::Status&> is_ok = IsOk();
  StringMatchResultListener listener;
  EXPECT_FALSE(is_ok.MatchAndExplain(kMissing, &listener));
  EXPECT_THAT(listener.str(), HasSubstr("NOT_FOUND: missing file: train.json"));
}

TEST(StatusMatchersTest, IsOkAndHoldsMatchesTheValue) {
  using Values = absl::StatusOr<std::vector<int>>;
  EXPECT_THAT(Values({1, 2, 3}), IsOkAndHolds(SizeIs(3)));
  EXPECT_THAT(Values({1, 2, 3}), Not(IsOkAndHolds(SizeIs(2))));
  EXPECT_THAT(Values(kMissing), Not(IsOkAndHolds(SizeIs(3))));
  EXPECT_THAT(absl::StatusOr<int>(3), IsOkAndHolds(3));
  EXPECT_THAT(absl::StatusOr<std::unique_ptr<int>>(std::make_unique<int>(3)),
              IsOkAndHolds(Pointee(3)));
}

TEST(StatusMatchersTest, ArePartsOfOthers) {
  EXPECT_THAT(std::vector<absl::Status>({absl::OkStatus(), kMissing}),
              ElementsAre(IsOk(), StatusIs(absl::StatusCode::kNotFound, HasSubstr("train.json"))));
  EXPECT_THAT(std::vector<absl::StatusOr<int>>({3, 4}), Each(IsOk()));
  EXPECT_THAT(kMissing, AnyOf(IsOk(), StatusIs(absl::StatusCode::kNotFound)));
}

TEST(StatusMatchersTest, StatusIsMatchesCodeAndMessage) {
  EXPECT_THAT(kMissing, StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(kMissing, StatusIs(absl::StatusCode::kNotFound, HasSubstr("train.json")));
  EXPECT_THAT(kMissing, Not(StatusIs(absl::StatusCode::kNotFound, HasSubstr("test.json"))));
  EXPECT_THAT(kMissing, Not(StatusIs(absl::StatusCode::kDataLoss, HasSubstr("train.json"))));
  EXPECT_THAT(absl::StatusOr<int>(kMissing), StatusIs(absl::StatusCode::kNotFound));
}

TEST(StatusMatchersTest, DescribesTheExpectation) {
  EXPECT_EQ(DescribeMatcher<absl::Status>(IsOk()), "is OK");
  EXPECT_THAT(DescribeMatcher<absl::Status>(StatusIs(absl::StatusCode::kNotFound, HasSubstr("x"))),
              HasSubstr("has code NOT_FOUND and a message that has substring \"x\""));
}

}  // namespace
}  // namespace rcnn
