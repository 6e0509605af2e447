// Rows of compare_with_torchvision: NMS, batched NMS, proposals.

#ifndef RCNN_OPS_COMPARISON_SUPPRESSION_H_
#define RCNN_OPS_COMPARISON_SUPPRESSION_H_

#include "rcnn/ops/comparison/alternate.h"

namespace rcnn::ops {

void CompareNms(Comparison* table);
void CompareBatchedNms(Comparison* table);

// Against the steps that torchvision's region proposal network takes, of which
// only the best K anchors are decoded.
void CompareProposals(Comparison* table);

}  // namespace rcnn::ops

#endif  // RCNN_OPS_COMPARISON_SUPPRESSION_H_
