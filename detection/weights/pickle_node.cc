#include "rcnn/detection/weights/pickle_node.h"

#include <cstddef>

namespace rcnn::detection::weights {

absl::string_view PickleKindName(PickleKind kind) {
  static constexpr absl::string_view kNames[] = {"None",
                                                 "a bool",
                                                 "an integer",
                                                 "a float",
                                                 "a string",
                                                 "bytes",
                                                 "a tuple",
                                                 "a list",
                                                 "a dict",
                                                 "a global",
                                                 "a called object",
                                                 "a persistent id",
                                                 "an object of another kind"};
  return kNames[static_cast<size_t>(kind)];
}

const PickleNode* FindInDict(const PickleNode& node, absl::string_view key) {
  if (node.kind != PickleKind::kDict) return nullptr;
  for (size_t i = node.items.size(); i >= 2; i -= 2) {
    const PickleNode& name = *node.items[i - 2];
    if (name.kind == PickleKind::kString && name.text == key) return node.items[i - 1];
  }
  return nullptr;
}

}  // namespace rcnn::detection::weights
