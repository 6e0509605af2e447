// Selective search: region proposals of one image, without learning.
//
// The baseline for region proposal networks. Several colour spaces are segmented at
// several scales, and every segmentation is grouped by several similarities; the
// boxes of all regions along the way are the proposals. Segmentation and
// similarities are OpenCV's (ximgproc), with its parameters.
//
// Source: Uijlings, van de Sande, Gevers, Smeulders, IJCV 104 (2013). Ranks as in
// its section 4.3: the i-th region from the top of a hierarchy gets i times a
// random number in [0, 1), and low ranks come first; of equal boxes the first
// is kept. (OpenCV's own class ranks the smallest regions first, with the C
// library's global generator.)
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(RankedBoxes found, SelectiveSearch(image, config, key));

#ifndef RCNN_DATA_SELECTIVE_SEARCH_SELECTIVE_SEARCH_H_
#define RCNN_DATA_SELECTIVE_SEARCH_SELECTIVE_SEARCH_H_

#include <vector>

#include "absl/status/statusor.h"
#include "rcnn/base/stream_key.h"
#include "rcnn/configs/selective_search.pb.h"
#include "rcnn/data/core/sample.h"
#include "rcnn/data/image/image.h"

namespace rcnn::data {

// Best first. Scores fall from 1 towards 0 by rank: (n - i) / n of n boxes.
struct RankedBoxes {
  std::vector<Box> boxes;
  std::vector<float> scores;
};

// Returns continuous boxes within the image. Images with a side below 16
// pixels after scaling have one proposal, the whole image. Ranks come from the
// stream `key`: the same image, config and key give the same boxes. `config` has
// passed CheckSelectiveSearchConfig (search_config.h). kInvalidArgument for an image without
// pixels; kInternal if OpenCV fails. Thread-safe; one thread.
absl::StatusOr<RankedBoxes> SelectiveSearch(const Image& image,
                                            const configs::SelectiveSearchConfig& config,
                                            const StreamKey& key);

}  // namespace rcnn::data

#endif  // RCNN_DATA_SELECTIVE_SEARCH_SELECTIVE_SEARCH_H_
