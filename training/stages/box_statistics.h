// Mean and deviation of the box targets of a dataset's proposals, used to normalise
// Fast R-CNN's targets in training.
//
// Source: Girshick, arXiv:1504.08083, Sec. 2.3 ("we normalize the ground-truth
// regression targets to have zero mean and unit variance"); py-faster-rcnn's
// roi_data_layer/roidb.py, by class, over images and their mirror images.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(BoxStatistics statistics,
//                         MeasureBoxTargets(*dataset, *proposals, head->config(), options));
//   head->SetBoxNormalization(statistics.mean, statistics.std);

#ifndef RCNN_TRAINING_STAGES_BOX_STATISTICS_H_
#define RCNN_TRAINING_STAGES_BOX_STATISTICS_H_

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "absl/status/statusor.h"
#include "rcnn/configs/model.pb.h"
#include "rcnn/data/core/dataset.h"
#include "rcnn/data/proposals/proposal_file.h"

namespace rcnn::training {

// [K + 1, 4] float32 each, row 0 (background) 0 and 1.
struct BoxStatistics {
  at::Tensor mean;
  at::Tensor std;
};

struct BoxStatisticsOptions {
  // Number of best proposals per image to use; 0: all.
  int64_t max_proposals = 0;
  // Also count mirror images: their dx is negated.
  bool mirrored = false;
  // Also count vertically flipped images: their dy is negated.
  bool upside_down = false;
};

// Uses the proposals, and ground truth if the config adds it, whose IoU with an
// object is at least the config's foreground_iou. A class with fewer than two targets,
// or whose targets all have the same dx, dy, dw or dh, has mean 0 and deviation 1.
// Errors: those of the proposal file, and kInvalidArgument for an invalid box_coder.
absl::StatusOr<BoxStatistics> MeasureBoxTargets(const data::Dataset& dataset,
                                                const data::ProposalFile& proposals,
                                                const configs::HeadConfig& head,
                                                const BoxStatisticsOptions& options);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_STAGES_BOX_STATISTICS_H_
