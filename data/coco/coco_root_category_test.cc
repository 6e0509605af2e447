#include "rcnn/data/coco/coco_root_category.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

namespace rcnn::data {
namespace {

CocoInstances Instances(std::vector<CocoCategory> categories, int64_t annotated) {
  CocoInstances instances;
  instances.categories = std::move(categories);
  CocoAnnotation annotation;
  annotation.category_id = annotated;
  instances.annotations = {annotation};
  return instances;
}

TEST(CocoRootCategory, IsAboveTheOthers) {
  EXPECT_EQ(FindRootCategory(
                Instances({{1, "RBC", "cells"}, {0, "cells", "none"}, {2, "WBC", "cells"}}, 1)),
            std::optional<size_t>(1));
}

TEST(CocoRootCategory, MayBeCalledLikeAClass) {
  EXPECT_EQ(FindRootCategory(Instances({{0, "cat", "none"}, {1, "cat", "cat"}}, 1)),
            std::optional<size_t>(0));
  EXPECT_EQ(FindRootCategory(Instances({{0, "cat", ""}, {1, "cat", ""}}, 1)),
            std::optional<size_t>(0));
}

TEST(CocoRootCategory, OneThatIsAnnotatedIsAClass) {
  EXPECT_EQ(FindRootCategory(Instances({{0, "cells", "none"}, {1, "RBC", "cells"}}, 0)),
            std::nullopt);
}

// A split without objects of the first class must not change the labels.
TEST(CocoRootCategory, OneThatIsAboveNoneIsAClass) {
  EXPECT_EQ(FindRootCategory(Instances({{0, "cat", "animal"}, {1, "dog", "animal"}}, 1)),
            std::nullopt);
  EXPECT_EQ(FindRootCategory(Instances({{0, "cat", ""}, {1, "dog", ""}}, 1)), std::nullopt);
  EXPECT_EQ(FindRootCategory(Instances({{5, "cells", "none"}, {1, "RBC", "cells"}}, 1)),
            std::nullopt);
  EXPECT_EQ(FindRootCategory(Instances({}, 1)), std::nullopt);
}

}  // namespace
}  // namespace rcnn::data
