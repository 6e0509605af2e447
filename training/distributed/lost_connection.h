// What the program says when a thread of LibTorch loses its connection to rank 0.
//
// LibTorch 1.13's TCPStore reads from rank 0 in a thread of its own. If the connection is reset, as
// when rank 0 is killed before it has accepted the connection or read all that has come, or its
// machine has started again, that thread throws what nobody catches. The program would end by
// SIGABRT, with "terminate called after throwing an instance of 'std::system_error'". With this it
// prints an error that names rank 0 and says how to resume, and exits as after any other error.
//
// Other exceptions that nobody catches end the program as before.
//
// Example:
//   ExplainLostConnections("rank 0 at node1:29500 has ended or cannot be reached");

#ifndef RCNN_TRAINING_DISTRIBUTED_LOST_CONNECTION_H_
#define RCNN_TRAINING_DISTRIBUTED_LOST_CONNECTION_H_

#include <string>

namespace rcnn::training {

// From now on, an exception of a lost connection that nobody catches prints `error`, the
// system's words for it, and how to resume, and exits with 1. Another call replaces `error`.
void ExplainLostConnections(const std::string& error);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_DISTRIBUTED_LOST_CONNECTION_H_
