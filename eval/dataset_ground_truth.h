// Ground truth from any dataset, such as VOC folders or generated shapes.
//
// Read COCO files with coco_ground_truth.h instead: a dataset may have dropped or
// clipped boxes that COCO's metrics count.
//
// Example:
//   GroundTruth truth = FromDataset(*dataset);

#ifndef RCNN_EVAL_DATASET_GROUND_TRUTH_H_
#define RCNN_EVAL_DATASET_GROUND_TRUTH_H_

#include "rcnn/data/core/dataset.h"
#include "rcnn/eval/ground_truth.h"

namespace rcnn::eval {

// Ids are those of the dataset. GroundTruthImage::file is the full path, for generated images
// the name.
GroundTruth FromDataset(const data::Dataset& dataset);

}  // namespace rcnn::eval

#endif  // RCNN_EVAL_DATASET_GROUND_TRUTH_H_
