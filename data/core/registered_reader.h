// Readers of dataset formats that a program registers by name.
//
// DatasetConfig.registered names one. The formats of rcnn itself have fields of their own;
// this is for a format that one project has. docs/extending.md adds one.
//
// Example, in the reader's own source:
//   const bool kRegistered = RegisterReader("kitti", &ReadKitti);

#ifndef RCNN_DATA_CORE_REGISTERED_READER_H_
#define RCNN_DATA_CORE_REGISTERED_READER_H_

#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "rcnn/configs/dataset.pb.h"
#include "rcnn/data/core/annotation_table.h"
#include "rcnn/data/core/image_list.h"
#include "rcnn/data/core/source_paths.h"

namespace rcnn::data {

// Reads a dataset, by way of a RecordTable (record_table.h). paths.annotations is the folder of the
// images where the config names none. `list`: only these images; null: all.
using ReadTable = std::function<absl::StatusOr<AnnotationTable>(
    const configs::DatasetConfig& config, const SourcePaths& paths, const ImageList* list)>;

// Makes `name` known to FindReader and returns true. Ends the process if it is known already.
bool RegisterReader(const std::string& name, ReadTable read);

// kInvalidArgument, listing the known names, if `name` is not registered.
absl::StatusOr<const ReadTable*> FindReader(const std::string& name);

}  // namespace rcnn::data

#endif  // RCNN_DATA_CORE_REGISTERED_READER_H_
