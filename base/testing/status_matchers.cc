#include "rcnn/base/testing/status_matchers.h"

#include <sstream>

namespace rcnn {

StatusMatcher::StatusMatcher(absl::StatusCode code, ::testing::Matcher<const std::string&> message)
    : code_(code), message_(std::move(message)) {}

bool StatusMatcher::Matches(const absl::Status& status) const {
  return status.code() == code_ && message_.Matches(std::string(status.message()));
}

void StatusMatcher::DescribeTo(std::ostream* os) const {
  if (code_ == absl::StatusCode::kOk) {
    *os << "is OK";
    return;
  }
  *os << "has code " << absl::StatusCodeToString(code_) << " and a message that ";
  message_.DescribeTo(os);
}

void StatusMatcher::DescribeNegationTo(std::ostream* os) const {
  if (code_ == absl::StatusCode::kOk) {
    *os << "is an error";
    return;
  }
  *os << "does not have code " << absl::StatusCodeToString(code_) << " with a message that ";
  message_.DescribeTo(os);
}

::testing::AssertionResult StatusMatcher::Check(const char* text,
                                                const absl::Status& status) const {
  if (Matches(status)) return ::testing::AssertionSuccess();
  std::ostringstream expected;
  DescribeTo(&expected);
  return ::testing::AssertionFailure() << "Value of: " << text << "\nExpected: " << expected.str()
                                       << "\n  Actual: " << status.ToString();
}

StatusMatcher IsOk() { return StatusIs(absl::StatusCode::kOk); }

StatusMatcher StatusIs(absl::StatusCode code) { return StatusIs(code, ::testing::_); }

}  // namespace rcnn
