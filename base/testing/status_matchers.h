// GoogleTest matchers for absl::Status and absl::StatusOr, so that a failing test
// prints the status.
//
// Example:
//   EXPECT_THAT(WriteFileAtomically(path, "x"), IsOk());
//   EXPECT_THAT(ReadLines(path), IsOkAndHolds(SizeIs(3)));
//   EXPECT_THAT(ReadLines(path), StatusIs(absl::StatusCode::kNotFound, HasSubstr("train.txt")));
//
// Each takes an absl::Status or an absl::StatusOr, except IsOkAndHolds, which takes
// an absl::StatusOr. For tests only.

#ifndef RCNN_BASE_TESTING_STATUS_MATCHERS_H_
#define RCNN_BASE_TESTING_STATUS_MATCHERS_H_

#include <ostream>
#include <string>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gmock/gmock.h"

namespace rcnn {
namespace status_matchers_internal {

inline const absl::Status& GetStatus(const absl::Status& status) { return status; }

template <typename T>
const absl::Status& GetStatus(const absl::StatusOr<T>& value) {
  return value.status();
}

class IsOkMatcher {
 public:
  template <typename T>
  bool MatchAndExplain(const T& value, ::testing::MatchResultListener* listener) const {
    const absl::Status& status = GetStatus(value);
    if (!status.ok()) *listener << "whose status is " << status.ToString();
    return status.ok();
  }
  void DescribeTo(std::ostream* os) const { *os << "is OK"; }
  void DescribeNegationTo(std::ostream* os) const { *os << "is an error"; }
};

class StatusIsMatcher {
 public:
  StatusIsMatcher(absl::StatusCode code, ::testing::Matcher<const std::string&> message)
      : code_(code), message_(std::move(message)) {}

  template <typename T>
  bool MatchAndExplain(const T& value, ::testing::MatchResultListener* listener) const {
    const absl::Status& status = GetStatus(value);
    *listener << "whose status is " << status.ToString();
    return status.code() == code_ && message_.Matches(std::string(status.message()));
  }
  void DescribeTo(std::ostream* os) const {
    *os << "has code " << absl::StatusCodeToString(code_) << " and a message that ";
    message_.DescribeTo(os);
  }
  void DescribeNegationTo(std::ostream* os) const {
    *os << "does not have code " << absl::StatusCodeToString(code_) << " with a message that ";
    message_.DescribeTo(os);
  }

 private:
  absl::StatusCode code_;
  ::testing::Matcher<const std::string&> message_;
};

template <typename Inner>
class IsOkAndHoldsMatcher {
 public:
  explicit IsOkAndHoldsMatcher(Inner inner) : inner_(std::move(inner)) {}

  // Converts to a matcher of any absl::StatusOr, by value or by reference.
  template <typename Value>
  operator ::testing::Matcher<Value>() const {  // NOLINT: implicit, as GoogleMock needs
    return ::testing::Matcher<Value>(new Impl<Value>(inner_));
  }

 private:
  template <typename Value>
  class Impl : public ::testing::MatcherInterface<Value> {
   public:
    using Held = typename std::decay_t<Value>::value_type;

    explicit Impl(const Inner& inner) : inner_(::testing::SafeMatcherCast<const Held&>(inner)) {}

    bool MatchAndExplain(Value value, ::testing::MatchResultListener* listener) const override {
      if (value.ok()) return inner_.MatchAndExplain(*value, listener);
      *listener << "whose status is " << value.status().ToString();
      return false;
    }
    void DescribeTo(std::ostream* os) const override {
      *os << "is OK and holds a value that ";
      inner_.DescribeTo(os);
    }
    void DescribeNegationTo(std::ostream* os) const override {
      *os << "is an error or holds a value that ";
      inner_.DescribeNegationTo(os);
    }

   private:
    ::testing::Matcher<const Held&> inner_;
  };

  Inner inner_;
};

}  // namespace status_matchers_internal

// Matches a status, or the status of an absl::StatusOr, that is OK.
inline auto IsOk() {
  return ::testing::MakePolymorphicMatcher(status_matchers_internal::IsOkMatcher());
}

// Matches an absl::StatusOr that is OK and whose value matches `inner`.
template <typename Inner>
status_matchers_internal::IsOkAndHoldsMatcher<std::decay_t<Inner>> IsOkAndHolds(Inner&& inner) {
  return status_matchers_internal::IsOkAndHoldsMatcher<std::decay_t<Inner>>(
      std::forward<Inner>(inner));
}

// Matches an error of this code whose message matches `message`.
template <typename Message>
auto StatusIs(absl::StatusCode code, Message&& message) {
  return ::testing::MakePolymorphicMatcher(status_matchers_internal::StatusIsMatcher(
      code, ::testing::SafeMatcherCast<const std::string&>(std::forward<Message>(message))));
}

// Matches a status of this code, whatever its message.
inline auto StatusIs(absl::StatusCode code) { return StatusIs(code, ::testing::_); }

}  // namespace rcnn

#endif  // RCNN_BASE_TESTING_STATUS_MATCHERS_H_
