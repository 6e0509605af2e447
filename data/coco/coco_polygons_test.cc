#include "rcnn/data/coco/coco_polygons.h"

#include <optional>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rcnn::data {
namespace {

using ::testing::ElementsAre;
using ::testing::Optional;

TEST(BoundPolygons, IsTheBoxOfAllCorners) {
  EXPECT_THAT(BoundPolygons("[[1, 2, 4, 2, 4, 9]]"), Optional(ElementsAre(1, 2, 3, 7)));
  EXPECT_THAT(BoundPolygons(" [ [10.5,20,30,20,30,40,10,40.25] ,\n[5,25,6,25,6,26] ], \"id\": 1"),
              Optional(ElementsAre(5, 20, 25, 20.25)));
  EXPECT_THAT(BoundPolygons("[[-1e1, 0, 3, 0, 3, 2]]"), Optional(ElementsAre(-10, 0, 13, 2)));
}

TEST(BoundPolygons, OtherShapesHaveNone) {
  for (const char* json :
       {"", "[]", "[[]]", "null", "7", "[1, 2, 3, 4, 5, 6]",
        R"({"counts": [1, 2], "size": [2, 2]})", "[[1, 2, 3, 4]]", "[[1, 2, 3, 4, 5, 6, 7]]",
        "[[1, 2, 3, 4, 5, null]]", "[[1, 2, 3, 4, 5, 1e400]]", "[[1, 2, 3, 4, 5, NaN]]",
        "[[1, 2, 3, 4, 5, 6]", "[[1, 2, 3, 4, 5, 6], []]", "[[1, 2, 3, 4, 5, 6",
        R"([["1", 2, 3, 4, 5, 6]])", "[[-1e308, 2, 1e308, 4, 5, 6]]"}) {
    EXPECT_EQ(BoundPolygons(json), std::nullopt) << json;
  }
}

}  // namespace
}  // namespace rcnn::data
