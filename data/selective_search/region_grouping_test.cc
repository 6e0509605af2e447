#include "rcnn/data/selective_search/region_grouping.h"

#include <opencv2/core.hpp>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rcnn::data {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

// A table gives the similarities; a merged region keeps the row of its slot.
class TableSimilarity : public cv::ximgproc::segmentation::SelectiveSearchSegmentationStrategy {
 public:
  explicit TableSimilarity(std::vector<std::vector<float>> table) : table_(std::move(table)) {}
  void setImage(cv::InputArray, cv::InputArray, cv::InputArray sizes, int) override {
    sizes_ = sizes.getMat();
  }
  float get(int a, int b) override { return table_[a][b]; }
  void merge(int a, int b) override { merged_.emplace_back(sizes_.at<int>(a), sizes_.at<int>(b)); }
  // The sizes of each two regions when they were merged.
  const std::vector<std::pair<int, int>>& merged() const { return merged_; }

 private:
  std::vector<std::vector<float>> table_;
  cv::Mat sizes_;
  std::vector<std::pair<int, int>> merged_;
};

// Four regions in a row, of 1, 2, 3 and 4 columns.
cv::Mat RowOfFour() {
  cv::Mat labels(2, 10, CV_32S);
  const int columns[10] = {0, 1, 1, 2, 2, 2, 3, 3, 3, 3};
  for (int y = 0; y < 2; ++y) {
    for (int x = 0; x < 10; ++x) labels.at<int>(y, x) = columns[x];
  }
  return labels;
}

TEST(FindRegionsTest, SizesBoxesAndNeighbours) {
  const RegionGraph graph = FindRegions(RowOfFour());
  EXPECT_THAT(graph.sizes, ElementsAre(2, 4, 6, 8));
  EXPECT_THAT(graph.boxes, ElementsAre(cv::Rect(0, 0, 1, 2), cv::Rect(1, 0, 2, 2),
                                       cv::Rect(3, 0, 3, 2), cv::Rect(6, 0, 4, 2)));
  EXPECT_THAT(graph.neighbors, ElementsAre(Pair(0, 1), Pair(1, 2), Pair(2, 3)));
}

TEST(FindRegionsTest, CornersTouchAlongOneDiagonal) {
  const cv::Mat labels = (cv::Mat_<int>(2, 2) << 0, 1, 2, 3);
  EXPECT_THAT(FindRegions(labels).neighbors,
              ElementsAre(Pair(0, 1), Pair(0, 2), Pair(0, 3), Pair(1, 3), Pair(2, 3)));
}

TEST(FindRegionsTest, OneRegionHasNoNeighbours) {
  const RegionGraph graph = FindRegions(cv::Mat::zeros(3, 4, CV_32S));
  EXPECT_THAT(graph.boxes, ElementsAre(cv::Rect(0, 0, 4, 3)));
  EXPECT_THAT(graph.neighbors, IsEmpty());
}

TEST(GroupRegionsTest, MergesTheMostSimilarFirst) {
  // 2-3 first, then 0-1, then the two.
  TableSimilarity similarity({{0, .5f, 0, 0}, {.5f, 0, .1f, 0}, {0, .1f, 0, .9f}, {0, 0, .9f, 0}});
  const cv::Mat labels = RowOfFour();
  const std::vector<cv::Rect> boxes =
      GroupRegions(cv::Mat(), labels, FindRegions(labels), similarity, 0);
  ASSERT_EQ(boxes.size(), 7u);
  EXPECT_EQ(boxes[4], cv::Rect(3, 0, 7, 2));
  EXPECT_EQ(boxes[5], cv::Rect(0, 0, 3, 2));
  EXPECT_EQ(boxes[6], cv::Rect(0, 0, 10, 2));
  // Sizes are current when they are requested.
  EXPECT_THAT(similarity.merged(), ElementsAre(Pair(6, 8), Pair(2, 4), Pair(14, 6)));
}

TEST(GroupRegionsTest, EqualSimilaritiesAreTakenInOrder) {
  TableSimilarity similarity(std::vector<std::vector<float>>(4, std::vector<float>(4, .5f)));
  const cv::Mat labels = RowOfFour();
  const std::vector<cv::Rect> boxes =
      GroupRegions(cv::Mat(), labels, FindRegions(labels), similarity, 0);
  EXPECT_EQ(boxes[4], cv::Rect(0, 0, 3, 2));
  EXPECT_EQ(boxes[5], cv::Rect(3, 0, 7, 2));
}

TEST(GroupRegionsTest, ASingleRegionIsTheOnlyBox) {
  TableSimilarity similarity(std::vector<std::vector<float>>(1, {1.0f}));
  const cv::Mat labels = cv::Mat::zeros(3, 4, CV_32S);
  EXPECT_THAT(GroupRegions(cv::Mat(), labels, FindRegions(labels), similarity, 0),
              ElementsAre(cv::Rect(0, 0, 4, 3)));
}

}  // namespace
}  // namespace rcnn::data
