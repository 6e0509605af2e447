// Runs a trained RPN over a dataset.
//
// inference_options.h says how images go through the network, and what ranks share.
//
// Example:
//   RCNN_RETURN_IF_ERROR(
//       ProposeAll(*model, dataset, limits, options, /*first=*/0, /*mirrored=*/false,
//                  [&](const InferredProposals& found) { return Write(found); }));

#ifndef RCNN_TRAINING_STAGES_PROPOSE_ALL_H_
#define RCNN_TRAINING_STAGES_PROPOSE_ALL_H_

#include <cstdint>
#include <memory>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "rcnn/configs/model.pb.h"
#include "rcnn/data/core/dataset.h"
#include "rcnn/detection/faster_rcnn.h"
#include "rcnn/training/stages/inference_options.h"
#include "rcnn/training/stages/inferred_image.h"

namespace rcnn::training {

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

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_STAGES_PROPOSE_ALL_H_
