// The index of a dataset in shards: its annotations, and where each image lies.
//
// A shard is a tar file with the bytes of some images. The index makes them a dataset without
// reading any of them: it is read line by line, and an image is one read at an offset.
//
// NAME.shards.jsonl has one JSON object on each line. The first describes the whole:
//
//   {"format": "rcnn shards 1", "name": "train", "fingerprint": "…", "images": 2,
//    "classes": [{"id": 1, "name": "cat"}],
//    "shards": [{"file": "train-00000-of-00001.tar", "size": 4096, "crc32c": 1, "images": 2}]}
//
// and each other one an image, in the order of the dataset:
//
//   {"id": 7, "file_name": "a.jpg", "width": 64, "height": 48, "objects": [{"id": 1,
//    "category": "cat", "bbox": [1, 2, 3, 4], "area": 12}], "shard": 0, "offset": 512,
//    "size": 900, "crc32c": 2}
//
// Ids, sizes, boxes, areas and marks ("iscrowd", "difficult") mean what they do in COCO's files.
// "orientation" is that of EXIF data, where it is not 1; "exif_applied" as in ImageInfo. Checksums
// are CRC-32C. "fingerprint" is that of the dataset that was written.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(const ShardIndex index, ReadShardIndex("train.shards.jsonl"));
//   const ShardPlace& place = index.places[0];  // of index.table.images[0]

#ifndef RCNN_DATA_SHARDS_SHARD_INDEX_H_
#define RCNN_DATA_SHARDS_SHARD_INDEX_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "rcnn/base/file_io.h"
#include "rcnn/data/core/annotation_table.h"
#include "rcnn/data/core/dataset.h"
#include "rcnn/data/core/sample.h"

namespace rcnn::data {

// What the name of an index ends with.
inline constexpr char kShardIndexExtension[] = ".shards.jsonl";

struct Shard {
  // The name of the tar file, without folders.
  std::string file;
  FileDigest digest;
  // How many images it holds.
  int64_t images = 0;
};

// The first line.
struct ShardHeader {
  std::string name;
  std::string fingerprint;
  int64_t images = 0;
  ClassList classes;
  std::vector<Shard> shards;
};

// Where the bytes of an image's file are.
struct ShardPlace {
  // Of ShardHeader::shards.
  int64_t shard = 0;
  // From the beginning of the tar file.
  int64_t offset = 0;
  // Of the bytes.
  FileDigest digest;
};

struct ShardIndex {
  ShardHeader header;
  // Classes, images and objects. Boxes are continuous; there are no defects.
  AnnotationTable table;
  // Of each image of the table.
  std::vector<ShardPlace> places;
};

// Lines of an index, with '\n'. Numbers are written with enough digits to read back exactly.
std::string ShardHeaderLine(const ShardHeader& header);
std::string ShardImageLine(const ImageInfo& info, const std::vector<Object>& objects,
                           const ClassList& classes, const ShardPlace& place);

// The image as in its line, without its place and without '\n': what a shard holds beside the
// image for other programs.
std::string ShardRecord(const ImageInfo& info, const std::vector<Object>& objects,
                        const ClassList& classes);

// kInvalidArgument, naming the image or its name, for a name that an index cannot have: empty,
// absolute, with "..", not UTF-8.
absl::Status CheckShardImageName(const std::string& name);

// kInvalidArgument, naming the line and the field: a line is not such an object, a number is out
// of range, a box does not lie inside its image, a place lies beyond the end of its shard, names
// or ids are duplicates, images are missing. Nothing of the shards is read.
absl::StatusOr<ShardIndex> ParseShardIndex(absl::string_view bytes);

// The same for a file of any size. Errors begin with the path.
absl::StatusOr<ShardIndex> ReadShardIndex(const std::string& path);

}  // namespace rcnn::data

#endif  // RCNN_DATA_SHARDS_SHARD_INDEX_H_
