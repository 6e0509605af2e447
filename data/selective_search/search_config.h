// The ranges of a SelectiveSearchConfig.

#ifndef RCNN_DATA_SELECTIVE_SEARCH_SEARCH_CONFIG_H_
#define RCNN_DATA_SELECTIVE_SEARCH_SEARCH_CONFIG_H_

#include "absl/status/status.h"
#include "rcnn/configs/selective_search.pb.h"

namespace rcnn::data {

// kInvalidArgument, naming the field, if one is out of its range.
absl::Status CheckSelectiveSearchConfig(const configs::SelectiveSearchConfig& config);

}  // namespace rcnn::data

#endif  // RCNN_DATA_SELECTIVE_SEARCH_SEARCH_CONFIG_H_
