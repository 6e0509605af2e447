#include "rcnn/eval/coco_cells.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <vector>

namespace rcnn::eval {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

using Numbers = std::array<int64_t, 6>;

// Category, image and the two ranges of each cell.
std::vector<Numbers> Listed(const CocoCells& cells) {
  std::vector<Numbers> listed;
  for (const CocoCell& c : cells.cells) {
    listed.push_back({c.category, c.image, c.dt_begin, c.dt_end, c.gt_begin, c.gt_end});
  }
  return listed;
}

GroundTruth ThreeImagesTwoCategories() {
  GroundTruth truth;
  truth.images = {{-5, ""}, {7, ""}, {900, ""}};
  truth.categories = {{0, "a"}, {3, "b"}};
  return truth;
}

TEST(GroupByCellTest, ListsCellsByCategoryThenImageInTheOrderOfTheFile) {
  GroundTruth truth = ThreeImagesTwoCategories();
  truth.annotations = {{1, 900, 3, {}}, {2, 7, 3, {}}, {3, 900, 3, {}}, {4, -5, 0, {}}};
  Detections detections;
  for (int64_t image : {900, -5, 900, 7}) detections.Add({image, image == 7 ? 0 : 3, {}, 0.5});
  const CocoCells cells = GroupByCell(truth, detections);
  EXPECT_THAT(Listed(cells), ElementsAre(Numbers{0, 0, 0, 0, 0, 1},    // an annotation only
                                         Numbers{0, 1, 0, 1, 1, 1},    // a detection only
                                         Numbers{1, 0, 1, 2, 1, 1},    //
                                         Numbers{1, 1, 2, 2, 1, 2},    //
                                         Numbers{1, 2, 2, 4, 2, 4}));  // two of each
  EXPECT_THAT(cells.category_begin, ElementsAre(0, 2, 5));
  EXPECT_THAT(cells.detections, ElementsAre(3, 1, 0, 2));
  EXPECT_THAT(cells.annotations, ElementsAre(3, 1, 0, 2));
}

TEST(GroupByCellTest, LeavesOutUnlistedIds) {
  GroundTruth truth = ThreeImagesTwoCategories();
  truth.annotations = {{1, 8, 3, {}}, {2, 7, 4, {}}};
  Detections detections;
  detections.Add({7, 99, {}, 0.5});
  detections.Add({99, 0, {}, 0.5});
  const CocoCells cells = GroupByCell(truth, detections);
  EXPECT_THAT(cells.cells, IsEmpty());
  EXPECT_THAT(cells.detections, IsEmpty());
  EXPECT_THAT(cells.annotations, IsEmpty());
  EXPECT_THAT(cells.category_begin, ElementsAre(0, 0, 0));
}

TEST(GroupByCellTest, NothingHasNoCells) {
  const CocoCells cells = GroupByCell({}, {});
  EXPECT_THAT(cells.cells, IsEmpty());
  EXPECT_THAT(cells.category_begin, ElementsAre(0));
}

}  // namespace
}  // namespace rcnn::eval
