// The named tensors of a model, in order, as a weights file holds them.
//
// What readers of weights files return, writers take, and modules are filled
// from. Names are those of names.md, or of another project until a NameMap
// (name_map.h) has been applied. Copies share the tensors.
//
// Tensors that come from a file may lie in a read-only mapping of it: they are
// to be read or copied from, never changed in place.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(StateDict weights, LoadStateDict("model.safetensors"));
//   for (const StateDict::Entry& entry : weights) { ... entry.name, entry.tensor ... }

#ifndef RCNN_DETECTION_WEIGHTS_STATE_DICT_H_
#define RCNN_DETECTION_WEIGHTS_STATE_DICT_H_

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"

namespace rcnn::detection::weights {

class StateDict {
 public:
  struct Entry {
    std::string name;
    at::Tensor tensor;  // defined
  };

  // Appends a tensor. Returns false, and changes nothing, if the name is taken.
  bool Add(std::string name, at::Tensor tensor);

  // Null if there is none of that name. Valid until the next Add.
  const at::Tensor* Find(absl::string_view name) const;

  // In the order of Add.
  const std::vector<Entry>& entries() const { return entries_; }
  std::vector<Entry>::const_iterator begin() const { return entries_.begin(); }
  std::vector<Entry>::const_iterator end() const { return entries_.end(); }
  size_t size() const { return entries_.size(); }
  bool empty() const { return entries_.empty(); }

  // Facts about the weights as text, kept by the formats that can.
  std::map<std::string, std::string>& metadata() { return metadata_; }
  const std::map<std::string, std::string>& metadata() const { return metadata_; }

 private:
  std::vector<Entry> entries_;
  absl::flat_hash_map<std::string, size_t> index_;
  std::map<std::string, std::string> metadata_;
};

// Bytes of all tensors.
int64_t TotalBytes(const StateDict& state);

// "[64, 3, 7, 7]", "[]" for a scalar.
std::string ShapeString(at::IntArrayRef sizes);

// One line per tensor: name, type, shape; then the metadata. For people.
std::string DescribeStateDict(const StateDict& state);

}  // namespace rcnn::detection::weights

#endif  // RCNN_DETECTION_WEIGHTS_STATE_DICT_H_
