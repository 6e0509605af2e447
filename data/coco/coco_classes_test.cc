#include "rcnn/data/coco/coco_classes.h"

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/configs/dataset.pb.h"
#include "rcnn/configs/testing/parse_text.h"
#include "rcnn/data/coco/coco_instances.h"

namespace rcnn::data {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

// Categories with gaps and out of order, and one annotation of each.
CocoInstances Instances() {
  CocoInstances instances;
  instances.categories = {{90, "toothbrush"}, {1, "person"}, {0, "kite"}};
  for (const CocoCategory& category : instances.categories) {
    instances.annotations.emplace_back();
    instances.annotations.back().category_id = category.id;
  }
  return instances;
}

// With a root above two classes, which no annotation is of.
CocoInstances WithRoot(const std::string& root) {
  CocoInstances instances = Instances();
  instances.categories = {{0, root, "none"}, {1, "person", root}, {90, "toothbrush", root}};
  instances.annotations.pop_back();
  return instances;
}

absl::StatusOr<CocoClasses> Choose(const CocoInstances& instances, const std::string& text = "") {
  const auto config = configs::ParseTextOrDie<configs::DatasetConfig>(text);
  return ChooseCocoClasses(config, instances);
}

TEST(ChooseCocoClassesTest, LabelsFollowTheIdsDespiteGaps) {
  const absl::StatusOr<CocoClasses> chosen = Choose(Instances());
  ASSERT_THAT(chosen, IsOk());
  EXPECT_THAT(chosen->classes.names, ElementsAre("kite", "person", "toothbrush"));
  EXPECT_THAT(chosen->classes.category_ids, ElementsAre(0, 1, 90));
  EXPECT_THAT(chosen->labels, UnorderedElementsAre(Pair(0, 1), Pair(1, 2), Pair(90, 3)));
  EXPECT_EQ(chosen->notice, "");
}

TEST(ChooseCocoClassesTest, TheConfigChoosesAndOrdersThem) {
  const absl::StatusOr<CocoClasses> chosen =
      Choose(Instances(), "classes: ['toothbrush', 'person']");
  ASSERT_THAT(chosen, IsOk());
  EXPECT_THAT(chosen->classes.category_ids, ElementsAre(90, 1));
  EXPECT_THAT(chosen->labels, UnorderedElementsAre(Pair(0, 0), Pair(1, 2), Pair(90, 1)));
}

TEST(ChooseCocoClassesTest, RejectsUnknownClasses) {
  EXPECT_THAT(
      Choose(Instances(), "classes: 'persn'"),
      StatusIs(
          absl::StatusCode::kInvalidArgument,
          HasSubstr(
              "\"persn\" of the config is not one of its categories: kite, person, toothbrush")));
}

TEST(ChooseCocoClassesTest, NoCategoriesIsAnError) {
  EXPECT_THAT(Choose(CocoInstances()),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("no classes: the list \"categories\" is empty")));
}

// As Roboflow writes it: a root above the classes, here with the name of one of them.
TEST(ChooseCocoClassesTest, LeavesOutAnUnusedRootCategoryWithANotice) {
  for (const char* name : {"cells", "person"}) {
    const absl::StatusOr<CocoClasses> chosen = Choose(WithRoot(name));
    ASSERT_THAT(chosen, IsOk());
    EXPECT_THAT(chosen->classes.names, ElementsAre("person", "toothbrush"));
    EXPECT_THAT(chosen->classes.category_ids, ElementsAre(1, 90));
    EXPECT_THAT(chosen->labels, UnorderedElementsAre(Pair(1, 1), Pair(90, 2)));
    EXPECT_THAT(chosen->notice, AllOf(HasSubstr("category 0"), HasSubstr(name), HasSubstr("root")));
  }
}

TEST(ChooseCocoClassesTest, KeepsARootThatTheConfigNames) {
  const absl::StatusOr<CocoClasses> chosen =
      Choose(WithRoot("cells"), "classes: ['cells', 'person', 'toothbrush']");
  ASSERT_THAT(chosen, IsOk());
  EXPECT_THAT(chosen->classes.category_ids, ElementsAre(0, 1, 90));
  EXPECT_EQ(chosen->notice, "");
}

}  // namespace
}  // namespace rcnn::data
