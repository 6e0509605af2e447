// How trained networks run over a dataset (propose_all.h, detect_all.h).
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

#ifndef RCNN_TRAINING_STAGES_INFERENCE_OPTIONS_H_
#define RCNN_TRAINING_STAGES_INFERENCE_OPTIONS_H_

#include <cstdint>
#include <functional>
#include <memory>

#include "rcnn/configs/loader.pb.h"
#include "rcnn/configs/transform.pb.h"
#include "rcnn/data/proposals/proposal_file.h"
#include "rcnn/training/distributed/rank_group.h"
#include "rcnn/training/stages/inferred_image.h"
#include "rcnn/training/trainer/feature_cache.h"
#include "rcnn/training/trainer/frozen_features.h"

namespace rcnn::training {

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

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_STAGES_INFERENCE_OPTIONS_H_
