// Where the files of a dataset lie, as paths that can be opened.

#ifndef RCNN_DATA_CORE_SOURCE_PATHS_H_
#define RCNN_DATA_CORE_SOURCE_PATHS_H_

#include <string>

#include "rcnn/data/core/folder_listing.h"

namespace rcnn::data {

// configs::DatasetPaths under --data_root, with the format's defaults; "" where the
// format has none.
struct SourcePaths {
  std::string folder;
  std::string annotations;
  std::string images;
  ListingOptions listing = {};
};

}  // namespace rcnn::data

#endif  // RCNN_DATA_CORE_SOURCE_PATHS_H_
