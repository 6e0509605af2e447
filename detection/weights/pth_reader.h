// Reads PyTorch state dicts in both formats of torch.save.
//
// zip (PyTorch 1.6 and newer): an archive with <root>/data.pkl, the pickle, and
// <root>/data/<key>, the storages. legacy: a magic number, the protocol, the writer's
// machine, the pickle, the list of storage keys, then each storage as an int64 number
// of elements and its elements. Both are little-endian.
//
// Prefer LoadStateDict (weights_file.h), which detects the format.

#ifndef RCNN_DETECTION_WEIGHTS_PTH_READER_H_
#define RCNN_DETECTION_WEIGHTS_PTH_READER_H_

#include <memory>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "rcnn/detection/weights/state_dict.h"

namespace rcnn::detection::weights {

// True if `bytes` start like a file of this format.
bool IsTorchZip(absl::string_view bytes);
bool IsTorchLegacy(absl::string_view bytes);

// Tensors that share a storage in the file share its memory here. The storages of a
// zip are copied out of `bytes`, with their checksums checked; those of a legacy file
// are used in place if they are aligned to their type, and keep `owner`, which owns
// `bytes`, alive. Errors name the record, the storage or the tensor.
absl::StatusOr<StateDict> ReadTorchZip(absl::string_view bytes);
absl::StatusOr<StateDict> ReadTorchLegacy(absl::string_view bytes,
                                          const std::shared_ptr<const void>& owner);

}  // namespace rcnn::detection::weights

#endif  // RCNN_DETECTION_WEIGHTS_PTH_READER_H_
