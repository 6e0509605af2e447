#include "rcnn/data/loader/loader_resources.h"

#include "rcnn/base/check_range.h"
#include "rcnn/base/status_macros.h"

namespace rcnn::data {

absl::Status CheckLoaderResources(const configs::LoaderResources& resources) {
  RCNN_RETURN_IF_ERROR(CheckRange("workers", resources.workers(), 0, 256));
  return CheckRange("prefetched_batches", resources.prefetched_batches(), 1, 1024);
}

}  // namespace rcnn::data
