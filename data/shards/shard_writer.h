// Writes any dataset into shards: tar files with the bytes of its images, and their index.
//
//   FOLDER/NAME-00000-of-00008.tar    000000000.jpg, 000000000.json, 000000001.jpg, ...
//   FOLDER/NAME.shards.jsonl          the index (shard_index.h), written last
//
// A shard holds consecutive images of the dataset, image i as member i: the bytes of its file,
// or a PNG of a generated image, and its annotations as JSON. This is the layout of WebDataset.
// Equal datasets give equal bytes.
//
// Each file appears when it is complete. Until the index is written, NAME-...tar.part beside each
// finished shard remembers its images: the same call resumes after an interruption.
//
// Example:
//   RCNN_RETURN_IF_ERROR(WriteShards(*dataset, {.folder = "out", .name = "train", .shards = 8}));
//   const std::string index = ShardIndexPath("out", "train");  // "out/train.shards.jsonl"

#ifndef RCNN_DATA_SHARDS_SHARD_WRITER_H_
#define RCNN_DATA_SHARDS_SHARD_WRITER_H_

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "rcnn/base/progress.h"
#include "rcnn/data/core/dataset.h"

namespace rcnn::data {

inline constexpr int64_t kMostShards = 99999;

struct ShardWriteOptions {
  // Created if missing.
  std::string folder;
  // Begins the names of all files; without '/'.
  std::string name = "train";
  // 1 to kMostShards, and not more than there are images.
  int64_t shards = 1;
  // Called before each image; true ends with kCancelled. May be null.
  std::function<bool()> stop = nullptr;
  ProgressOptions progress = {};
};

// The index that WriteShards(…, {.folder = folder, .name = name}) writes.
std::string ShardIndexPath(const std::string& folder, const std::string& name);

// kInvalidArgument: `shards` is out of range, an image's name is a duplicate or cannot be in an
// index, or an image cannot be read, or has another size than annotated. kAlreadyExists: the index
// exists. kResourceExhausted: the disk is full. Otherwise the errors of loading and writing; after
// any error finished shards remain for the next call. A finished shard that is damaged is written
// again; one that cannot be read now is an error. Memory is that of an image and of one shard's
// lines of the index.
absl::Status WriteShards(const Dataset& dataset, const ShardWriteOptions& options);

}  // namespace rcnn::data

#endif  // RCNN_DATA_SHARDS_SHARD_WRITER_H_
