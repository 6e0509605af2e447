// Merges the regions of a segmentation, most similar first, until one is left.
//
// The hierarchical grouping of selective search (Uijlings et al., IJCV 104, 2013,
// algorithm 1). Every region, initial or merged, is a proposal. OpenCV's own class
// does the same, but ranks with the C library's global generator and smallest
// regions first, and sorts all pairs again at every step. This code uses OpenCV's
// segmentation and similarities.
//
// Example:
//   const RegionGraph graph = FindRegions(labels);
//   std::vector<cv::Rect> boxes = GroupRegions(image, labels, graph, *similarity, image_id);

#ifndef RCNN_DATA_SELECTIVE_SEARCH_REGION_GROUPING_H_
#define RCNN_DATA_SELECTIVE_SEARCH_REGION_GROUPING_H_

#include <opencv2/core.hpp>
#include <opencv2/ximgproc/segmentation.hpp>
#include <utility>
#include <vector>

namespace rcnn::data {

// The regions of a label map.
struct RegionGraph {
  std::vector<int> sizes;       // pixels
  std::vector<cv::Rect> boxes;  // the bounding box of each region
  // Pairs (a, b), a < b, of regions that touch: along a side, or at a corner from
  // upper left to lower right (OpenCV's rule). Sorted, without duplicates.
  std::vector<std::pair<int, int>> neighbors;
};

// labels: int32 [H, W], values 0..R-1, each present.
RegionGraph FindRegions(const cv::Mat& labels);

// Returns the boxes of all regions: those of `graph` in order, then one for each
// merge; the last is the largest. Equal similarities are taken in the order of
// the pairs. O(E log E) for E pairs of neighbours, the new ones included.
//
// similarity: receives the image, the labels and image_id (see its setImage), and
// is modified.
std::vector<cv::Rect> GroupRegions(
    const cv::Mat& image, const cv::Mat& labels, const RegionGraph& graph,
    cv::ximgproc::segmentation::SelectiveSearchSegmentationStrategy& similarity, int image_id);

}  // namespace rcnn::data

#endif  // RCNN_DATA_SELECTIVE_SEARCH_REGION_GROUPING_H_
