#include "rcnn/training/trainer/caught.h"

#include <new>
#include <stdexcept>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rcnn::training {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(CaughtTest, ReturnsTheResult) {
  EXPECT_EQ(Caught([] { return absl::OkStatus(); }), absl::OkStatus());
  EXPECT_EQ(Caught([] { return absl::StatusOr<int>(7); }).value(), 7);
  EXPECT_EQ(Caught([] { return absl::NotFoundError("no"); }), absl::NotFoundError("no"));
}

TEST(CaughtTest, ErrorsOfLibTorchComeWithoutTheirStack) {
  const absl::Status status = Caught([]() -> absl::Status {
    TORCH_CHECK(false, "sizes differ");
    return absl::OkStatus();
  });
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(std::string(status.message()), HasSubstr("sizes differ"));
  EXPECT_THAT(std::string(status.message()), Not(HasSubstr("frame #")));
}

TEST(CaughtTest, OutOfMemoryHasAReadableMessage) {
  const absl::Status status = Caught([]() -> absl::Status { throw std::bad_alloc(); });
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(status.message()), HasSubstr("memory"));
}

TEST(CaughtTest, AnyOtherExceptionBecomesItsText) {
  const absl::StatusOr<int> result =
      Caught([]() -> absl::StatusOr<int> { throw std::out_of_range("at"); });
  EXPECT_EQ(result.status(), absl::InternalError("at"));
}

}  // namespace
}  // namespace rcnn::training
