// The labels of a list of class names.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(ClassIndex index, ClassIndex::Create({"cat", "dog"}));
//   index.FindLabel("dog");  // 2
//   index.FindLabel("cow");  // 0

#ifndef RCNN_DATA_CORE_CLASS_INDEX_H_
#define RCNN_DATA_CORE_CLASS_INDEX_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace rcnn::data {

// False for an empty name and one with a control character.
bool IsClassName(absl::string_view name);

class ClassIndex {
 public:
  // kInvalidArgument, naming it, for a name that is a duplicate or not a class name; also
  // for an empty list.
  static absl::StatusOr<ClassIndex> Create(const std::vector<std::string>& names);

  // 1..K; 0 for an unknown name.
  int64_t FindLabel(absl::string_view name) const;

 private:
  absl::flat_hash_map<std::string, int64_t> labels_;
};

}  // namespace rcnn::data

#endif  // RCNN_DATA_CORE_CLASS_INDEX_H_
