// The address of this machine on the network that leads to another one.
//
// Gloo by itself takes the address that the machine's own name resolves to, which is often
// 127.0.1.1 and cannot be reached from others.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(const std::string address, FindOwnAddress("node1", 29500));

#ifndef RCNN_TRAINING_DISTRIBUTED_OWN_ADDRESS_H_
#define RCNN_TRAINING_DISTRIBUTED_OWN_ADDRESS_H_

#include <string>

#include "absl/status/statusor.h"

namespace rcnn::training {

// Numeric, "10.0.0.2". Sends nothing. kNotFound if the name cannot be resolved; kUnavailable if no
// network leads there.
absl::StatusOr<std::string> FindOwnAddress(const std::string& host, int port);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_DISTRIBUTED_OWN_ADDRESS_H_
