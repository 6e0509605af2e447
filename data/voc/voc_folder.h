// The files of a VOC dataset: the annotations in a folder, one annotation, and the list of a split.
// What they say is read by voc_annotation.h and voc_split.h.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(VocAnnotationFiles files, ListVocAnnotations(folder + "/Annotations"));
//   RCNN_ASSIGN_OR_RETURN(std::vector<std::string> names, ReadVocSplit(folder, "trainval", files));

#ifndef RCNN_DATA_VOC_VOC_FOLDER_H_
#define RCNN_DATA_VOC_VOC_FOLDER_H_

#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "rcnn/data/voc/voc_annotation.h"
#include "rcnn/data/voc/voc_coordinates.h"

namespace rcnn::data {

// The names of the .xml files in a folder by the name of their image, sorted.
using VocAnnotationFiles = std::map<std::string, std::string>;

// kNotFound if the folder is missing; the error of one that cannot be read now
// (base/stored_file.h).
absl::StatusOr<VocAnnotationFiles> ListVocAnnotations(const std::string& folder);

// Reads `file` in `folder`, at most 16 MiB. Errors of base/file_io.h and of ParseVocAnnotation; a
// file that lies outside of the folder is kInvalidArgument.
absl::StatusOr<VocAnnotation> ReadVocAnnotation(const std::string& folder, const std::string& file);

// The names in folder/ImageSets/Main/<split>.txt, in their order (ParseVocSplit). kNotFound, naming
// the lists there, if it is missing; kInvalidArgument for an empty list, and for a split that
// leaves ImageSets/Main.
absl::StatusOr<std::vector<std::string>> ReadVocSplit(const std::string& folder,
                                                      const std::string& split,
                                                      const VocAnnotationFiles& annotations);

// Adds the corners of the objects of an image that have no problem.
void AddVocVotes(const VocAnnotation& annotation, CoordinateVotes& votes);

// Adds the corners of all boxes in a folder of annotations to `votes`, for datasets whose parts
// are separate folders and share one convention. Damaged files do not vote. kNotFound if the
// folder is missing; the error of a file that cannot be read now.
absl::Status CountVocCorners(const std::string& annotations, CoordinateVotes& votes);

}  // namespace rcnn::data

#endif  // RCNN_DATA_VOC_VOC_FOLDER_H_
