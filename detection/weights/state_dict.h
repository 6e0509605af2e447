// The named tensors of a model, in the order of a weights file.
//
// Readers of weights files return it, writers take it, and modules are filled from
// it. Names are those of names.md, or of another project until a NameMap
// (name_map.h) has been applied. Copies share the tensors.
//
// Tensors from a file may be in a read-only mapping of it: read or copy them, never
// modify them in place.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(StateDict weights, LoadStateDict("model.safetensors"));
//   for (const StateDict::Entry& entry : weights) Use(entry.name, entry.tensor);

#ifndef RCNN_DETECTION_WEIGHTS_STATE_DICT_H_
#define RCNN_DETECTION_WEIGHTS_STATE_DICT_H_

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"
#include "rcnn/base/file_io.h"

namespace rcnn::detection::weights {

class StateDict {
 public:
  struct Entry {
    std::string name;
    at::Tensor tensor;  // defined
  };

  // Appends a tensor. Returns false and does nothing if the name is taken.
  bool Add(std::string name, at::Tensor tensor);

  // Null if the name is unknown. Valid until the next Add.
  const at::Tensor* Find(absl::string_view name) const;

  // In the order of Add.
  const std::vector<Entry>& entries() const { return entries_; }
  std::vector<Entry>::const_iterator begin() const { return entries_.begin(); }
  std::vector<Entry>::const_iterator end() const { return entries_.end(); }
  size_t size() const { return entries_.size(); }
  bool empty() const { return entries_.empty(); }

  // The mapping of the file that the tensors lie in, if there is one.
  void SetFile(std::shared_ptr<const MappedFile> file) { file_ = std::move(file); }

  // Gives back the memory of a tensor of the file, or of a contiguous part of it, that has been
  // read and is not needed soon (MappedFile::ReleasePages). Does nothing to other tensors.
  void ReleasePages(const at::Tensor& part) const;

  // The same for bytes. The result keeps the mapping and outlives the state. Thread-safe. Null
  // without a file.
  std::function<void(const void* data, size_t bytes)> PageReleaser() const;

  // Calls `read` with flat parts of at most kPartNumbers numbers of a contiguous tensor, one after
  // the other, or once with any other tensor, and releases the pages of each. So a tensor of the
  // file need not be in memory as a whole while it is read.
  void ReadInParts(const at::Tensor& tensor,
                   absl::FunctionRef<void(const at::Tensor& part)> read) const;

  static constexpr int64_t kPartNumbers = int64_t{4} << 20;

  // Facts about the weights as text, stored by the formats that support it.
  std::map<std::string, std::string>& metadata() { return metadata_; }
  const std::map<std::string, std::string>& metadata() const { return metadata_; }

 private:
  std::vector<Entry> entries_;
  absl::flat_hash_map<std::string, size_t> index_;
  std::map<std::string, std::string> metadata_;
  std::shared_ptr<const MappedFile> file_;
};

// Bytes of all tensors.
int64_t TotalBytes(const StateDict& state);

// "[64, 3, 7, 7]", "[]" for a scalar.
std::string ShapeString(at::IntArrayRef sizes);

// One line per tensor: name, type, shape; then size and metadata. For reading, not parsing.
std::string DescribeStateDict(const StateDict& state);

}  // namespace rcnn::detection::weights

#endif  // RCNN_DETECTION_WEIGHTS_STATE_DICT_H_
