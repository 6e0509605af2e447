#include "rcnn/data/core/image_facts.h"

#include "rcnn/base/file_io.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/data/image/exif_orientation.h"

namespace rcnn::data {

absl::StatusOr<ImageFacts> ReadImageFacts(const std::string& path) {
  RCNN_ASSIGN_OR_RETURN(MappedFile file, MappedFile::Open(path));
  ImageFacts facts;
  RCNN_ASSIGN_OR_RETURN(facts.header, ParseImageHeader(file.bytes()), path);
  facts.orientation = ParseExifOrientation(file.bytes());
  return facts;
}

}  // namespace rcnn::data
