// Runs trained networks over a dataset: proposals, and detections.
//
// Images go through without the random changes of training, decoded ahead by the loader, on the CPU
// small ones on one thread each (small_images.h). On another device they are resized and normalised
// there: their bytes are copied while the network computes on earlier images. Several images of one
// size may go through together. Results come in the order of the dataset. Networks may be on any
// device, RPN and detector on the same.
//
// Several ranks share the images: of R ranks, rank r computes the images r, R + r, 2 R + r, ... of
// the dataset. Rank 0 gets all results, in the same order and, unless several images go through
// together, with the same bits as a process alone; the others get none.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(eval::Detections found, DetectAll({model, model}, dataset, options));

#ifndef RCNN_TRAINING_STAGES_INFERENCE_H_
#define RCNN_TRAINING_STAGES_INFERENCE_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "rcnn/configs/loader.pb.h"
#include "rcnn/configs/model.pb.h"
#include "rcnn/configs/transform.pb.h"
#include "rcnn/data/core/dataset.h"
#include "rcnn/data/core/sample.h"
#include "rcnn/data/proposals/proposal_file.h"
#include "rcnn/detection/faster_rcnn.h"
#include "rcnn/eval/detections.h"
#include "rcnn/training/distributed/rank_group.h"
#include "rcnn/training/trainer/feature_cache.h"
#include "rcnn/training/trainer/frozen_features.h"

namespace rcnn::training {

// In pixels of the stored image, best first.
struct InferredProposals {
  std::vector<data::Box> boxes;
  std::vector<float> scores;
};

struct InferenceOptions {
  configs::TransformConfig transform;
  configs::LoaderResources loader;
  // DetectAll without an RPN: the proposals, and how many per image; 0: all.
  std::shared_ptr<const data::ProposalFile> proposals;
  int64_t max_proposals = 0;
  // ProposeAll: the source of the maps; null: computed by the network.
  std::shared_ptr<FrozenFeatures> features;
  // Maps that take memory meanwhile, whether they are used or not, so that the error of memory that
  // runs out names the field which limits them; null: those of `features`.
  std::shared_ptr<const FeatureCache> cache = nullptr;
  // For how many sizes of images the network is launched as a graph on a GPU
  // (detection/graphed_network.h), which does not change the results. Without effect on networks
  // that share no backbone, on stored proposals, and with `features`.
  int64_t max_graphs = 0;
  // Images of one size that go through the network together, at most, >= 1; of several ranks 16 at
  // most. Results are those of 1 up to rounding: on the CPU scores within 1e-5. Which images are
  // together depends on `first`, the threads and the ranks. One by one with `features`.
  int64_t images_together = 1;
  // DetectAll: called after each image with the proposals that its detections come from.
  std::function<void(InferredProposals proposals)> take_proposals;
  // Called before the first image, with the number of images before it.
  std::function<void(int64_t done)> started = nullptr;
  // Called with the number of finished images, once for the images that are computed at a time, so
  // that the time between two calls is that of the images between them. Of several ranks, on rank 0
  // after each exchange.
  std::function<void(int64_t done)> progress;
  // The ranks that share the images, all of which make the same call; null: this process alone.
  std::shared_ptr<RankGroup> ranks = nullptr;
};

// Passes the proposals of `model`'s RPN to `take`, image by image, from image `first` on;
// `mirrored`: those of the mirror images instead. kCancelled after a shutdown request;
// errors of images and of `take`; kInternal, naming the image, if the network fails, for
// example because its values are not finite, and kResourceExhausted if memory runs out, naming the
// fields to lower. An error of one rank is that of all, with its number.
absl::Status ProposeAll(const detection::FasterRcnn& model,
                        std::shared_ptr<const data::Dataset> dataset,
                        const configs::ProposalsConfig& limits, const InferenceOptions& options,
                        int64_t first, bool mirrored,
                        absl::FunctionRef<absl::Status(const InferredProposals&)> take);

struct DetectionNetworks {
  // The network with the RPN; null: stored proposals.
  std::shared_ptr<detection::FasterRcnn> rpn;
  // The network with the head. If RPN and head share a backbone, the same object as
  // `rpn`, so that the backbone runs once.
  std::shared_ptr<detection::FasterRcnn> detector;
};

// Returns the detections of all images with their COCO ids. Errors as above.
absl::StatusOr<eval::Detections> DetectAll(const DetectionNetworks& networks,
                                           std::shared_ptr<const data::Dataset> dataset,
                                           const InferenceOptions& options);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_STAGES_INFERENCE_H_
