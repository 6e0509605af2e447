// Creates a dataset from its config.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(configs::DatasetConfig config, ParseDatasetFlag("shapes:seed=7"));
//   RCNN_ASSIGN_OR_RETURN(std::unique_ptr<Dataset> dataset,
//                         MakeDataset(config, {.data_root = root}));

#ifndef RCNN_DATA_SOURCES_MAKE_DATASET_H_
#define RCNN_DATA_SOURCES_MAKE_DATASET_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "rcnn/configs/dataset.pb.h"
#include "rcnn/data/core/dataset.h"
#include "rcnn/data/image/decode_image.h"

namespace rcnn::data {

// Options that do not change results.
struct DatasetOptions {
  // Folder that relative paths of the config start from; "" is the current
  // directory.
  std::string data_root = {};
  // COCO: read the header of every image (VOC always does).
  bool check_images = false;
  // False: a symbolic link that leads out of a folder is an error (folder_listing.h).
  bool follow_links = true;
  DecodeOptions decode = {};
};

// Errors: those of the formats' readers, ShapesDataset::Create, ConcatDataset::Create;
// kInvalidArgument for a config without a source, or with fields that its source
// does not use.
absl::StatusOr<std::unique_ptr<Dataset>> MakeDataset(const configs::DatasetConfig& config,
                                                     const DatasetOptions& options);

}  // namespace rcnn::data

#endif  // RCNN_DATA_SOURCES_MAKE_DATASET_H_
