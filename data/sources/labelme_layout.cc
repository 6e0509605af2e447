#include "rcnn/data/sources/labelme_layout.h"

#include <utility>

#include "rcnn/base/status_macros.h"
#include "rcnn/data/sources/annotation_pairs.h"

namespace rcnn::data {

absl::StatusOr<std::vector<PartPlace>> FindLabelMe(const FolderContents& contents,
                                                   Notices& notices) {
  RCNN_ASSIGN_OR_RETURN(
      const std::vector<AnnotationPair> pairs,
      FindPairs(contents, AnnotationKind::kLabelMe, "LabelMe", /*widen=*/true, notices));
  RCNN_RETURN_IF_ERROR(CheckApart(contents, pairs));
  std::vector<PartPlace> places;
  for (const AnnotationPair& pair : pairs) {
    PartPlace place;
    place.part = pair.part();
    place.where = pair.Where();
    place.config.mutable_labelme();
    SetCommonFields(place.config);
    place.config.mutable_paths()->set_annotations(pair.annotations);
    place.config.mutable_paths()->set_images(pair.images);
    places.push_back(std::move(place));
  }
  return places;
}

}  // namespace rcnn::data
