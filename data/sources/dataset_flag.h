// The forms of a dataset on the command line.
//
//   voc:FOLDER[:SPLIT]                 voc:VOCdevkit/VOC2007:test
//   FOLDER                             the same without a split
//   coco:INSTANCES.json[:IMAGES]       coco:instances_val2017.json:val2017
//   INSTANCES.json                     the same without images
//   shapes[:FIELD=VALUE,...]           shapes:seed=7,num_images=200
//   FILE                               a textproto of rcnn.configs.DatasetConfig
//
// A file can set what the short forms cannot (class list, policy, ...). A bare
// FOLDER is relative to the current directory: elsewhere it is voc:FOLDER.
//
// Example:
//   DEFINE_string(dataset, "shapes", rcnn::data::kDatasetFlagHelp);
//   RCNN_ASSIGN_OR_RETURN(const std::unique_ptr<Dataset> dataset,
//                         OpenDatasetFlag(FLAGS_dataset, {.data_root = FLAGS_data_root}));

#ifndef RCNN_DATA_SOURCES_DATASET_FLAG_H_
#define RCNN_DATA_SOURCES_DATASET_FLAG_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "rcnn/configs/dataset.pb.h"
#include "rcnn/data/core/dataset.h"
#include "rcnn/data/sources/make_dataset.h"

namespace rcnn::data {

inline constexpr char kDatasetFlagHelp[] =
    "voc:FOLDER[:SPLIT] or a folder of VOC's layout, coco:INSTANCES.json[:IMAGES] or a COCO "
    "instances file, shapes[:FIELD=VALUE,...], or a file with a DatasetConfig (textproto)";

// Errors do not name the flag or its value: kInvalidArgument with line and column
// if the text is not a DatasetConfig, or with the form that `flag` should have;
// kNotFound with all forms if it names nothing; the errors of ReadFile for a file.
absl::StatusOr<configs::DatasetConfig> ParseDatasetFlag(const std::string& flag);

// The dataset named by --dataset=`flag`. Errors are those of ParseDatasetFlag and
// MakeDataset, after "--dataset=flag: ".
absl::StatusOr<std::unique_ptr<Dataset>> OpenDatasetFlag(const std::string& flag,
                                                         const DatasetOptions& options);

// Parses a DatasetConfig from textproto; error messages start with `source`.
absl::StatusOr<configs::DatasetConfig> ParseDatasetConfig(absl::string_view text,
                                                          absl::string_view source);

}  // namespace rcnn::data

#endif  // RCNN_DATA_SOURCES_DATASET_FLAG_H_
