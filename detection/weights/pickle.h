// Reads Python pickles as data, and never runs them.
//
// A pickle is a program for a stack machine that may call any Python function. This
// machine has no functions. A name ("global") that the caller does not allow is an
// error; a call of an allowed name becomes a node that records the call, and the caller
// interprets it. Reads the parts of the binary protocols 2 to 5 that plain data needs,
// and Python 2's strings. pickle_node.h has the values.
//
// Source: PEP 307, PEP 3154, PEP 574 and CPython's Lib/pickletools.py for the
// opcodes and their arguments.
//
// Example:
//   PickleOptions options;
//   options.allows_global = [](absl::string_view name) { return name == "builtins.complex"; };
//   RCNN_ASSIGN_OR_RETURN(Pickle pickle, Pickle::Parse(bytes, options));
//   for (const PickleNode* item : pickle.root().items) Use(item->text);

#ifndef RCNN_DETECTION_WEIGHTS_PICKLE_H_
#define RCNN_DETECTION_WEIGHTS_PICKLE_H_

#include <cstddef>
#include <deque>
#include <functional>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "rcnn/detection/weights/pickle_node.h"

namespace rcnn::detection::weights {

struct PickleOptions {
  // Whether "module.name" may appear. collections.OrderedDict always may.
  std::function<bool(absl::string_view)> allows_global;
  // Other globals that become kOther nodes of unknown value instead of an error, for data
  // stored beside the wanted data. None by default.
  std::function<bool(absl::string_view)> skips_global;
  // Limits on the pickle's length, and on the number of values, reused values, memo
  // entries and marks; more is an error. A value needs 100 to 200 bytes; a network's state
  // dict has about twelve values per tensor.
  size_t max_bytes = size_t{64} << 20;
  size_t max_nodes = 1'000'000;
  // Size of the file that the pickle is a part of, if it is larger than the bytes given.
  size_t file_bytes = 0;
};

// A pickle and all its values, which live as long as it does.
class Pickle {
 public:
  // Reads one pickle from the start of `bytes`, which may contain more data after it.
  // kInvalidArgument, naming the opcode and its position, for anything else than such a
  // pickle; kDataLoss when it ends early; kResourceExhausted beyond a limit, that of
  // CheckPickleMemory (pickle_memory.h) among them.
  static absl::StatusOr<Pickle> Parse(absl::string_view bytes, const PickleOptions& options);

  const PickleNode& root() const { return *root_; }

  // All values, in the order of their creation.
  const std::deque<PickleNode>& nodes() const { return nodes_; }

  // Length of the pickle in bytes.
  size_t size_bytes() const { return size_bytes_; }

 private:
  Pickle() = default;

  std::deque<PickleNode> nodes_;  // stable addresses
  const PickleNode* root_ = nullptr;
  size_t size_bytes_ = 0;
};

}  // namespace rcnn::detection::weights

#endif  // RCNN_DETECTION_WEIGHTS_PICKLE_H_
