// Passes the images of a dataset through a network, for inference: reads them ahead, forms groups
// of one size, computes groups on all threads or on a device, and exchanges the results of ranks.
//
// Knows no network: a function computes the results of a batch. propose_all.h and detect_all.h use
// it.
//
// Example:
//   ImagePassage passage;
//   passage.device = device;
//   RCNN_RETURN_IF_ERROR(PassImages(
//       dataset, model->config(), passage, options,
//       [&](data::Batch& batch) { return Compute(batch); },
//       [&](InferredImage& image) { return Write(image.proposals); }));

#ifndef RCNN_TRAINING_STAGES_IMAGE_PASSAGE_H_
#define RCNN_TRAINING_STAGES_IMAGE_PASSAGE_H_

#include <c10/core/Device.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "rcnn/configs/model.pb.h"
#include "rcnn/data/core/dataset.h"
#include "rcnn/data/loader/batch.h"
#include "rcnn/training/stages/inference_options.h"
#include "rcnn/training/stages/inferred_image.h"

namespace rcnn::training {

struct ImagePassage {
  // That of the networks.
  c10::Device device = c10::Device(c10::DeviceType::CPU);
  // The first image, in [0, size of the dataset].
  int64_t first = 0;
  // BatchBuilderOptions::keep_bytes and needs_pixels.
  bool keep_bytes = false;
  std::function<bool(const data::BatchImage&)> needs_pixels = nullptr;
  // Each image is read and computed when the one before it is done, whatever
  // InferenceOptions::images_together says: as with maps of FrozenFeatures.
  bool one_by_one = false;
};

// Returns the result of each image of the batch, which may be changed. Called on several threads at
// once where the network is on the CPU and the images are small. Exceptions become errors.
using ComputeImages = absl::FunctionRef<std::vector<InferredImage>(data::Batch& batch)>;

// Calls take(result) with what `compute` returns for each image from passage.first on, in the order
// of the dataset; of several ranks, on rank 0. `model`: how images are normalised. The images
// before an error are taken. Calls options.progress, but not options.started.
//
// Errors as those of ProposeAll (propose_all.h): kCancelled after a shutdown request; those of
// images, of `take` and of `compute`, which name the image; kResourceExhausted if memory runs out,
// naming the fields to lower.
absl::Status PassImages(std::shared_ptr<const data::Dataset> dataset,
                        const configs::ModelConfig& model, const ImagePassage& passage,
                        const InferenceOptions& options, ComputeImages compute,
                        absl::FunctionRef<absl::Status(InferredImage&)> take);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_STAGES_IMAGE_PASSAGE_H_
