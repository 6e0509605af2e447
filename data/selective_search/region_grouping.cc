// Regions are numbered in the order of their creation; a merge creates a region and ends
// two. All pairs of neighbours are in one priority queue. Edges of ended regions are not
// removed from it: they are skipped when they come up. Invariants between merges:
//
//   every pair of living neighbours has exactly one edge in the queue
//   neighbors_[r] has every living neighbour of a living region r, and may have ended regions
//   slots_[r] is the row of region r in the similarity's tables, which has one row per
//     initial region; a merged region takes the lower of its two rows
//
// Each edge enters and leaves the queue once, so grouping takes O(E log E) for E edges,
// whereas sorting all pairs again after each merge takes O(R E log E) for R regions.

#include "rcnn/data/selective_search/region_grouping.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <queue>
#include <tuple>

namespace rcnn::data {
namespace {

using Similarity = cv::ximgproc::segmentation::SelectiveSearchSegmentationStrategy;

// Two regions that touch, a < b.
struct Edge {
  float similarity;
  int a;
  int b;

  // The less similar pair is merged later; of equally similar pairs, the one with higher numbers.
  bool operator<(const Edge& other) const {
    return std::tie(similarity, other.a, other.b) < std::tie(other.similarity, a, b);
  }
};

class Grouping {
 public:
  Grouping(const RegionGraph& graph, cv::Mat sizes, Similarity& similarity)
      : similarity_(similarity),
        sizes_(std::move(sizes)),
        boxes_(graph.boxes),
        slots_(boxes_.size()),
        alive_(boxes_.size(), true),
        neighbors_(boxes_.size()) {
    for (size_t i = 0; i < slots_.size(); ++i) slots_[i] = static_cast<int>(i);
    for (const auto& [a, b] : graph.neighbors) Connect(a, b);
  }

  std::vector<cv::Rect> Run() {
    while (!edges_.empty()) {
      const Edge edge = edges_.top();
      edges_.pop();
      if (alive_[edge.a] && alive_[edge.b]) Merge(edge.a, edge.b);
    }
    return std::move(boxes_);
  }

 private:
  void Connect(int a, int b) {
    neighbors_[a].push_back(b);
    neighbors_[b].push_back(a);
    edges_.push({similarity_.get(slots_[a], slots_[b]), a, b});
  }

  void Merge(int a, int b) {
    const int merged = static_cast<int>(boxes_.size());
    const int slot = std::min(slots_[a], slots_[b]);
    similarity_.merge(slots_[a], slots_[b]);
    const int size = sizes_.at<int>(slots_[a]) + sizes_.at<int>(slots_[b]);
    sizes_.at<int>(slots_[a]) = sizes_.at<int>(slots_[b]) = size;
    alive_[a] = alive_[b] = false;
    boxes_.push_back(boxes_[a] | boxes_[b]);
    slots_.push_back(slot);
    alive_.push_back(true);
    neighbors_.emplace_back();
    std::vector<int> around = std::move(neighbors_[a]);
    around.insert(around.end(), neighbors_[b].begin(), neighbors_[b].end());
    std::sort(around.begin(), around.end());
    around.erase(std::unique(around.begin(), around.end()), around.end());
    for (const int other : around) {
      if (alive_[other]) Connect(other, merged);
    }
    neighbors_[b].clear();
  }

  Similarity& similarity_;
  cv::Mat sizes_;                // shared with the similarity
  std::vector<cv::Rect> boxes_;  // of every region so far
  std::vector<int> slots_;       // a region's row in the similarity's tables
  std::vector<bool> alive_;      // not merged yet
  std::vector<std::vector<int>> neighbors_;
  std::priority_queue<Edge> edges_;  // includes edges of regions that have ended
};

}  // namespace

RegionGraph FindRegions(const cv::Mat& labels) {
  double largest = -1;
  if (!labels.empty()) cv::minMaxLoc(labels, nullptr, &largest);
  RegionGraph graph;
  graph.sizes.resize(static_cast<size_t>(largest + 1));
  graph.boxes.resize(graph.sizes.size());
  for (int y = 0; y < labels.rows; ++y) {
    const int32_t* row = labels.ptr<int32_t>(y);
    for (int x = 0; x < labels.cols; ++x) {
      const int here = row[x];
      cv::Rect& box = graph.boxes[here];
      box = graph.sizes[here]++ == 0 ? cv::Rect(x, y, 1, 1) : box | cv::Rect(x, y, 1, 1);
      const auto touch = [&](int other) {
        if (other != here) graph.neighbors.emplace_back(std::minmax(here, other));
      };
      if (x > 0) touch(row[x - 1]);
      if (y > 0) touch(labels.at<int32_t>(y - 1, x));
      if (x > 0 && y > 0) touch(labels.at<int32_t>(y - 1, x - 1));
    }
  }
  std::sort(graph.neighbors.begin(), graph.neighbors.end());
  graph.neighbors.erase(std::unique(graph.neighbors.begin(), graph.neighbors.end()),
                        graph.neighbors.end());
  return graph;
}

std::vector<cv::Rect> GroupRegions(const cv::Mat& image, const cv::Mat& labels,
                                   const RegionGraph& graph, Similarity& similarity, int image_id) {
  const cv::Mat sizes = cv::Mat(graph.sizes, /*copyData=*/true);
  similarity.setImage(image, labels, sizes, image_id);
  return Grouping(graph, sizes, similarity).Run();
}

}  // namespace rcnn::data
