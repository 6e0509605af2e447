// The values of a Python pickle, as data (pickle.h reads them).
//
// Example:
//   const PickleNode* step = FindInDict(dict, "step");
//   if (step == nullptr || step->kind != PickleKind::kInteger) return absl::NotFoundError("step");

#ifndef RCNN_DETECTION_WEIGHTS_PICKLE_NODE_H_
#define RCNN_DETECTION_WEIGHTS_PICKLE_NODE_H_

#include <cstdint>
#include <string>
#include <vector>

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

}  // namespace rcnn::detection::weights

#endif  // RCNN_DETECTION_WEIGHTS_PICKLE_NODE_H_
