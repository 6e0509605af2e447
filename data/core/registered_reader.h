// Readers of dataset formats that a program registers by name.
//
// DatasetConfig.registered names one. rcnn's own formats have fields of their own; this is
// for the format of a single project. docs/extending.md adds one.
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

// Reads a dataset through a RecordTable (record_table.h). paths.annotations is the folder of the
// images where the config names none. `list`: only these images; null: all.
using TableReader = std::function<absl::StatusOr<AnnotationTable>(
    const configs::DatasetConfig& config, const SourcePaths& paths, const ImageList* list)>;

// Registers `name` for FindReader and returns true. Ends the process if it is registered already.
bool RegisterReader(const std::string& name, TableReader read);

// kInvalidArgument, listing the registered names, if `name` is not among them.
absl::StatusOr<const TableReader*> FindReader(const std::string& name);

}  // namespace rcnn::data

#endif  // RCNN_DATA_CORE_REGISTERED_READER_H_
