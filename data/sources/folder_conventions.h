// Conventions that all parts of a folder share, although each part is read by itself: what the
// corners of VOC's boxes mean, and whether boxes refer to images as stored or as turned by
// their EXIF data. A part may have too few boxes or turned images to tell; the folder as a whole
// decides, so that train, val and test are never read differently.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(const std::string notice, ShareVocCoordinates(configs));
//   const std::optional<configs::ExifOrientation> view = SharedExifOrientation(parts);

#ifndef RCNN_DATA_SOURCES_FOLDER_CONVENTIONS_H_
#define RCNN_DATA_SOURCES_FOLDER_CONVENTIONS_H_

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "rcnn/configs/dataset.pb.h"
#include "rcnn/data/core/dataset.h"

namespace rcnn::data {

// Calls `visit` for the config, or for each part of a concat.
void ForEachSource(configs::DatasetConfig& config,
                   const std::function<void(configs::DatasetConfig&)>& visit);

// If VOC configs with RECOGNISED coordinates have several folders of annotations, the boxes of
// all of them decide, and every config gets the coordinates they show. Returns a notice for
// the user: "" for the devkit's coordinates, or if there is nothing to share. Errors: those of
// CountVocCorners (data/voc/voc_folder.h).
absl::StatusOr<std::string> ShareVocCoordinates(
    const std::vector<configs::DatasetConfig*>& configs);

// APPLIED or NOT_APPLIED if the annotated sizes of quarter turns say so in some part and
// nowhere the opposite; nullopt otherwise. `parts` were opened with FROM_ANNOTATED_SIZES.
std::optional<configs::ExifOrientation> SharedExifOrientation(
    const std::vector<const Dataset*>& parts);

// Whether the dataset, opened with FROM_ANNOTATED_SIZES, reads every image as with
// `orientation`, APPLIED or NOT_APPLIED.
bool FollowsExifOrientation(const Dataset& images, configs::ExifOrientation orientation);

}  // namespace rcnn::data

#endif  // RCNN_DATA_SOURCES_FOLDER_CONVENTIONS_H_
