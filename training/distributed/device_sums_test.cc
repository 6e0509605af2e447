// With a backend whose sums end when the test says so.

#include "rcnn/training/distributed/device_sums.h"

#include <ATen/ATen.h>

#include <exception>
#include <memory>
#include <stdexcept>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/monotonic_time.h"
#include "rcnn/base/testing/status_matchers.h"

namespace rcnn::training {
namespace {

using ::testing::HasSubstr;

// What happens to the sums of a backend.
struct Script {
  int questions = 0;        // asked so far
  int until_completed = 0;  // questions until a sum ends; -1: never
  bool fails = false;       // ends with an error
  int begun = 0, waited = 0, closed = 0;
  bool all_ended = false;  // as the library was told
};

class ScriptedWork : public c10d::Work {
 public:
  explicit ScriptedWork(Script& script) : script_(script) {}
  bool isCompleted() override {
    return script_.until_completed >= 0 && script_.questions++ >= script_.until_completed;
  }
  std::exception_ptr exception() const override {
    return script_.fails ? std::make_exception_ptr(std::runtime_error("cable cut")) : nullptr;
  }
  bool wait(std::chrono::milliseconds) override {
    ++script_.waited;
    return true;
  }

 private:
  Script& script_;
};

class ScriptedBackend : public CollectiveBackend {
 public:
  explicit ScriptedBackend(Script& script)
      : CollectiveBackend(/*rank=*/0, /*size=*/2), script_(script) {}
  CollectiveWorkPtr allreduce(std::vector<at::Tensor>&, const c10d::AllreduceOptions&) override {
    ++script_.begun;
    return c10::make_intrusive<ScriptedWork>(script_);
  }
  void Close(bool all_ended) {
    ++script_.closed;
    script_.all_ended = all_ended;
  }

 private:
  Script& script_;
};

void CloseScripted(CollectiveBackend& backend, bool all_ended) {
  static_cast<ScriptedBackend&>(backend).Close(all_ended);
}

std::unique_ptr<DeviceSums> MakeSums(Script& script) {
  static const DeviceLibrary library = {"a script", nullptr, nullptr, &CloseScripted};
  return std::make_unique<DeviceSums>(library, c10::make_intrusive<ScriptedBackend>(script),
                                      c10::Device(c10::DeviceType::CPU));
}

absl::Status Nothing() { return absl::OkStatus(); }

TEST(DeviceSumsTest, WaitsForAllThatWereBegunAndOnceForEach) {
  Script script;
  script.until_completed = 5;
  const auto sums = MakeSums(script);
  EXPECT_THAT(sums->Finish(absl::Seconds(30), Nothing), IsOk());
  EXPECT_EQ(script.waited, 0);
  for (int i = 0; i < 3; ++i) sums->Begin(at::ones({2}));
  EXPECT_EQ(script.begun, 3);
  EXPECT_EQ(script.questions, 0) << "Begin has waited";
  EXPECT_THAT(sums->Finish(absl::Seconds(30), Nothing), IsOk());
  EXPECT_EQ(script.waited, 3);
  EXPECT_THAT(sums->Finish(absl::Seconds(30), Nothing), IsOk());
  EXPECT_EQ(script.waited, 3);
}

TEST(DeviceSumsTest, ASumThatDoesNotEndIsAnErrorAfterTheTimeLimit) {
  Script script;
  script.until_completed = -1;
  const auto sums = MakeSums(script);
  sums->Begin(at::ones({2}));
  const absl::Time start = MonotonicNow();
  EXPECT_THAT(sums->Finish(absl::Milliseconds(300), Nothing),
              StatusIs(absl::StatusCode::kDeadlineExceeded, HasSubstr("has not ended")));
  EXPECT_GE(MonotonicNow() - start, absl::Milliseconds(300));
  EXPECT_LT(MonotonicNow() - start, absl::Seconds(20));
}

TEST(DeviceSumsTest, AnErrorOfTheCheckEndsTheWait) {
  Script script;
  script.until_completed = -1;
  const auto sums = MakeSums(script);
  sums->Begin(at::ones({2}));
  int calls = 0;
  const auto check = [&] {
    return ++calls < 2 ? absl::OkStatus() : absl::DataLossError("rank 1: torn");
  };
  EXPECT_THAT(sums->Finish(absl::Minutes(10), check),
              StatusIs(absl::StatusCode::kDataLoss, "rank 1: torn"));
  EXPECT_EQ(calls, 2);
}

TEST(DeviceSumsTest, ThrowsTheErrorOfASum) {
  Script script;
  script.fails = true;
  const auto sums = MakeSums(script);
  sums->Begin(at::ones({2}));
  try {
    sums->Finish(absl::Seconds(30), Nothing).IgnoreError();
    FAIL() << "nothing thrown";
  } catch (const std::runtime_error& error) {
    EXPECT_STREQ(error.what(), "cable cut");
  }
  EXPECT_EQ(script.waited, 0);
}

TEST(DeviceSumsTest, TheLibraryHearsWhetherAllHasEnded) {
  for (const bool finishes : {true, false}) {
    for (const bool gives_up : {true, false}) {
      Script script;
      auto sums = MakeSums(script);
      sums->Begin(at::ones({2}));
      if (finishes) {
        EXPECT_THAT(sums->Finish(absl::Seconds(30), Nothing), IsOk());
      }
      if (gives_up) sums->GiveUp();
      EXPECT_EQ(script.closed, 0);
      sums.reset();
      EXPECT_EQ(script.closed, 1);
      EXPECT_EQ(script.all_ended, finishes && !gives_up);
    }
  }
}

}  // namespace
}  // namespace rcnn::training
