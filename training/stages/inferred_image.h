// What inference finds in one image, and how a rank sends it to rank 0.
//
// Boxes are in pixels of the stored image.
//
// Example:
//   std::string bytes;
//   for (const InferredImage& image : images) PackImage(image, bytes);
//   absl::string_view left = bytes;
//   InferredImage first;
//   UnpackImage(left, first);

#ifndef RCNN_TRAINING_STAGES_INFERRED_IMAGE_H_
#define RCNN_TRAINING_STAGES_INFERRED_IMAGE_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "rcnn/data/core/sample.h"
#include "rcnn/data/loader/batch.h"
#include "rcnn/eval/detections.h"
#include "rcnn/ops/proposals.h"

namespace rcnn::training {

// In pixels of the stored image, best first.
struct InferredProposals {
  std::vector<data::Box> boxes;
  std::vector<float> scores;
};

// Either part may be empty, where it is not asked for.
struct InferredImage {
  eval::Detections detections;  // with COCO ids
  InferredProposals proposals;
};

// The proposals of each image of a batch, those of its images in turn: in pixels of the network's
// input, on any device, which is waited for.
std::vector<InferredProposals> SplitProposals(const ops::Proposals& found,
                                              const data::Batch& batch);

// Appends the image to `bytes`, at least one byte: for ranks, which are programs of the same
// version on machines of the same kind.
void PackImage(const InferredImage& image, std::string& bytes);

// Sets `image` from the bytes at the start, which PackImage has made, and removes them.
void UnpackImage(absl::string_view& bytes, InferredImage& image);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_STAGES_INFERRED_IMAGE_H_
