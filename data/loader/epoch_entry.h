// One image of an epoch.

#ifndef RCNN_DATA_LOADER_EPOCH_ENTRY_H_
#define RCNN_DATA_LOADER_EPOCH_ENTRY_H_

#include <cstdint>

namespace rcnn::data {

// An image of the dataset, or its mirror image.
struct EpochEntry {
  int64_t index = 0;
  bool flipped = false;

  bool operator==(const EpochEntry& other) const {
    return index == other.index && flipped == other.flipped;
  }
};

}  // namespace rcnn::data

#endif  // RCNN_DATA_LOADER_EPOCH_ENTRY_H_
