// Reads the pickle of a PyTorch state dict: its tensors, and the position of their
// elements in the storages. The storages themselves are stored next to the pickle:
// see pth_reader.h.
//
// Allows only the names that state dicts use: collections.OrderedDict,
// torch._utils._rebuild_tensor(_v2), _rebuild_parameter and torch's storage types.
// Objects of other names may occur beside the tensors (a checkpoint's arguments, for
// example) and are skipped. Errors naming them are a tensor of an unsupported kind
// (torch._utils._rebuild_qtensor) inside the state dict, an object that is the whole
// pickle (a pickled module), and anywhere a name of a module that starts programs or runs
// code (os.system). Nothing in a pickle is ever run.

#ifndef RCNN_DETECTION_WEIGHTS_TORCH_PICKLE_H_
#define RCNN_DETECTION_WEIGHTS_TORCH_PICKLE_H_

#include <c10/core/ScalarType.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "rcnn/detection/weights/pickle.h"

namespace rcnn::detection::weights {

// A storage as described by the pickle.
struct PickledStorage {
  at::ScalarType type = at::kFloat;
  int64_t elements = 0;
};

// A tensor as a view of a storage. Sizes, strides and offset count elements of the storage's
// type; they are checked: every element is in the storage, and there are no more elements than in
// the storage (as there would be in a tensor expanded without copying).
struct PickledTensor {
  std::string name;
  std::string storage_key;
  PickledStorage storage;
  int64_t offset = 0;
  std::vector<int64_t> sizes;
  std::vector<int64_t> strides;
};

struct PickledStateDict {
  std::vector<PickledTensor> tensors;  // in the order of the dict
  // All storages that the pickle names, by key, including those of tensors outside
  // the state dict (an optimiser's).
  std::map<std::string, PickledStorage> storages;
  // The attribute rcnn_metadata of the dict.
  std::map<std::string, std::string> metadata;
  size_t size_bytes = 0;  // of the pickle
};

// Whether a pickle of a state dict may use "module.name".
bool IsStateDictGlobal(absl::string_view name);

// Whether "module.name" may occur in a pickle beside the state dict: not if it starts
// programs or runs code.
bool IsHarmlessGlobal(absl::string_view name);

// Reads the pickle at the start of `bytes`: a dict of tensors, or a checkpoint, which is a
// dict with such a dict under any key, at most four dicts deep. Of several, the one under
// state_dict, model_state_dict, model or net is taken; otherwise they are an error naming
// their keys. Numbers, strings, bytes, None, lists, tuples, dicts and objects of other
// names in a state dict are skipped; any other entry that is not a tensor is an error
// naming it.
// `file_bytes` is the size of the file, if that is larger than `bytes`; more memory than fits
// it (CheckPickleMemory) is kResourceExhausted, the tensors made of the result included.
absl::StatusOr<PickledStateDict> ParseStateDictPickle(absl::string_view bytes,
                                                      size_t file_bytes = 0);

}  // namespace rcnn::detection::weights

#endif  // RCNN_DETECTION_WEIGHTS_TORCH_PICKLE_H_
