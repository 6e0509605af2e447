#include "rcnn/tools/detect_ids.h"

#include <filesystem>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/status_matchers.h"

namespace rcnn::tools {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Optional;

eval::GroundTruth Truth(const std::vector<std::pair<int64_t, std::string>>& images) {
  eval::GroundTruth truth;
  for (const auto& [id, file] : images) truth.images.push_back({id, file});
  truth.categories = {{3, "cat"}, {90, "dog"}};
  return truth;
}

absl::Status Error(const eval::GroundTruth& truth, const std::vector<std::string>& paths,
                   const std::vector<std::string>& classes = {"cat"}) {
  return DatasetIds(truth, "coco.json", paths, classes).status();
}

TEST(NewIdsTest, CountFromOne) {
  const ResultIds ids = NewIds(3, 2);
  EXPECT_THAT(ids.images, ElementsAre(Optional(1), Optional(2), Optional(3)));
  EXPECT_THAT(ids.categories, ElementsAre(1, 2));
}

TEST(DatasetIdsTest, CategoriesAreFoundByName) {
  const auto ids = DatasetIds(Truth({{7, "a.jpg"}}), "coco.json", {"a.jpg"}, {"dog", "cat"});
  ASSERT_THAT(ids, IsOk());
  EXPECT_THAT(ids->categories, ElementsAre(90, 3));
}

TEST(DatasetIdsTest, ImagesAreFoundByNameInAnyFolder) {
  const auto ids = DatasetIds(Truth({{7, "val/a.jpg"}, {8, "b.png"}, {9, "c"}}), "coco.json",
                              {"x/b.jpg", "copy/a.jpg", "other.jpg", "/abs/c.webp"}, {"cat"});
  ASSERT_THAT(ids, IsOk());
  EXPECT_THAT(ids->images, ElementsAre(Optional(8), Optional(7), std::nullopt, Optional(9)));
}

TEST(DatasetIdsTest, FolderDecidesBetweenEqualNames) {
  const eval::GroundTruth truth = Truth({{1, "a/1.jpg"}, {2, "b/1.jpg"}, {3, "1.jpg"}});
  const auto ids = DatasetIds(truth, "d", {"in/b/1.jpg", "in/a/1.jpg", "in/c/1.jpg"}, {"cat"});
  ASSERT_THAT(ids, IsOk());
  EXPECT_THAT(ids->images, ElementsAre(Optional(2), Optional(1), Optional(3)));
}

TEST(DatasetIdsTest, AmbiguousNameMatchesNone) {
  const eval::GroundTruth truth = Truth({{1, "a/1.jpg"}, {2, "b/1.jpg"}});
  const auto ids = DatasetIds(truth, "d", {"in/c/1.jpg", "in/a/1.jpg"}, {"cat"});
  ASSERT_THAT(ids, IsOk());
  EXPECT_THAT(ids->images, ElementsAre(std::nullopt, Optional(1)));
}

TEST(DatasetIdsTest, ErrorsNameTheMismatch) {
  const eval::GroundTruth truth = Truth({{7, "a.jpg"}});
  EXPECT_THAT(Error(truth, {"x/a.jpg", "y/a.jpg"}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("x/a.jpg and y/a.jpg"), HasSubstr("image 7 of coco.json"))));
  EXPECT_THAT(Error(truth, {"a.jpg"}, {"cat", "zebra"}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("\"zebra\""), HasSubstr("(cat, dog)"))));
  EXPECT_THAT(
      Error(truth, {"b.jpg", "c.jpg"}),
      StatusIs(absl::StatusCode::kInvalidArgument,
               AllOf(HasSubstr("none of the 2 images"), HasSubstr("a.jpg"), HasSubstr("b.jpg"))));
}

TEST(DatasetIdsTest, InADeletedFolderRelativePathsAreAnError) {
  const std::filesystem::path before = std::filesystem::current_path();
  const std::string deleted = ::testing::TempDir() + "/deleted";
  std::filesystem::create_directories(deleted);
  std::filesystem::current_path(deleted);
  std::filesystem::remove(deleted);
  EXPECT_THAT(Error(Truth({{7, "a.jpg"}}), {"../a.jpg"}),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("the current directory")));
  std::filesystem::current_path(before);
}

}  // namespace
}  // namespace rcnn::tools
