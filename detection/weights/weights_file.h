// Reads and writes files of named tensors in several formats.
//
// Reads safetensors, PyTorch state dicts (.pth, .pt: the zip format and the older one) and Caffe
// models; the format is detected from the file's first bytes, not from its name. Code in a file is
// never run: a pickle that names a function to start programs is an error, and objects that are not
// tensors are skipped (torch_pickle.h). Tensors keep their names; name_map.h changes them.
//
// Errors name the path and the record. kInvalidArgument or kDataLoss for a
// malformed or truncated file, kUnimplemented for a known but unsupported format or
// element type; otherwise as in base/file_io.h.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(StateDict weights, LoadStateDict("vgg16-397923af.pth"));
//   RCNN_RETURN_IF_ERROR(SaveStateDict(weights, "vgg16.safetensors"));

#ifndef RCNN_DETECTION_WEIGHTS_WEIGHTS_FILE_H_
#define RCNN_DETECTION_WEIGHTS_WEIGHTS_FILE_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "rcnn/detection/weights/state_dict.h"

namespace rcnn::detection::weights {

enum class WeightsFormat { kSafetensors, kTorchZip, kTorchLegacy, kCaffeModel };

// "safetensors", "PyTorch zip", "PyTorch legacy", "Caffe".
absl::string_view WeightsFormatName(WeightsFormat format);

// Detects the format by the contents. kInvalidArgument, saying what the file looks
// like, for any other file.
absl::StatusOr<WeightsFormat> DetectWeightsFormat(absl::string_view bytes);

// Reads a file that is in memory. Tensors may point into `bytes`; they keep
// `owner`, which owns them, alive.
absl::StatusOr<StateDict> ReadStateDict(absl::string_view bytes,
                                        const std::shared_ptr<const void>& owner);

// Reads a file. The tensors may lie in a read-only mapping of the file, which must not be
// truncated during their lifetime; they keep it alive.
absl::StatusOr<StateDict> LoadStateDict(const std::string& path);

// Writes safetensors if the path ends in .safetensors, and a PyTorch zip, which
// torch.load reads, for .pth and .pt; kInvalidArgument for other extensions. The
// file is replaced atomically. Tensors may be on any device.
absl::Status SaveStateDict(const StateDict& state, const std::string& path);

}  // namespace rcnn::detection::weights

#endif  // RCNN_DETECTION_WEIGHTS_WEIGHTS_FILE_H_
