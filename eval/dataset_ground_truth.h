// Ground truth of any dataset that can be opened: VOC folders, generated shapes.
//
// A COCO file is better read with coco_ground_truth.h: a dataset may have
// dropped or clipped boxes that COCO's metrics count.
//
// Example: GroundTruth truth = FromDataset(*dataset);

#ifndef RCNN_EVAL_DATASET_GROUND_TRUTH_H_
#define RCNN_EVAL_DATASET_GROUND_TRUTH_H_

#include "rcnn/data/core/dataset.h"
#include "rcnn/eval/ground_truth.h"

namespace rcnn::eval {

// Image files are given by the path where they lie; categories by the dataset's
// category ids.
GroundTruth FromDataset(const data::Dataset& dataset);

}  // namespace rcnn::eval

#endif  // RCNN_EVAL_DATASET_GROUND_TRUTH_H_
