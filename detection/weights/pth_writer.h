// Writes state dicts that Python's torch.load reads, in the zip format.
//
// The pickle names only functions that torch.save also names, so that
// torch.load(weights_only=True) accepts it. Metadata becomes the attribute
// rcnn_metadata of the OrderedDict, which load_state_dict ignores.
//
// Prefer SaveStateDict (weights_file.h).

#ifndef RCNN_DETECTION_WEIGHTS_PTH_WRITER_H_
#define RCNN_DETECTION_WEIGHTS_PTH_WRITER_H_

#include <string>

#include "absl/status/status.h"
#include "rcnn/detection/weights/state_dict.h"

namespace rcnn::detection::weights {

// Replaces the file atomically. kUnimplemented, naming the tensor, for a type
// that this module does not read (complex, quantised); otherwise the errors of base/file_io.h.
absl::Status WriteTorchZip(const StateDict& state, const std::string& path);

}  // namespace rcnn::detection::weights

#endif  // RCNN_DETECTION_WEIGHTS_PTH_WRITER_H_
