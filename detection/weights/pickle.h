// Reads Python pickles as data, and never runs them.
//
// A pickle is a program for a stack machine that may call any Python function. This
// machine has no functions. A name ("global") that the caller does not allow is an
// error; a call of an allowed name becomes a node that records the call, and the caller
// interprets it. Reads the parts of the binary protocols 2 to 5 that plain data needs,
// and Python 2's strings.
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
#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace rcnn::detection::weights {

enum class PickleKind {
  kNone,
  kBool,          // integer: 0 or 1
  kInteger,       // integer
  kFloat,         // real
  kString,        // text, as in the file: UTF-8 unless written by Python 2
  kBytes,         // text
  kTuple,         // items
  kList,          // items
  kDict,          // items: key, value, key, value, …; collections.OrderedDict too
  kGlobal,        // text: "module.name"
  kCall,          // callee, arguments: a tuple
  kPersistentId,  // items: the one value of the id
  kOther,         // text: "module.name" of a global that is not allowed, or of what made it
};

// "a string", "a list", for messages.
absl::string_view PickleKindName(PickleKind kind);

// A value. Like Python objects, nodes may form cycles: do not follow them without a
// limit. None, bools, integers below 256 and () have one node each in a pickle.
struct PickleNode {
  PickleKind kind = PickleKind::kNone;
  int64_t integer = 0;
  double real = 0.0;
  std::string text;
  std::vector<const PickleNode*> items;
  const PickleNode* callee = nullptr;
  const PickleNode* arguments = nullptr;
  // Additional attributes of an OrderedDict; null if none.
  const PickleNode* attributes = nullptr;
};

// The value of the last item whose key is this string; null if there is none or
// `node` is not a dict.
const PickleNode* FindInDict(const PickleNode& node, absl::string_view key);

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

// Memory that the values of a pickle may use: 1 MiB, and 16 bytes for each byte of the file.
inline constexpr size_t kFreePickleMemory = size_t{1} << 20;
inline constexpr size_t kPickleMemoryPerByte = 16;

// kResourceExhausted if `needed` bytes are more than that for a file of `file_bytes`.
absl::Status CheckPickleMemory(size_t needed, size_t file_bytes);

// A pickle and all its values, which live as long as it does.
class Pickle {
 public:
  // Reads one pickle from the start of `bytes`, which may contain more data after it.
  // kInvalidArgument, naming the opcode and its position, for anything else than such a
  // pickle; kDataLoss when it ends early; kResourceExhausted beyond a limit, that of
  // CheckPickleMemory among them.
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
