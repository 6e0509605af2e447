// Ground truth from a dataset named on the command line.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(GroundTruth truth, LoadGroundTruth("voc:VOCdevkit/VOC2007:test"));

#ifndef RCNN_EVAL_LOAD_GROUND_TRUTH_H_
#define RCNN_EVAL_LOAD_GROUND_TRUTH_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "rcnn/data/sources/dataset_flag.h"
#include "rcnn/eval/ground_truth.h"

namespace rcnn::eval {

struct LoadGroundTruthOptions {
  // False where only the ids of images and categories are needed: a COCO file may then
  // be one without annotations (image_info_...).
  bool need_annotations = true;
  // Which part of a folder of labelled images. Its objects are those that a run on it is
  // measured with.
  data::DatasetFlagOptions folder = {};
};

// `dataset` has the form of data/sources/dataset_flag.h. Errors do not name the
// flag.
//
// COCO files are used unchanged (coco_ground_truth.h), unless a config has a class list or
// boxes in fractions; image files are prefixed by the folder of the config. A folder that is
// recognised as another format is opened as a run on it opens it (data/sources/open_folder.h).
// In other datasets, boxes that leave their image are clipped and boxes without area are left
// out, unless the config sets defect_policy. Ids are COCO's, else 1, 2, ... in order.
//
// Warnings, notices and the first 10 defects go to stderr, and for a folder what was recognised, as
// `inspect` prints it. A folder is opened once.
//
// is_voc: if it is given, it is set to whether the dataset is of VOC's format, for which VOC's
// metrics apply and difficult objects are regions to ignore.
absl::StatusOr<GroundTruth> LoadGroundTruth(const std::string& dataset,
                                            const LoadGroundTruthOptions& options = {},
                                            bool* is_voc = nullptr);

// The files that `dataset` names: a COCO file, a file of a DatasetConfig and what it lists.
// None for a folder, whose files are not known before it is read. An error, which does not name the
// flag, if a path that decides this cannot be examined now; with other errors, `dataset` alone.
absl::StatusOr<std::vector<std::string>> GroundTruthFiles(const std::string& dataset);

}  // namespace rcnn::eval

#endif  // RCNN_EVAL_LOAD_GROUND_TRUTH_H_
