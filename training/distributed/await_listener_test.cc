#include "rcnn/training/distributed/await_listener.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <thread>

#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/monotonic_time.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/training/distributed/free_port.h"

namespace rcnn::training {
namespace {

using ::testing::HasSubstr;

// A socket that listens at this port of the loopback interface.
int Listen(int port) {
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  EXPECT_EQ(listen(listener, 8), 0);
  return listener;
}

TEST(AwaitListenerTest, ReturnsSoonAfterAProgramListens) {
  const int port = FreePort();
  int listener = -1;
  const absl::Time start = MonotonicNow();
  std::thread later([&] {
    absl::SleepFor(absl::Milliseconds(100));
    listener = Listen(port);
  });
  EXPECT_THAT(AwaitListener("127.0.0.1", port, absl::Seconds(20)), IsOk());
  later.join();
  close(listener);
  EXPECT_GE(MonotonicNow() - start, absl::Milliseconds(100));
  EXPECT_LT(MonotonicNow() - start, absl::Seconds(10));
}

TEST(AwaitListenerTest, SaysWhyTimeIsUp) {
  EXPECT_THAT(AwaitListener("127.0.0.1", FreePort(), absl::Milliseconds(50)),
              StatusIs(absl::StatusCode::kDeadlineExceeded, HasSubstr("Connection refused")));
}

TEST(AwaitListenerTest, NamesAHostThatCannotBeResolved) {
  // Without a name server this takes the whole limit.
  EXPECT_THAT(AwaitListener("no such host", 29500, absl::Seconds(1)),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("no such host: ")));
}

}  // namespace
}  // namespace rcnn::training
