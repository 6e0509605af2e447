// Executes the plan of a batch: decodes, transforms and normalises images, each
// directly into its slot.
//
// The images of a batch are independent of each other, so several threads may fill
// the same batch. loader.h does that; tools that need a single batch can use it
// directly.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(Batch batch, builder.Allocate(plan));
//   for (size_t i = 0; i < plan.images.size(); ++i) {
//     RCNN_RETURN_IF_ERROR(builder.Fill(plan, i, batch));
//   }

#ifndef RCNN_DATA_LOADER_BATCH_BUILDER_H_
#define RCNN_DATA_LOADER_BATCH_BUILDER_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "rcnn/configs/normalization.pb.h"
#include "rcnn/data/core/dataset.h"
#include "rcnn/data/loader/batch.h"
#include "rcnn/data/loader/batch_planner.h"
#include "rcnn/data/proposals/proposal_file.h"
#include "rcnn/ops/preprocess.h"

namespace rcnn::data {

// The images of a batch that one of several processes takes. Of n images these are
// [n index / parts, n (index + 1) / parts), rounded up: possibly none, but some for index 0.
struct BatchPart {
  int64_t index = 0;
  int64_t parts = 1;

  int64_t Begin(int64_t images) const { return (images * index + parts - 1) / parts; }
  int64_t End(int64_t images) const { return (images * (index + 1) + parts - 1) / parts; }
};

struct BatchBuilderOptions {
  configs::NormalizationConfig normalization;
  // Null: batches have no proposals.
  std::shared_ptr<const ProposalFile> proposals;
  // At most this many proposals per image, the best ones.
  int64_t max_proposals = 2000;
  // Called for each image, with `info`, index, size and scales set, from any thread. If it
  // returns false, for example because the image's features are cached, the file is not read
  // and the pixels are not computed. Null: all images need pixels.
  std::function<bool(const BatchImage&)> needs_pixels;
  // Leaves the resizing and normalising to the caller, who does it on the device of the network:
  // BatchImage::bytes and preprocess are set, and Batch::images has no memory of its own.
  bool keep_bytes = false;
  // The images whose pixels are computed; annotations and proposals are those of all.
  BatchPart part;
};

class BatchBuilder {
 public:
  // kInvalidArgument, naming the field, if an option is out of range.
  static absl::StatusOr<std::unique_ptr<BatchBuilder>> Create(
      std::shared_ptr<const Dataset> dataset, const BatchBuilderOptions& options);

  // A batch of the planned size, with pixels for the images of `part`, not yet filled.
  // kResourceExhausted if memory is exhausted.
  absl::StatusOr<Batch> Allocate(const BatchPlan& plan) const;

  // Fills image `slot` of a batch from Allocate(plan): pixels and padding, if needed, and
  // annotations. Thread-safe for different slots. Errors name the image.
  absl::Status Fill(const BatchPlan& plan, size_t slot, Batch& batch) const;

 private:
  BatchBuilder(std::shared_ptr<const Dataset> dataset, const BatchBuilderOptions& options,
               ops::PreprocessOptions preprocess)
      : dataset_(std::move(dataset)), options_(options), preprocess_(std::move(preprocess)) {}

  // Fills pixels and objects, or only the objects; `slot` undefined: another process's image.
  absl::Status FillSample(const PlannedImage& planned, const at::Tensor& slot,
                          BatchImage& entry) const;
  // Into `slot`, or into `entry` with keep_bytes.
  absl::Status FillPixels(const PlannedImage& planned, std::shared_ptr<const Image> image,
                          const at::Tensor& slot, BatchImage& entry) const;
  void FillObjects(const PlannedImage& planned, const std::vector<Object>& objects,
                   BatchImage& entry) const;
  absl::Status FillProposals(const PlannedImage& planned, BatchImage& entry) const;

  std::shared_ptr<const Dataset> dataset_;
  BatchBuilderOptions options_;
  ops::PreprocessOptions preprocess_;
};

}  // namespace rcnn::data

#endif  // RCNN_DATA_LOADER_BATCH_BUILDER_H_
