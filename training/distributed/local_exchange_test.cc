// Ranks are threads of this process; what ends a process is in rank_group_test.cc.

#include "rcnn/training/distributed/local_exchange.h"

#include <pthread.h>
#include <signal.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/monotonic_time.h"
#include "rcnn/base/testing/status_matchers.h"

namespace rcnn::training {
namespace {

using ::testing::HasSubstr;

constexpr absl::Duration kLimit = absl::Seconds(30);

using Exchanges = std::vector<std::unique_ptr<LocalExchange>>;

Exchanges OpenAll(int ranks) {
  Exchanges all;
  auto first = LocalExchange::Create(ranks);
  EXPECT_THAT(first, IsOk());
  all.push_back(*std::move(first));
  for (int rank = 1; rank < ranks; ++rank) {
    auto opened = LocalExchange::Open(all.front()->address(), rank, ranks);
    EXPECT_THAT(opened, IsOk());
    all.push_back(*std::move(opened));
  }
  return all;
}

// Calls `work` for each rank, in a thread of its own.
void RunAll(const Exchanges& exchanges, const std::function<void(LocalExchange&, int)>& work) {
  std::vector<std::thread> threads;
  for (size_t rank = 0; rank < exchanges.size(); ++rank) {
    threads.emplace_back([&, rank] { work(*exchanges[rank], static_cast<int>(rank)); });
  }
  for (std::thread& thread : threads) thread.join();
}

// Values whose sum depends on the order of the additions.
float Uneven(int rank, size_t i) {
  return static_cast<float>(i + 1) * (rank == 0 ? 1e8f : 0.1f * static_cast<float>(rank));
}

// Arrays that lie in one slot, in several, on a border, and that are empty; added up again and
// again, as slots are used in turn.
TEST(LocalExchangeTest, AddsInTheOrderOfTheRanks) {
  for (const int ranks : {2, 3, 5}) {
    SCOPED_TRACE(ranks);
    const Exchanges exchanges = OpenAll(ranks);
    RunAll(exchanges, [&](LocalExchange& exchange, int rank) {
      for (const std::vector<size_t>& sizes :
           std::vector<std::vector<size_t>>{{3, 0, 700001, 600000}, {1}, {}, {1 << 19, 2}}) {
        std::vector<std::vector<float>> arrays;
        std::vector<absl::Span<float>> spans;
        for (const size_t size : sizes) arrays.emplace_back(size);
        for (std::vector<float>& array : arrays) {
          for (size_t i = 0; i < array.size(); ++i) array[i] = Uneven(rank, i);
          spans.push_back(absl::MakeSpan(array));
        }
        EXPECT_THAT(exchange.Sum(spans, kLimit), IsOk());
        int64_t wrong = 0;
        for (const std::vector<float>& array : arrays) {
          for (size_t i = 0; i < array.size(); ++i) {
            float expected = Uneven(0, i) + Uneven(1, i);
            for (int other = 2; other < ranks; ++other) expected += Uneven(other, i);
            wrong += array[i] == expected ? 0 : 1;
          }
        }
        EXPECT_EQ(wrong, 0) << "rank " << rank << ", arrays " << sizes.size();
      }
    });
  }
}

TEST(LocalExchangeTest, ExchangesBytesOfAnyLength) {
  std::vector<std::string> messages;
  for (const size_t length : {size_t{0}, size_t{10}, size_t{5000000}}) {
    messages.emplace_back(length, static_cast<char>('a' + messages.size()));
    for (size_t i = 0; i < length; i += 1000) messages.back()[i] = static_cast<char>(i / 1000);
  }
  RunAll(OpenAll(3), [&](LocalExchange& exchange, int rank) {
    for (int turn = 0; turn < 3; ++turn) {
      const auto all = exchange.AllGather(messages[static_cast<size_t>(rank)], kLimit);
      EXPECT_THAT(all, IsOk());
      EXPECT_TRUE(all.ok() && *all == messages) << "rank " << rank << ", turn " << turn;
      const auto words = exchange.AllGather(absl::StrCat(rank, " ", turn), kLimit);
      EXPECT_THAT(words, IsOkAndHolds(testing::ElementsAre(absl::StrCat("0 ", turn),
                                                           absl::StrCat("1 ", turn),
                                                           absl::StrCat("2 ", turn))));
    }
  });
}

TEST(LocalExchangeTest, NoticesARankThatLeaves) {
  Exchanges exchanges = OpenAll(3);
  exchanges[2].reset();
  exchanges.pop_back();
  RunAll(exchanges, [](LocalExchange& exchange, int) {
    EXPECT_THAT(exchange.AllGather("", kLimit),
                StatusIs(absl::StatusCode::kUnavailable, HasSubstr("rank 2 has closed")));
  });
}

TEST(LocalExchangeTest, ARankThatDoesNotComeIsAnErrorAfterTheTimeLimit) {
  const Exchanges exchanges = OpenAll(2);
  EXPECT_THAT(exchanges[0]->AllGather("", absl::Milliseconds(200)),
              StatusIs(absl::StatusCode::kDeadlineExceeded, HasSubstr("not come")));
}

// The waiting thread gets a signal far more often than it checks the time.
TEST(LocalExchangeTest, SignalsDoNotProlongTheWait) {
  struct sigaction ignore = {};
  ignore.sa_handler = [](int) {};
  ASSERT_EQ(sigaction(SIGUSR1, &ignore, nullptr), 0);
  const Exchanges exchanges = OpenAll(2);
  const pthread_t waiting = pthread_self();
  std::atomic<bool> has_ended = false;
  std::thread signals([&] {
    for (int i = 0; i < 4000 && !has_ended; ++i) {
      pthread_kill(waiting, SIGUSR1);
      absl::SleepFor(absl::Milliseconds(5));
    }
  });
  const absl::Time start = MonotonicNow();
  EXPECT_THAT(exchanges[0]->AllGather("", absl::Milliseconds(200)),
              StatusIs(absl::StatusCode::kDeadlineExceeded, HasSubstr("not come")));
  has_ended = true;
  signals.join();
  EXPECT_LT(MonotonicNow() - start, absl::Seconds(10));
}

TEST(LocalExchangeTest, GroupsOfOneProcessDoNotMix) {
  const Exchanges groups[] = {OpenAll(2), OpenAll(2)};
  for (const Exchanges& group : groups) {
    const std::string own = group.front()->address();
    RunAll(group, [&](LocalExchange& exchange, int) {
      EXPECT_THAT(exchange.AllGather(own, kLimit), IsOkAndHolds(testing::ElementsAre(own, own)));
    });
  }
}

TEST(LocalExchangeTest, RefusesAddressesOfOtherMemory) {
  const Exchanges exchanges = OpenAll(2);
  const std::string address = exchanges[0]->address();
  EXPECT_THAT(LocalExchange::Open("another-machine 1 2 3", 1, 2),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("another machine")));
  EXPECT_THAT(LocalExchange::Open("", 1, 2), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(LocalExchange::Open(address + "7", 1, 2),
              StatusIs(absl::StatusCode::kUnavailable, testing::_));
  // Of a group of another size.
  EXPECT_THAT(LocalExchange::Open(address, 1, 3),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("not the shared memory")));
}

}  // namespace
}  // namespace rcnn::training
