#include "rcnn/training/distributed/await_listener.h"

#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "rcnn/base/monotonic_time.h"

namespace rcnn::training {
namespace {

constexpr absl::Duration kPause = absl::Milliseconds(10);
constexpr absl::Duration kNamePause = absl::Milliseconds(200);

// Finds the addresses of a host and returns 0, or the error of getaddrinfo. Asks again while no
// name server answers, as at the start of a container.
int FindAddresses(const std::string& host, int port, absl::Time deadline, addrinfo** found) {
  addrinfo hints = {};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  const std::string service = absl::StrCat(port);
  while (true) {
    const int error = getaddrinfo(host.c_str(), service.c_str(), &hints, found);
    if (error != EAI_AGAIN || MonotonicNow() + kNamePause >= deadline) return error;
    absl::SleepFor(kNamePause);
  }
}

// The error number of a connection to the address, 0 if it was accepted.
int TryAddress(const addrinfo& address, absl::Duration timeout) {
  const int descriptor =
      socket(address.ai_family, address.ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (descriptor < 0) return errno;
  const absl::Cleanup close_socket = [descriptor] { close(descriptor); };
  if (connect(descriptor, address.ai_addr, address.ai_addrlen) == 0) return 0;
  if (errno != EINPROGRESS) return errno;
  pollfd connected = {descriptor, POLLOUT, 0};
  const int64_t left_ms = std::max<int64_t>(1, absl::ToInt64Milliseconds(timeout));
  const int ready = poll(&connected, 1, static_cast<int>(std::min<int64_t>(left_ms, 1 << 30)));
  if (ready <= 0) return ready == 0 ? ETIMEDOUT : errno;
  int error = 0;
  socklen_t size = sizeof(error);
  return getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &size) == 0 ? error : errno;
}

}  // namespace

absl::Status AwaitListener(const std::string& host, int port, absl::Duration timeout) {
  const absl::Time deadline = MonotonicNow() + timeout;
  addrinfo* found = nullptr;
  const int unresolved = FindAddresses(host, port, deadline, &found);
  if (unresolved != 0) {
    return absl::NotFoundError(absl::StrCat(host, ": ", gai_strerror(unresolved)));
  }
  const absl::Cleanup release = [found] { freeaddrinfo(found); };
  while (true) {
    int error = 0;
    for (const addrinfo* address = found; address != nullptr; address = address->ai_next) {
      error = TryAddress(*address, deadline - MonotonicNow());
      if (error == 0) return absl::OkStatus();
    }
    if (MonotonicNow() + kPause >= deadline) return absl::DeadlineExceededError(strerror(error));
    absl::SleepFor(kPause);
  }
}

}  // namespace rcnn::training
