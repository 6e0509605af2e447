#include "rcnn/eval/run_budget.h"

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/testing/peak_memory.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/eval/annotation_shapes.h"
#include "rcnn/eval/detections_reader.h"
#include "rcnn/eval/shape_detections.h"

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

// "0,0,...,0"
std::string Zeros(int count) {
  std::string text = "0";
  for (int i = 1; i < count; ++i) text += ",0";
  return text;
}

std::string Write(const std::string& name, const std::string& text) {
  const std::string path = absl::StrCat(testing::TempDir(), "/", name);
  EXPECT_THAT(WriteFileAtomically(path, text), IsOk());
  return path;
}

// Runs of two bytes each, of a mask without pixels.
TEST(RunBudgetTest, MemoryOfRunsIsBoundedByTheSizeOfTheFile) {
  if (!kMeasuresMemory) GTEST_SKIP() << "sanitizers need memory of their own";
  const std::string mask =
      absl::StrCat(R"("segmentation":{"size":[0,0],"counts":[)", Zeros(2'000'000), "]}");
  const std::string truth =
      absl::StrCat(R"({"images":[{"id":1}],"annotations":[{"id":1,"image_id":1,)", mask, "}]}");
  const std::string truth_path = Write("runs.json", truth);
  const std::string results_path =
      Write("runs_results.json",
            absl::StrCat(R"([{"image_id":1,"category_id":1,"score":0.5,)", mask, "}]"));
  const int64_t most = 16 * static_cast<int64_t>(truth.size()) + (int64_t{4} << 20);
  const int64_t of_truth = MeasurePeakBytes(
      [&] { ReadAnnotationMasks(truth_path, /*threads=*/1).status().IgnoreError(); });
  EXPECT_GE(of_truth, 0);
  EXPECT_LE(of_truth, most);
  const DetectionsReaderOptions options = {.threads = 1};
  const int64_t of_results = MeasurePeakBytes(
      [&] { ReadMaskDetections(results_path, {}, options).status().IgnoreError(); });
  EXPECT_GE(of_results, 0);
  EXPECT_LE(of_results, most);
  const auto annotations = ReadAnnotationMasks(truth_path, /*threads=*/1);
  ASSERT_THAT(annotations, IsOk());
  EXPECT_EQ(annotations->masks.num_runs(), 2'000'000);
  const auto results = ReadMaskDetections(results_path, annotations->images, options);
  ASSERT_THAT(results, IsOk());
  EXPECT_EQ(results->masks.num_runs(), 2'000'000);
}

TEST(RunBudgetTest, APolygonAndAPersonHaveOnlySoManyNumbers) {
  const auto path = [](const std::string& name, const std::string& shape) {
    return Write(name, absl::StrCat(R"({"images":[{"id":1,"width":4,"height":4}],"annotations":)",
                                    R"([{"image_id":1,"num_keypoints":1,)", shape, "}]}"));
  };
  const auto polygons = [&](int count) {
    return ReadAnnotationMasks(
        path("polygons.json", absl::StrCat(R"("segmentation":[[)", Zeros(count), "],[1,2]]")), 1);
  };
  // One for each list, too.
  EXPECT_THAT(polygons((1 << 18) - 4), IsOk());
  EXPECT_THAT(polygons((1 << 18) - 3), StatusIs(absl::StatusCode::kInvalidArgument,
                                                HasSubstr("polygons of more than 262144 numbers")));
  const auto keypoints = [&](int count) {
    return ReadAnnotationKeypoints(
        path("keypoints.json", absl::StrCat(R"("keypoints":[)", Zeros(count), "]")));
  };
  EXPECT_THAT(keypoints(3000), IsOk());
  EXPECT_THAT(keypoints(3003),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("more than 3000 numbers")));
}

}  // namespace
}  // namespace rcnn::eval
