// What one of several ranks takes of each update.
//
// An update has `batches` batches (solver.batches_per_update). With at most as many ranks as
// batches, every batch goes whole to a rank; with more, every rank takes a part of one batch:
//
//   4 batches, 2 ranks    rank 0: batches 0, 1     rank 1: batches 2, 3
//   4 batches, 3 ranks    rank 0: batch 0          rank 1: batch 1         rank 2: batches 2, 3
//   1 batch,   2 ranks    rank 0: first half       rank 1: second half of its images
//
// Example:
//   const UpdateShare share = ShareOfUpdate(ranks->rank(), ranks->size(), batches_per_update);
//   loader.share = share.iterations;
//   loader.contents.part = share.part;

#ifndef RCNN_TRAINING_TRAINER_UPDATE_SHARE_H_
#define RCNN_TRAINING_TRAINER_UPDATE_SHARE_H_

#include <cstdint>
#include <vector>

#include "rcnn/data/loader/batch_builder.h"
#include "rcnn/data/loader/loader.h"

namespace rcnn::training {

struct UpdateShare {
  // The batches, numbered as the loader's iterations.
  data::IterationShare iterations;
  // The part of each of them; {0, 1}: all of it.
  data::BatchPart part;
  // The ranks that share the batch: [first_rank, first_rank + part.parts).
  int64_t first_rank = 0;

  bool IsOfParts() const { return part.parts > 1; }
};

// 0 <= rank < ranks; batches >= 1.
UpdateShare ShareOfUpdate(int64_t rank, int64_t ranks, int64_t batches);

// Whether any rank takes a part of a batch.
bool HasParts(int64_t ranks, int64_t batches);

// The ranks that get no image of any update, ascending, where batches have `images` images.
std::vector<int> RanksWithoutImages(int64_t ranks, int64_t batches, int64_t images);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_TRAINER_UPDATE_SHARE_H_
