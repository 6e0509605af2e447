// Rows of compare_with_torchvision: NMS, batched NMS, proposals.

#ifndef RCNN_OPS_COMPARISON_SUPPRESSION_H_
#define RCNN_OPS_COMPARISON_SUPPRESSION_H_

#include "rcnn/ops/comparison/alternate.h"

namespace rcnn::ops {

void CompareNms(Comparison* table);
void CompareBatchedNms(Comparison* table);

// The peer is the steps of torchvision's region proposal network, changed to decode
// only the best K anchors.
void CompareProposals(Comparison* table);

}  // namespace rcnn::ops

#endif  // RCNN_OPS_COMPARISON_SUPPRESSION_H_
