#include "rcnn/base/exception_status.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <c10/util/Exception.h>

#include <cstdint>
#include <functional>
#include <new>
#include <stdexcept>
#include <string>

#include "absl/status/statusor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/not_finite_error.h"
#include "rcnn/base/testing/status_matchers.h"

namespace rcnn {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

absl::Status StatusFromThrown(const std::function<void()>& throws) {
  try {
    throws();
  } catch (const std::exception& error) {
    return ExceptionStatus(error, absl::StatusCode::kInternal);
  }
  return absl::OkStatus();
}

TEST(ExceptionStatusTest, OutOfMemoryIsResourceExhausted) {
  // 2^60 bytes, requested in each way.
  EXPECT_THAT(StatusFromThrown([] { at::empty({int64_t{1} << 58}, at::kFloat); }),
              StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_THAT(StatusFromThrown([] { throw std::bad_alloc(); }),
              StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_THAT(StatusFromThrown([] { throw std::bad_array_new_length(); }),
              StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_THAT(StatusFromThrown([] { TORCH_CHECK(false, "CUDA out of memory. Tried to allocate"); }),
              StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_THAT(StatusFromThrown([] {
                TORCH_CHECK_WITH(OutOfMemoryError, false, "CUDA out of memory. Tried to allocate");
              }),
              StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_THAT(StatusFromThrown([] {
                TORCH_CHECK(false, "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling");
              }),
              StatusIs(absl::StatusCode::kResourceExhausted));
  for (const char* memory : {"DEVICE", "HOST"}) {
    EXPECT_THAT(StatusFromThrown([&] {
                  TORCH_CHECK(false, "cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_", memory,
                              "_ALLOCATION_FAILED");
                }),
                StatusIs(absl::StatusCode::kResourceExhausted));
  }
}

TEST(ExceptionStatusTest, OthersKeepTheirMessageAndTheGivenCode) {
  const absl::Status operators = StatusFromThrown([] { at::zeros({2, 3}).view({7}); });
  EXPECT_THAT(operators,
              StatusIs(absl::StatusCode::kInternal,
                       AllOf(HasSubstr("shape '[7]' is invalid"), Not(HasSubstr("frame #")))));
  const absl::Status standard = StatusFromThrown([] { throw std::length_error("too long"); });
  EXPECT_EQ(standard, absl::InternalError("too long"));
}

TEST(ExceptionStatusTest, OutOfMemoryIsKnownWithoutItsStatus) {
  EXPECT_TRUE(IsOutOfMemory(std::bad_alloc()));
  EXPECT_TRUE(IsOutOfMemory(std::runtime_error("CUDA error: out of memory")));
  EXPECT_FALSE(IsOutOfMemory(std::runtime_error("CUDA error: invalid argument")));
}

// By its type, whatever the message says.
TEST(ExceptionStatusTest, OnlyTheOperatorsErrorIsNotFinite) {
  const auto is_not_finite = [](const std::function<void()>& throws) {
    try {
      throws();
    } catch (const std::exception& error) {
      return IsNotFinite(error);
    }
    return false;
  };
  EXPECT_TRUE(is_not_finite([] { ThrowNotFinite("logits: row 7"); }));
  EXPECT_FALSE(is_not_finite([] { TORCH_CHECK(false, "beta: not finite"); }));
  EXPECT_FALSE(is_not_finite([] { throw std::length_error("not finite"); }));
}

TEST(CatchExceptionsTest, PassesOnWhatIsReturned) {
  EXPECT_THAT(CatchExceptions([] { return absl::OkStatus(); }), IsOk());
  EXPECT_EQ(CatchExceptions([] { return absl::StatusOr<int>(7); }).value(), 7);
  EXPECT_EQ(CatchExceptions([] { return absl::NotFoundError("no"); }), absl::NotFoundError("no"));
}

TEST(CatchExceptionsTest, ErrorsOfLibTorchHaveNoBacktrace) {
  const absl::Status status = CatchExceptions([]() -> absl::Status {
    TORCH_CHECK(false, "sizes differ");
    return absl::OkStatus();
  });
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInternal,
                               AllOf(HasSubstr("sizes differ"), Not(HasSubstr("frame #")))));
}

TEST(CatchExceptionsTest, ExhaustedMemoryIsNamed) {
  const absl::Status status = CatchExceptions([]() -> absl::Status { throw std::bad_alloc(); });
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("memory")));
}

TEST(CatchExceptionsTest, AnyOtherExceptionBecomesItsText) {
  const absl::StatusOr<int> result =
      CatchExceptions([]() -> absl::StatusOr<int> { throw std::out_of_range("at"); });
  EXPECT_EQ(result.status(), absl::InternalError("at"));
}

}  // namespace
}  // namespace rcnn
