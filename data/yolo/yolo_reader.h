// Reads a YOLO dataset: a text file of labels for each image.
//
// The label file of IMAGES/a/b.jpg is ANNOTATIONS/a/b.txt, or has a similar name
// (yolo_label_files.h); without one the image has no objects, and a notice counts such
// images. Formats of the files: yolo_labels.h, yolo_names.h.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(AnnotationTable table, ReadYolo(config, paths, nullptr));

#ifndef RCNN_DATA_YOLO_YOLO_READER_H_
#define RCNN_DATA_YOLO_YOLO_READER_H_

#include "absl/status/statusor.h"
#include "rcnn/configs/dataset.pb.h"
#include "rcnn/data/core/annotation_table.h"
#include "rcnn/data/core/image_list.h"
#include "rcnn/data/core/source_paths.h"

namespace rcnn::data {

// `config` has the source yolo. `list`: only these images; null: all.
//
// Defects go to the table's report, or are the error, by the policy. Other errors:
// those of ListFiles, ReadYoloNames and RecordTable::Finish.
absl::StatusOr<AnnotationTable> ReadYolo(const configs::DatasetConfig& config,
                                         const SourcePaths& paths, const ImageList* list);

}  // namespace rcnn::data

#endif  // RCNN_DATA_YOLO_YOLO_READER_H_
