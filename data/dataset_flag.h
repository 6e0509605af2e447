// How a data set is named on a command line.
//
//   voc:FOLDER[:SPLIT]                 voc:VOCdevkit/VOC2007:test
//   coco:INSTANCES.json[:IMAGES]       coco:instances_val2017.json:val2017
//   shapes[:FIELD=VALUE,...]           shapes:seed=7,num_images=200
//   FILE                               a textproto of rcnn.configs.DatasetConfig
//
// What the short forms cannot say (class list, policy, ...) a file can.
//
// Example:
//   DEFINE_string(dataset, "shapes", rcnn::data::kDatasetFlagHelp);
//   RCNN_ASSIGN_OR_RETURN(configs::DatasetConfig config, ParseDatasetFlag(FLAGS_dataset));

#ifndef RCNN_DATA_DATASET_FLAG_H_
#define RCNN_DATA_DATASET_FLAG_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "rcnn/configs/dataset.pb.h"

namespace rcnn::data {

inline constexpr char kDatasetFlagHelp[] =
    "voc:FOLDER[:SPLIT], coco:INSTANCES.json[:IMAGES], shapes[:FIELD=VALUE,...], or a file with a "
    "DatasetConfig (textproto)";

// Errors: kInvalidArgument with line and column of what is no DatasetConfig or
// names no data set; those of ReadFile for a file.
absl::StatusOr<configs::DatasetConfig> ParseDatasetFlag(const std::string& flag);

// A DatasetConfig from textproto; `source` begins the message of an error.
absl::StatusOr<configs::DatasetConfig> ParseDatasetConfig(absl::string_view text,
                                                          absl::string_view source);

}  // namespace rcnn::data

#endif  // RCNN_DATA_DATASET_FLAG_H_
