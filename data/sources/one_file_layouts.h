// Formats with one file for many images: CVAT and CSV, whose files may tell parts apart inside, and
// the indices of shards.
//
// Example:
//   Notices notices;
//   RCNN_ASSIGN_OR_RETURN(std::vector<PartPlace> places, FindCsv(contents, notices));

#ifndef RCNN_DATA_SOURCES_ONE_FILE_LAYOUTS_H_
#define RCNN_DATA_SOURCES_ONE_FILE_LAYOUTS_H_

#include <vector>

#include "absl/status/statusor.h"
#include "rcnn/data/sources/folder_contents.h"
#include "rcnn/data/sources/part_place.h"

namespace rcnn::data {

// See part_place.h. CVAT's subsets are the parts. kInvalidArgument for more than 100 subsets in a
// file of which one names a part. Also the errors of ReadFile and ParseCvat.
absl::StatusOr<std::vector<PartPlace>> FindCvat(const FolderContents& contents, Notices& notices);

// The values in the column of parts are the parts, if one of them names a part. kInvalidArgument if
// another does not, if two rows give one image different values, and for more than 100 values.
// Also the errors of ReadCsvAnnotation.
absl::StatusOr<std::vector<PartPlace>> FindCsv(const FolderContents& contents, Notices& notices);

// Each index is one part, which the name of its file tells. Always succeeds.
absl::StatusOr<std::vector<PartPlace>> FindShards(const FolderContents& contents, Notices& notices);

}  // namespace rcnn::data

#endif  // RCNN_DATA_SOURCES_ONE_FILE_LAYOUTS_H_
