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
#include "gtest/gtest.h"

namespace rcnn {
namespace status_matchers_internal {

inline const absl::Status& GetStatus(const absl::Status& status) { return status; }

template <typename T>
const absl::Status& GetStatus(const absl::StatusOr<T>& value) {
  return value.status();
}

// A StatusMatcher of a status or an absl::StatusOr as a part of other matchers.
template <typename Value>
class StatusPart;

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

// What IsOk and StatusIs return.
class StatusMatcher {
 public:
  // Matches a status of this code whose message matches `message`. Every OK has an empty message.
  StatusMatcher(absl::StatusCode code, ::testing::Matcher<const std::string&> message);

  bool Matches(const absl::Status& status) const;
  void DescribeTo(std::ostream* os) const;
  void DescribeNegationTo(std::ostream* os) const;

  // What EXPECT_THAT says of a value that has this status and is written as `text`.
  ::testing::AssertionResult Check(const char* text, const absl::Status& status) const;

  // Converts to a matcher of a status or of any absl::StatusOr, for other matchers: Each(IsOk()).
  template <typename Value>
  operator ::testing::Matcher<Value>() const {  // NOLINT: implicit, as GoogleMock needs
    return ::testing::Matcher<Value>(new status_matchers_internal::StatusPart<Value>(*this));
  }

 private:
  absl::StatusCode code_;
  ::testing::Matcher<const std::string&> message_;
};

namespace status_matchers_internal {

template <typename Value>
class StatusPart : public ::testing::MatcherInterface<Value> {
 public:
  explicit StatusPart(StatusMatcher matcher) : matcher_(std::move(matcher)) {}

  bool MatchAndExplain(Value value, ::testing::MatchResultListener* listener) const override {
    const absl::Status& status = GetStatus(value);
    *listener << "whose status is " << status.ToString();
    return matcher_.Matches(status);
  }
  void DescribeTo(std::ostream* os) const override { matcher_.DescribeTo(os); }
  void DescribeNegationTo(std::ostream* os) const override { matcher_.DescribeNegationTo(os); }

 private:
  const StatusMatcher matcher_;
};

}  // namespace status_matchers_internal

// Matches a status, or the status of an absl::StatusOr, that is OK.
StatusMatcher IsOk();

// Matches an absl::StatusOr that is OK and whose value matches `inner`.
template <typename Inner>
status_matchers_internal::IsOkAndHoldsMatcher<std::decay_t<Inner>> IsOkAndHolds(Inner&& inner) {
  return status_matchers_internal::IsOkAndHoldsMatcher<std::decay_t<Inner>>(
      std::forward<Inner>(inner));
}

// Matches an error of this code whose message matches `message`.
template <typename Message>
StatusMatcher StatusIs(absl::StatusCode code, Message&& message) {
  return StatusMatcher(
      code, ::testing::SafeMatcherCast<const std::string&>(std::forward<Message>(message)));
}

// Matches a status of this code, whatever its message.
StatusMatcher StatusIs(absl::StatusCode code);

}  // namespace rcnn

namespace testing::internal {

// EXPECT_THAT(x, IsOk()) and EXPECT_THAT(x, StatusIs(...)). GoogleTest's own template would do, but
// it instantiates many functions for each type of x, and every second test of rcnn has such lines.
template <>
class PredicateFormatterFromMatcher<rcnn::StatusMatcher> {
 public:
  explicit PredicateFormatterFromMatcher(rcnn::StatusMatcher matcher)
      : matcher_(std::move(matcher)) {}

  template <typename T>
  AssertionResult operator()(const char* text, const T& value) const {
    return matcher_.Check(text, rcnn::status_matchers_internal::GetStatus(value));
  }

 private:
  const rcnn::StatusMatcher matcher_;
};

}  // namespace testing::internal

#endif  // RCNN_BASE_TESTING_STATUS_MATCHERS_H_
