// Safetensors files as state dicts: base/safetensors.h with tensors.
//
// Prefer LoadStateDict and SaveStateDict (weights_file.h).

#ifndef RCNN_DETECTION_WEIGHTS_SAFETENSORS_STATE_H_
#define RCNN_DETECTION_WEIGHTS_SAFETENSORS_STATE_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "rcnn/detection/weights/state_dict.h"

namespace rcnn::detection::weights {

// Tensors that are aligned to their type point into `bytes` and keep `owner`, which owns
// `bytes`, alive; others are copied. The order is that of the bytes in the file. Returns
// the errors of SafetensorsView::Parse, and kUnimplemented, naming the tensor, for a type
// that LibTorch does not have (U16, U32, U64).
absl::StatusOr<StateDict> ReadSafetensors(absl::string_view bytes,
                                          const std::shared_ptr<const void>& owner);

// Writes contiguous copies, one tensor at a time, and replaces the file atomically.
// The file's order is the format's choice (larger elements first, then by name), not
// the dict's. kUnimplemented, naming the tensor, for a type that the format does not
// have; also the errors of base/file_io.h.
absl::Status WriteSafetensorsState(const StateDict& state, const std::string& path);

}  // namespace rcnn::detection::weights

#endif  // RCNN_DETECTION_WEIGHTS_SAFETENSORS_STATE_H_
