#include "rcnn/base/exception_status.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <c10/util/Exception.h>

#include <cstdint>
#include <functional>
#include <new>
#include <stdexcept>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rcnn {
namespace {

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
  EXPECT_EQ(StatusFromThrown([] { at::empty({int64_t{1} << 58}, at::kFloat); }).code(),
            absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(StatusFromThrown([] { throw std::bad_alloc(); }).code(),
            absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(StatusFromThrown([] { throw std::bad_array_new_length(); }).code(),
            absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(
      StatusFromThrown([] { TORCH_CHECK(false, "CUDA out of memory. Tried to allocate"); }).code(),
      absl::StatusCode::kResourceExhausted);
}

TEST(ExceptionStatusTest, OthersKeepTheirMessageAndTheGivenCode) {
  const absl::Status operators = StatusFromThrown([] { at::zeros({2, 3}).view({7}); });
  EXPECT_EQ(operators.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(std::string(operators.message()), HasSubstr("shape '[7]' is invalid"));
  EXPECT_THAT(std::string(operators.message()), Not(HasSubstr("frame #")));
  const absl::Status standard = StatusFromThrown([] { throw std::length_error("too long"); });
  EXPECT_EQ(standard, absl::InternalError("too long"));
}

}  // namespace
}  // namespace rcnn
