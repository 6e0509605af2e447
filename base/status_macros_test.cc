#include "rcnn/base/status_macros.h"

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/status_matchers.h"

namespace rcnn {
namespace {

absl::StatusOr<int> Half(int value) {
  if (value % 2 != 0) return absl::InvalidArgumentError("odd");
  return value / 2;
}

absl::StatusOr<int> Quarter(int value) {
  RCNN_ASSIGN_OR_RETURN(int half, Half(value));
  RCNN_ASSIGN_OR_RETURN(half, Half(half), absl::StrCat("half of ", value));
  return half;
}

absl::Status CheckEven(int value, int& contexts_built) {
  auto context = [&] {
    ++contexts_built;
    return std::string("checking");
  };
  RCNN_RETURN_IF_ERROR(Half(value).status(), context());
  RCNN_RETURN_IF_ERROR(Half(value).status());
  return absl::OkStatus();
}

TEST(StatusMacrosTest, AssignsTheValue) { EXPECT_EQ(*Quarter(12), 3); }

TEST(StatusMacrosTest, ReturnsTheErrorUnchangedWithoutContext) {
  EXPECT_EQ(Quarter(3).status(), absl::InvalidArgumentError("odd"));
}

TEST(StatusMacrosTest, PutsTheContextBeforeTheMessage) {
  EXPECT_EQ(Quarter(6).status(), absl::InvalidArgumentError("half of 6: odd"));
}

TEST(StatusMacrosTest, EvaluatesTheContextOnlyOnError) {
  int built = 0;
  EXPECT_THAT(CheckEven(2, built), IsOk());
  EXPECT_EQ(built, 0);
  EXPECT_EQ(CheckEven(3, built), absl::InvalidArgumentError("checking: odd"));
  EXPECT_EQ(built, 1);
}

TEST(StatusMacrosTest, MovesValuesThatCannotBeCopied) {
  auto make = []() -> absl::StatusOr<std::unique_ptr<int>> { return std::make_unique<int>(7); };
  auto use = [&]() -> absl::StatusOr<int> {
    RCNN_ASSIGN_OR_RETURN(std::unique_ptr<int> pointer, make());
    return *pointer;
  };
  EXPECT_EQ(*use(), 7);
}

TEST(StatusMacrosTest, AnnotateKeepsCodeAndPayload) {
  absl::Status status = absl::DataLossError("torn");
  status.SetPayload("rcnn/file", absl::Cord("a.bin"));
  const absl::Status annotated = Annotate(status, "checkpoint");
  EXPECT_THAT(annotated, StatusIs(absl::StatusCode::kDataLoss, "checkpoint: torn"));
  EXPECT_EQ(annotated.GetPayload("rcnn/file"), absl::Cord("a.bin"));
}

TEST(StatusMacrosTest, AnnotateLeavesOkAlone) {
  EXPECT_THAT(Annotate(absl::OkStatus(), "context"), IsOk());
}

}  // namespace
}  // namespace rcnn
