// A trained model as a directory of two files: its description and its weights.
//
//   detector.textproto   configs/model.proto, DetectorConfig: network, class names,
//                        input
//   model.safetensors    every parameter and buffer under rcnn's names
//                        (weights/names.md), and their metadata, such as class names
//                        (model_metadata.h)
//
// Training writes it, detector.h runs it, and convert_weights converts its weights
// to other formats. Other files in the directory are ignored.
//
// Example:
//   RCNN_RETURN_IF_ERROR(WriteModelDirectory(path, config, SavedState(*model)));
//   RCNN_ASSIGN_OR_RETURN(ModelDirectory files, ReadModelDirectory(path));
//   RCNN_ASSIGN_OR_RETURN(auto same, MakeTrainedModel(files.config, files.weights));

#ifndef RCNN_DETECTION_MODEL_DIRECTORY_H_
#define RCNN_DETECTION_MODEL_DIRECTORY_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "rcnn/base/file_state.h"
#include "rcnn/configs/model.pb.h"
#include "rcnn/detection/faster_rcnn.h"
#include "rcnn/detection/weights/state_dict.h"

namespace rcnn::detection {

inline constexpr char kModelConfigFile[] = "detector.textproto";
inline constexpr char kModelWeightsFile[] = "model.safetensors";

struct ModelDirectory {
  configs::DetectorConfig config;
  // The tensors may alias a read-only mapping of the file: do not write to them.
  weights::StateDict weights;
  // Of their file, and its state before it was read.
  std::string weights_path;
  FileState weights_state;
};

// `path` is the directory, or the weights' file in it. Errors name the file and, in
// the config, line and column, or the disagreement between the config and the
// weights' metadata.
absl::StatusOr<ModelDirectory> ReadModelDirectory(const std::string& path);

// Creates the directory, with parents, or replaces the two files in it, each
// atomically, the weights first. kInvalidArgument for a config that
// CheckDetectorConfig refuses.
absl::Status WriteModelDirectory(const std::string& directory,
                                 const configs::DetectorConfig& config,
                                 const weights::StateDict& weights);

// The saved state of a model: FasterRcnn::StateToSave.
weights::StateDict SavedState(const FasterRcnn& model);

// Where MakeTrainedModel leaves the weights of convolutions and linear layers.
enum class WeightsMemory {
  // In the model's own memory.
  kOwn,
  // Where they are, to be packed for inference on the CPU (borrowed_weights.h).
  kBorrowed,
};

// The model that the config describes, filled with the weights, which must fit it
// tensor by tensor: kInvalidArgument or kFailedPrecondition otherwise, saying what
// is wrong: number of classes, anchors per cell, pixels, network, or values that
// are not finite.
absl::StatusOr<std::shared_ptr<FasterRcnn>> MakeTrainedModel(
    const configs::DetectorConfig& config, const weights::StateDict& weights,
    WeightsMemory memory = WeightsMemory::kOwn);

// kInvalidArgument naming the field: missing class names for a head; class names
// that are empty, multi-line or not unique; input options out of range.
absl::Status CheckDetectorConfig(const configs::DetectorConfig& config);

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_MODEL_DIRECTORY_H_
