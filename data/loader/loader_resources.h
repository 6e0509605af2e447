// The ranges of a LoaderResources.

#ifndef RCNN_DATA_LOADER_LOADER_RESOURCES_H_
#define RCNN_DATA_LOADER_LOADER_RESOURCES_H_

#include "absl/status/status.h"
#include "rcnn/configs/loader.pb.h"

namespace rcnn::data {

// kInvalidArgument, naming the field, unless there are 0 to 256 workers and 1 to 1024
// prefetched batches.
absl::Status CheckLoaderResources(const configs::LoaderResources& resources);

}  // namespace rcnn::data

#endif  // RCNN_DATA_LOADER_LOADER_RESOURCES_H_
