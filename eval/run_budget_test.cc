#include "rcnn/eval/run_budget.h"

#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/eval/annotation_shapes.h"

namespace rcnn::eval {
namespace {

using ::testing::HasSubstr;

// An image of 131,000 columns, and objects whose polygons are one pixel high and as wide.
std::string WriteWideObjects(int count) {
  std::string json = R"({"images": [{"id": 1, "width": 131000, "height": 4}], "annotations": [)";
  for (int i = 0; i < count; ++i) {
    absl::StrAppend(&json, i == 0 ? "" : ",", R"({"id": )", i + 1, R"(, "image_id": 1, )",
                    R"("segmentation": [[0, 1, 131000, 1, 131000, 2, 0, 2]]})");
  }
  const std::string path = absl::StrCat(testing::TempDir(), "/wide_", count, ".json");
  EXPECT_THAT(WriteFileAtomically(path, json + "]}"), IsOk());
  return path;
}

TEST(RunBudgetTest, RefusesWhatExceedsIt) {
  RunBudget budget(10);
  const int64_t most = RunBudget::kForAnyFile + 10 * RunBudget::kForEachByte;
  EXPECT_THAT(budget.Take(most - 1), IsOk());
  EXPECT_THAT(budget.Take(1), IsOk());
  EXPECT_THAT(budget.Take(1),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr(absl::StrCat(most))));
}

// 262,000 runs each: 70 of them, in a file of 7 kB, would take 73 MB, 7,000 would take 7 GB.
TEST(RunBudgetTest, MemoryOfMasksIsBoundedByTheSizeOfTheFile) {
  const auto few = ReadAnnotationMasks(WriteWideObjects(2), /*threads=*/2);
  ASSERT_THAT(few, IsOk());
  EXPECT_GT(few->masks.num_runs(), 500000);
  EXPECT_THAT(ReadAnnotationMasks(WriteWideObjects(70), /*threads=*/2),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("annotations[")));
}

}  // namespace
}  // namespace rcnn::eval
