// Opens a dataset in shards from its index, and reads images by their offsets.
//
// Opening reads the index and the sizes of the shards, no image. Annotations, classes and the
// fingerprint are those of the dataset that was written, if it was one in files; the config then
// selects from them, as for any format (classes, marks, images without objects). An image's bytes
// are compared with their checksum when they are read, so a shard that was replaced is found.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(std::unique_ptr<Dataset> dataset,
//                         OpenShards(config, {.index = "train.shards.jsonl", .folder = "."}));

#ifndef RCNN_DATA_SHARDS_SHARD_DATASET_H_
#define RCNN_DATA_SHARDS_SHARD_DATASET_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "rcnn/configs/dataset.pb.h"
#include "rcnn/data/core/annotation_table.h"
#include "rcnn/data/core/dataset.h"
#include "rcnn/data/image/decode_image.h"
#include "rcnn/data/shards/shard_index.h"

namespace rcnn::data {

struct ShardPaths {
  // The index.
  std::string index;
  // Where the shards are.
  std::string folder;
  // Names of images, one a line; only those are used. "": all.
  std::string image_list = {};
};

// Errors name the file: those of ReadShardIndex and ImageList::Read; kNotFound for a missing shard,
// kDataLoss for one of another size than in the index; kInvalidArgument if the config names a class
// that the index lacks, sets a field that was decided when the shards were written
// (exif_orientation, box_units), or leaves no image.
//
// Dataset::LoadImage of the result is kDataLoss for bytes with another checksum than in the index.
absl::StatusOr<std::unique_ptr<Dataset>> OpenShards(const configs::DatasetConfig& config,
                                                    const ShardPaths& paths,
                                                    const DecodeOptions& decode = {});

// The annotations of the index as the config selects them. Messages begin with `source`.
absl::StatusOr<AnnotationTable> SelectFromIndex(const configs::DatasetConfig& config,
                                                const std::string& source, AnnotationTable index);

}  // namespace rcnn::data

#endif  // RCNN_DATA_SHARDS_SHARD_DATASET_H_
