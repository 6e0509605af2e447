// Reads a CSV dataset: one file with a line for each object.
//
// Lines of one image need not follow each other; images come in the order in which the
// file first names them, and are found as in image_finder.h. Images that the file does not
// name are not used.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(AnnotationTable table, ReadCsv(config, paths, nullptr));

#ifndef RCNN_DATA_CSV_CSV_READER_H_
#define RCNN_DATA_CSV_CSV_READER_H_

#include <string>

#include "absl/status/statusor.h"
#include "rcnn/configs/dataset.pb.h"
#include "rcnn/data/core/annotation_table.h"
#include "rcnn/data/core/image_list.h"
#include "rcnn/data/core/source_paths.h"
#include "rcnn/data/csv/csv_annotation.h"

namespace rcnn::data {

// A file in UTF-8 or UTF-16. Errors: those of ReadFile, ToUtf8 and ParseCsv, after the path.
absl::StatusOr<CsvAnnotation> ReadCsvAnnotation(const std::string& path);

// `config` has the source csv; its coordinates RECOGNISED are read as CONTINUOUS. kInvalidArgument
// for a `part` in a file without a column of parts. `list`: only these images; null: all. Defects
// go to the table's report, or are the error, by the policy. Other errors: those of ReadFile,
// ParseCsv, ListFiles and RecordTable::Finish.
absl::StatusOr<AnnotationTable> ReadCsv(const configs::DatasetConfig& config,
                                        const SourcePaths& paths, const ImageList* list);

}  // namespace rcnn::data

#endif  // RCNN_DATA_CSV_CSV_READER_H_
