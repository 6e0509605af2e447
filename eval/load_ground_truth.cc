#include "rcnn/eval/load_ground_truth.h"

#include <cstdio>
#include <memory>

#include "rcnn/base/file_io.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/configs/dataset.pb.h"
#include "rcnn/data/core/dataset.h"
#include "rcnn/data/sources/dataset_flag.h"
#include "rcnn/data/sources/make_dataset.h"
#include "rcnn/eval/coco_ground_truth.h"
#include "rcnn/eval/dataset_ground_truth.h"

namespace rcnn::eval {
namespace {

absl::StatusOr<GroundTruth> LoadCoco(const configs::DatasetPaths& paths) {
  RCNN_ASSIGN_OR_RETURN(GroundTruth truth, ReadCocoGroundTruth(paths.annotations()));
  if (!paths.has_images()) return truth;
  for (GroundTruthImage& image : truth.images) {
    RCNN_ASSIGN_OR_RETURN(image.file, JoinInside(paths.images(), image.file), paths.annotations());
  }
  return truth;
}

}  // namespace

absl::StatusOr<GroundTruth> LoadGroundTruth(const std::string& dataset) {
  RCNN_ASSIGN_OR_RETURN(configs::DatasetConfig config, data::ParseDatasetFlag(dataset));
  if (config.has_coco() && config.classes_size() == 0) return LoadCoco(config.paths());
  if (!config.has_concat() && !config.has_shapes() && !config.has_defect_policy()) {
    config.set_defect_policy(configs::CLIP);
  }
  RCNN_ASSIGN_OR_RETURN(std::unique_ptr<data::Dataset> opened, data::MakeDataset(config, {}));
  const std::string defects = opened->defects().ToString(/*max_lines=*/10);
  if (!defects.empty()) std::fprintf(stderr, "%s\n", defects.c_str());
  return FromDataset(*opened);
}

}  // namespace rcnn::eval
