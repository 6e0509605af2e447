// LabelMe in a folder: JSON beside the images or in a folder of their own, with parts from the
// names of folders.
//
// Example:
//   Notices notices;
//   RCNN_ASSIGN_OR_RETURN(std::vector<PartPlace> places, FindLabelMe(contents, notices));

#ifndef RCNN_DATA_SOURCES_LABELME_LAYOUT_H_
#define RCNN_DATA_SOURCES_LABELME_LAYOUT_H_

#include <vector>

#include "absl/status/statusor.h"
#include "rcnn/data/sources/folder_contents.h"
#include "rcnn/data/sources/part_place.h"

namespace rcnn::data {

// As part_place.h says. The errors of FindPairs and CheckApart (annotation_pairs.h).
absl::StatusOr<std::vector<PartPlace>> FindLabelMe(const FolderContents& contents,
                                                   Notices& notices);

}  // namespace rcnn::data

#endif  // RCNN_DATA_SOURCES_LABELME_LAYOUT_H_
