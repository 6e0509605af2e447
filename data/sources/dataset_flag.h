// The forms of a dataset on the command line.
//
//   FOLDER                             any folder of labelled images (recognize_folder.h)
//   voc:FOLDER[:SPLIT]                 voc:VOCdevkit/VOC2007:test
//   yolo:FOLDER[:PART]                 yolo:cells:val; likewise labelme, cvat, csv, coco, shards
//   coco:INSTANCES.json[:IMAGES]       coco:instances_val2017.json:val2017
//   INSTANCES.json                     the same without images
//   NAME.shards.jsonl                  the index of shards (shard_index.h)
//   shapes[:FIELD=VALUE,...]           shapes:seed=7,num_images=200
//   FILE                               a textproto of rcnn.configs.DatasetConfig
//
// A file can set what the short forms cannot (class list, policy, ...). FOLDER and FILE are
// relative to the current directory, paths in the other forms to the data root.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(const std::unique_ptr<Dataset> dataset,
//                         OpenDatasetFlag("voc:VOCdevkit/VOC2007:test", {.data_root = root}));

#ifndef RCNN_DATA_SOURCES_DATASET_FLAG_H_
#define RCNN_DATA_SOURCES_DATASET_FLAG_H_

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "rcnn/configs/dataset.pb.h"
#include "rcnn/data/core/dataset.h"
#include "rcnn/data/sources/make_dataset.h"
#include "rcnn/data/sources/open_folder.h"

namespace rcnn::data {

inline constexpr char kDatasetFlagHelp[] =
    "a folder of labelled images (VOC, COCO, YOLO, LabelMe, CVAT, CSV, shards), or one of a format "
    "and part, voc:FOLDER[:SPLIT] or yolo:FOLDER[:PART]; coco:INSTANCES.json[:IMAGES] or a COCO "
    "instances file, an index NAME.shards.jsonl, shapes[:FIELD=VALUE,...], or a file with a "
    "DatasetConfig (textproto)";

struct DatasetFlagOptions {
  // Where relative paths start, except FOLDER and FILE; "" is the current directory.
  std::string data_root = {};
  // Which part of a recognised folder: "train", "val", "test"; "" or "all": all of it.
  // OpenNamedDataset and OpenDatasetFlag cut out a part that the folder does not have, as
  // training does (folder_split.h).
  std::string part = {};
  // The lists of the split of a run, RUN/split; "": the folder is split now. Existing lists are not
  // changed: new images of the folder are assigned as training would do it.
  std::string split_directory = {};
  bool follow_links = true;
  // As in FolderOptions.
  std::string box_units = {};
  std::string exif_orientation = {};
};

// Errors do not name the flag or its value: kInvalidArgument with line and column
// if the text is not a DatasetConfig, or with the form that `flag` should have;
// kNotFound with all forms if it names nothing; the errors of ReadFile for a file.
// A recognised folder is opened for its classes, with the errors of OpenFolder, and
// kInvalidArgument for a part that it does not have. kInvalidArgument for the box_units or
// exif_orientation of `options` if `flag` names another dataset. The errors of FolderOfDatasetFlag.
absl::StatusOr<configs::DatasetConfig> ParseDatasetFlag(const std::string& flag,
                                                        const DatasetFlagOptions& options = {});

// The path and the format of a folder to be recognised, if the flag names one; the format is
// "" if the flag does not say. kUnavailable or kPermissionDenied if a path that decides this cannot
// be examined now: another reader would make another dataset of the folder.
absl::StatusOr<std::optional<std::pair<std::string, std::string>>> FolderOfDatasetFlag(
    const std::string& flag, const std::string& data_root = {});

// The dataset that `flag` names. Errors, which do not name the flag: those of
// ParseDatasetFlag and MakeDataset, and of SplitFolder for a part that is cut out.
absl::StatusOr<std::unique_ptr<Dataset>> OpenNamedDataset(
    const std::string& flag, const DatasetOptions& options,
    const DatasetFlagOptions& flag_options = {});

// The dataset named by --dataset=`flag`. Errors are those of OpenNamedDataset, after
// "--dataset=flag: ".
absl::StatusOr<std::unique_ptr<Dataset>> OpenDatasetFlag(
    const std::string& flag, const DatasetOptions& options,
    const DatasetFlagOptions& flag_options = {});

// Opens what FolderOfDatasetFlag has returned. Errors, which do not name the flag: those of
// OpenFolder.
absl::StatusOr<OpenedFolder> OpenFolderOfFlag(const std::pair<std::string, std::string>& folder,
                                              const DatasetFlagOptions& flag_options = {});

// The part of the open folder that the flag and the options name. Parts that are open are not read
// again. Errors are those of OpenNamedDataset.
absl::StatusOr<std::shared_ptr<const Dataset>> OpenPartOfFolder(
    const std::string& flag, const OpenedFolder& folder,
    const DatasetFlagOptions& flag_options = {});

// The config of that part; nullopt for a part that the folder does not have. An error if a file
// called like the flag cannot be examined now.
absl::StatusOr<std::optional<configs::DatasetConfig>> ConfigOfPart(
    const std::string& flag, const OpenedFolder& folder,
    const DatasetFlagOptions& flag_options = {});

// Parses a DatasetConfig from textproto; error messages start with `source`.
absl::StatusOr<configs::DatasetConfig> ParseDatasetConfig(absl::string_view text,
                                                          absl::string_view source);

}  // namespace rcnn::data

#endif  // RCNN_DATA_SOURCES_DATASET_FLAG_H_
