// Reads a LabelMe dataset: a JSON file for each image.
//
// The image is the one that the file's imagePath names, searched among those of the
// folder of images by its name and the end of its path; without an imagePath, the one
// with the file's name. An image without a file is not used: it has not been labelled.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(AnnotationTable table, ReadLabelMe(config, paths, nullptr));

#ifndef RCNN_DATA_LABELME_LABELME_READER_H_
#define RCNN_DATA_LABELME_LABELME_READER_H_

#include "absl/status/statusor.h"
#include "rcnn/configs/dataset.pb.h"
#include "rcnn/data/core/annotation_table.h"
#include "rcnn/data/core/image_list.h"
#include "rcnn/data/core/source_paths.h"

namespace rcnn::data {

// `list`: only these images; null: all. Defects go to the table's report, or are the
// error, by the policy. Other errors: those of ListFiles and RecordTable::Finish.
absl::StatusOr<AnnotationTable> ReadLabelMe(const configs::DatasetConfig& config,
                                            const SourcePaths& paths, const ImageList* list);

}  // namespace rcnn::data

#endif  // RCNN_DATA_LABELME_LABELME_READER_H_
