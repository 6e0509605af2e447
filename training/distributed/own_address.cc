#include "rcnn/training/distributed/own_address.h"

#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include "absl/cleanup/cleanup.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace rcnn::training {

// Connecting a datagram socket only chooses the interface.
absl::StatusOr<std::string> FindOwnAddress(const std::string& host, int port) {
  addrinfo hints = {};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_DGRAM;
  addrinfo* found = nullptr;
  const std::string service = absl::StrCat(port);
  const int error = getaddrinfo(host.c_str(), service.c_str(), &hints, &found);
  if (error != 0) {
    return absl::NotFoundError(absl::StrCat(host, ": ", gai_strerror(error)));
  }
  const absl::Cleanup release = [found] { freeaddrinfo(found); };
  for (const addrinfo* entry = found; entry != nullptr; entry = entry->ai_next) {
    const int descriptor = socket(entry->ai_family, entry->ai_socktype, entry->ai_protocol);
    if (descriptor < 0) continue;
    const absl::Cleanup close_socket = [descriptor] { close(descriptor); };
    sockaddr_storage own = {};
    socklen_t size = sizeof(own);
    char name[NI_MAXHOST] = {};
    if (connect(descriptor, entry->ai_addr, entry->ai_addrlen) == 0 &&
        getsockname(descriptor, reinterpret_cast<sockaddr*>(&own), &size) == 0 &&
        getnameinfo(reinterpret_cast<sockaddr*>(&own), size, name, sizeof(name), nullptr, 0,
                    NI_NUMERICHOST) == 0) {
      return std::string(name);
    }
  }
  return absl::UnavailableError(absl::StrCat("no network leads to ", host));
}

}  // namespace rcnn::training
