// Reads a CVAT dataset: one XML file for all images.
//
// An image is searched among those of the folder of images by its name and the end of
// its path. The classes are those that the file lists, in its order; without a list, all
// names that occur, sorted.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(AnnotationTable table, ReadCvat(config, paths, nullptr));

#ifndef RCNN_DATA_CVAT_CVAT_READER_H_
#define RCNN_DATA_CVAT_CVAT_READER_H_

#include "absl/status/statusor.h"
#include "rcnn/configs/dataset.pb.h"
#include "rcnn/data/core/annotation_table.h"
#include "rcnn/data/core/image_list.h"
#include "rcnn/data/core/source_paths.h"

namespace rcnn::data {

// `config` has the source cvat. `list`: only these images; null: all. Defects go to the
// table's report, or are the error, by the policy. Other errors: those of ReadFile,
// ParseCvat, ListFiles and RecordTable::Finish.
absl::StatusOr<AnnotationTable> ReadCvat(const configs::DatasetConfig& config,
                                         const SourcePaths& paths, const ImageList* list);

}  // namespace rcnn::data

#endif  // RCNN_DATA_CVAT_CVAT_READER_H_
