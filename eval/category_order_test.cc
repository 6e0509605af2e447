#include "rcnn/eval/category_order.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rcnn::eval {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const IdIndex& Categories() {
  static const IdIndex& categories = *new IdIndex(absl::MakeConstSpan({int64_t{3}, int64_t{5}}));
  return categories;
}

const IdIndex& Images() {
  static const IdIndex& images =
      *new IdIndex(absl::MakeConstSpan({int64_t{10}, int64_t{20}, int64_t{30}}));
  return images;
}

CategoryOrder Order(const std::vector<int64_t>& category_ids,
                    const std::vector<int64_t>& image_ids) {
  return OrderByCategory(category_ids, image_ids, Categories(), Images(), 2);
}

TEST(OrderByCategoryTest, IsByCategoryImageAndPlace) {
  const CategoryOrder order = Order({5, 3, 5, 5, 3, 5}, {30, 20, 10, 30, 10, 10});
  EXPECT_THAT(order.OfCategory(0), ElementsAre(4, 1));
  EXPECT_THAT(order.OfCategory(1), ElementsAre(2, 5, 0, 3));
  EXPECT_THAT(order.images, ElementsAre(2, 1, 0, 2, 0, 0));
  EXPECT_EQ(order.Count(1), 4);
}

TEST(OrderByCategoryTest, KeepsAscendingImages) {
  const CategoryOrder order = Order({5, 3, 5, 3}, {10, 10, 20, 20});
  EXPECT_THAT(order.OfCategory(0), ElementsAre(1, 3));
  EXPECT_THAT(order.OfCategory(1), ElementsAre(0, 2));
}

TEST(OrderByCategoryTest, LeavesOutWhatIsNotListed) {
  const CategoryOrder order = Order({3, 4, 3, 5}, {10, 10, 11, 30});
  EXPECT_THAT(order.OfCategory(0), ElementsAre(0));
  EXPECT_THAT(order.OfCategory(1), ElementsAre(3));
  EXPECT_THAT(order.images, ElementsAre(0, 0, -1, 2));
}

TEST(OrderByCategoryTest, TakesNothing) {
  const CategoryOrder order = Order({}, {});
  EXPECT_THAT(order.OfCategory(1), IsEmpty());
  EXPECT_THAT(order.begin, ElementsAre(0, 0, 0));
}

}  // namespace
}  // namespace rcnn::eval
