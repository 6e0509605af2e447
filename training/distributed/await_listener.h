// Waits until a program listens at a TCP port, as the processes of a group start at the same time.
//
// LibTorch's TCPStore retries after a whole second, which is longer than all the rest of joining.
//
// Example:
//   RCNN_RETURN_IF_ERROR(AwaitListener("node1", 29500, absl::Seconds(30)));

#ifndef RCNN_TRAINING_DISTRIBUTED_AWAIT_LISTENER_H_
#define RCNN_TRAINING_DISTRIBUTED_AWAIT_LISTENER_H_

#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace rcnn::training {

// Returns when a connection has been accepted; it is closed again, with nothing sent. kNotFound if
// the name cannot be resolved: at once if a name server says so, after `timeout` if none answers.
// kDeadlineExceeded, with the last error of a connection ("Connection refused"), after `timeout`.
absl::Status AwaitListener(const std::string& host, int port, absl::Duration timeout);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_DISTRIBUTED_AWAIT_LISTENER_H_
