#include "rcnn/base/monotonic_time.h"

#include <chrono>

namespace rcnn {

absl::Time MonotonicNow() {
  return absl::UnixEpoch() + absl::FromChrono(std::chrono::steady_clock::now().time_since_epoch());
}

}  // namespace rcnn
