// A prepared model in a file that later processes map instead of reading and packing weights.
//
// Holds what prepared layers compute with (PreparedLayer::Stored) and all other parameters and
// saved buffers, in the order and alignment of memory: nothing is copied when it is read, and
// processes that use the same file share its pages. The file is in safetensors' format
// (base/safetensors.h), its arrays are bytes; a checksum of their names and bytes is in its
// metadata. It belongs to one instruction level, precision and LibTorch, which the caller keeps in
// the metadata; packed_cache.h does.
//
//   layer/NAME/weight, layer/NAME/bias   of a prepared layer
//   state/NAME                           any other parameter or buffer
//   a name and "!"                       fills up to the next multiple of 64 bytes
//
// Example:
//   RCNN_RETURN_IF_ERROR(WritePackedModel(*model, {{"key", "value"}}, path));
//   RCNN_ASSIGN_OR_RETURN(const PackedModelFile file, PackedModelFile::Open(path));
//   RCNN_RETURN_IF_ERROR(file.Fill(Precision::kFloat32, *same));

#ifndef RCNN_DETECTION_PACKED_MODEL_H_
#define RCNN_DETECTION_PACKED_MODEL_H_

#include <torch/nn/module.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "rcnn/base/safetensors.h"
#include "rcnn/detection/convolution/precision.h"

namespace rcnn::detection {

// The bytes that WritePackedModel would write, without the header.
int64_t PackedModelBytes(const torch::nn::Module& model);

// Writes a model atomically after PrepareForInference, when its weights have not been dropped yet.
// `metadata` must not have a "crc32c". Errors are those of the file system and of metadata that is
// not UTF-8.
absl::Status WritePackedModel(const torch::nn::Module& model, SafetensorsMetadata metadata,
                              const std::string& path);

class PackedModelFile {
 public:
  // Maps a file and checks the form of its header. Reads no array.
  static absl::StatusOr<PackedModelFile> Open(const std::string& path);

  const SafetensorsMetadata& metadata() const { return file_->view().metadata(); }

  // Fills a model of the same configuration in evaluation mode, which may have unfilled weights
  // (unfilled_weights.h), and prepares it for inference at the instruction level of the writer; its
  // tensors and packed weights then lie in the mapped file. kDataLoss if the checksum differs, or
  // if the file lacks a number that the model has, or has one that it lacks; the model is unusable
  // then.
  absl::Status Fill(Precision precision, torch::nn::Module& model) const;

 private:
  explicit PackedModelFile(SafetensorsFile file)
      : file_(std::make_shared<const SafetensorsFile>(std::move(file))) {}

  std::shared_ptr<const SafetensorsFile> file_;
};

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_PACKED_MODEL_H_
