#include "rcnn/eval/html/comparison_page.h"

#include <algorithm>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/data/image/image.h"
#include "rcnn/eval/testing/random_case.h"

namespace rcnn::eval {
namespace {

// Two cats, of which one is found.
testing::RandomCase MakeCats() {
  testing::RandomCase cats;
  cats.truth.images = {{1, "a.jpg"}};
  cats.truth.categories = {{1, "cat"}};
  cats.truth.annotations = {
      {.id = 1, .image_id = 1, .category_id = 1, .box = {0, 0, 40, 40}, .area = 1600},
      {.id = 2, .image_id = 1, .category_id = 1, .box = {90, 0, 40, 40}, .area = 1600}};
  cats.detections.Add({.image_id = 1, .category_id = 1, .box = {0, 0, 40, 40}, .score = 0.9});
  return cats;
}

class ComparisonPageTest : public ::testing::Test {
 protected:
  ComparisonPageTest() : random_(MakeCats()) {}

  void Compare(const Detections& other) {
    other_ = other;
    auto comparison =
        CompareDetections(random_.truth, random_.detections, other_, {.resamples = 30});
    ASSERT_THAT(comparison, IsOk());
    comparison_ = *std::move(comparison);
    input_.truth = &random_.truth;
    input_.a = {"<b>before</b>", &random_.detections};
    input_.b = {"after", &other_};
    input_.comparison = &comparison_;
    auto page = MakeComparisonPage(input_);
    ASSERT_THAT(page, IsOk());
    page_ = *std::move(page);
  }

  testing::RandomCase random_;
  Detections other_;
  Comparison comparison_;
  ComparisonPageInput input_;
  std::string page_;
};

TEST_F(ComparisonPageTest, ShowsBothAndEscapesNames) {
  Compare({});
  EXPECT_TRUE(absl::StrContains(
      page_, "<h1><bdi>&lt;b&gt;before&lt;/b&gt;</bdi> and <bdi>after</bdi></h1>"));
  EXPECT_FALSE(absl::StrContains(page_, "<b>before"));
  EXPECT_TRUE(absl::StrContains(page_, "Images that changed most"));
  EXPECT_FALSE(absl::StrContains(page_, "nan"));
}

TEST_F(ComparisonPageTest, AnImageThatCannotBeReadNowIsAnError) {
  Compare({});
  input_.load_image = [](int64_t) -> absl::StatusOr<std::shared_ptr<const data::Image>> {
    return absl::PermissionDeniedError("cannot read a.jpg");
  };
  EXPECT_THAT(MakeComparisonPage(input_),
              StatusIs(absl::StatusCode::kPermissionDenied, "cannot read a.jpg"));
  input_.load_image = [](int64_t) -> absl::StatusOr<std::shared_ptr<const data::Image>> {
    return absl::NotFoundError("missing file: a.jpg");
  };
  const auto page = MakeComparisonPage(input_);
  ASSERT_THAT(page, IsOk());
  EXPECT_TRUE(absl::StrContains(*page, "boxes only: <bdi>missing file: a.jpg"));
}

TEST_F(ComparisonPageTest, EqualResultsHaveTheSameApAndChangeNoImage) {
  Compare(random_.detections);
  EXPECT_TRUE(absl::StrContains(page_, "A and B have the same AP"));
  EXPECT_FALSE(absl::StrContains(page_, "may be chance"));
  EXPECT_FALSE(absl::StrContains(page_, "Images that changed most"));
}

TEST_F(ComparisonPageTest, TheTableHasARowForEachClass) {
  Compare({});
  for (auto& category : random_.truth.categories) category.name = "a\x1B[31m";
  const std::string table = FormatComparison(comparison_, random_.truth);
  EXPECT_THAT(table, ::testing::HasSubstr("95 % interval of B - A"));
  EXPECT_THAT(table, ::testing::HasSubstr("a\\x1b[31m"));
  EXPECT_EQ(std::count(table.begin(), table.end(), '\n'),
            static_cast<int64_t>(4 + random_.truth.categories.size()));
}

}  // namespace
}  // namespace rcnn::eval
