#include "rcnn/eval/load_results.h"

#include <cstdlib>
#include <fstream>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/stage_record.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/eval/coco_summary.h"
#include "rcnn/eval/load_ground_truth.h"
#include "rcnn/eval/testing/golden_cases.h"
#include "rcnn/eval/testing/mutations.h"
#include "simdjson.h"

namespace rcnn::eval {
namespace {

using ::rcnn::eval::testing::ArrayDigest;
using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;

std::string Write(const std::string& name, const std::string& text) {
  const std::string path = ::testing::TempDir() + "/" + name;
  std::ofstream(path, std::ios::binary) << text;
  return path;
}

std::string Text(simdjson::dom::element value) { return std::string(value.get_string().value()); }

absl::StatusOr<CocoEvaluation> Evaluate(const std::string& truth_json,
                                        const std::string& results_json,
                                        const std::string& iou_type, int threads = 0) {
  const std::string dataset = "coco:" + Write("truth.json", truth_json);
  RCNN_ASSIGN_OR_RETURN(GroundTruth truth, LoadGroundTruth(dataset));
  RCNN_ASSIGN_OR_RETURN(const IouType type, ParseIouType(iou_type));
  RCNN_ASSIGN_OR_RETURN(
      const Results results,
      LoadResults(Write("results.json", results_json),
                  {.dataset = dataset, .iou_type = type, .threads = threads}, truth));
  CocoEvalOptions options;
  if (type == IouType::kKeypoints) options = CocoKeypointOptions();
  options.threads = threads;
  return EvaluateResults(truth, results, options);
}

TEST(LoadResultsTest, EqualsPycocotoolsOnMasksAndKeypoints) {
  simdjson::dom::parser parser;
  int counts[2] = {0, 0};
  for (simdjson::dom::element value :
       parser.load("eval/testdata/coco_shape_cases.json").get_array()) {
    const std::string name = Text(value["name"]);
    SCOPED_TRACE(name);
    const std::string iou_type = Text(value["iou_type"]);
    ++counts[iou_type == "segm"];
    const absl::StatusOr<CocoEvaluation> evaluation =
        Evaluate(simdjson::minify(value["truth"].value()),
                 simdjson::minify(value["results"].value()), iou_type, 1 + counts[0] % 3);
    ASSERT_THAT(evaluation, IsOk());
    const auto stats = Summarize(*evaluation).stats;
    size_t i = 0;
    for (simdjson::dom::element stat : value["stats"].get_array()) {
      EXPECT_EQ(stats[i], std::strtod(Text(stat).c_str(), nullptr)) << i;
      ++i;
    }
    EXPECT_EQ(i, iou_type == "segm" ? 12u : 10u);
    EXPECT_EQ(ArrayDigest(evaluation->PrecisionArray()), Text(value["precision_sha256"]));
    EXPECT_EQ(ArrayDigest(evaluation->recall), Text(value["recall_sha256"]));
    EXPECT_EQ(ArrayDigest(evaluation->ScoreArray()), Text(value["scores_sha256"]));
  }
  EXPECT_GT(counts[0], 50) << "keypoints";
  EXPECT_GT(counts[1], 50) << "masks";
}

constexpr char kTruth[] =
    R"({"images": [{"id": 1, "height": 10, "width": 20}],
        "categories": [{"id": 1, "name": "a"}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, 5, 5],
                         "area": 25, "iscrowd": 0, "segmentation": [[0, 0, 5, 0, 5, 5, 0, 5]]}]})";

std::string OneMask(const std::string& segmentation) {
  return absl::StrCat(R"([{"image_id": 1, "category_id": 1, "score": 0.5, "segmentation": )",
                      segmentation, "}]");
}

TEST(LoadResultsTest, NamesTheRecordOfABadMask) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({"size": [10, 21], "counts": [210]})",
       "has the size 10 x 21 (height x width), its image "},
      {R"({"size": [10, 20], "counts": [7]})", "its runs have 7 pixels, its size is 10 x 20"},
      {R"({"size": [10, 20], "counts": [-1]})", "not a whole number >= 0"},
      {R"({"size": [10, 20], "counts": "  "})", "damaged at character 0"},
      {R"({"size": [10, 20]})", "has no \"counts\""},
      {R"({"counts": [200]})", "has no \"size\""},
      {R"([[1, 2, "x", 4, 5, 6]])", "a polygon: is not a list of numbers"},
      {R"([])", "no polygons"},
      {R"(7)", "is neither a list of polygons nor"}};
  for (const auto& [segmentation, text] : cases) {
    EXPECT_THAT(Evaluate(kTruth, OneMask(segmentation), "segm"),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         AllOf(HasSubstr("results.json"), HasSubstr("record 0"),
                               HasSubstr("\"segmentation\""), HasSubstr(text))));
  }
  EXPECT_THAT(
      Evaluate(kTruth, R"([{"image_id": 1, "category_id": 1, "score": 1}])", "segm"),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("\"segmentation\" is missing")));
}

TEST(LoadResultsTest, NamesTheAnnotationOfABadShape) {
  std::string truth = kTruth;
  truth.replace(truth.find("[[0, 0"), std::string("[[0, 0, 5, 0, 5, 5, 0, 5]]").size(), "[[0]]");
  EXPECT_THAT(Evaluate(truth, OneMask("[[0, 0, 1, 1, 0, 1]]"), "segm"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       EndsWith("annotations[0]: \"segmentation\": a polygon of 1 number")));
  EXPECT_THAT(Evaluate(kTruth, "[]", "keypoints"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("annotations[0]: \"keypoints\" is missing")));
}

TEST(LoadResultsTest, RefusesMasksOfOtherDatasets) {
  GroundTruth truth;
  EXPECT_THAT(
      LoadResults("x.json", {.dataset = "shapes:num_images=3", .iou_type = IouType::kMasks}, truth),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("COCO instances files")));
  EXPECT_THAT(ParseIouType("boxes"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("bbox, segm, keypoints")));
}

TEST(LoadResultsTest, NamesTheImageOfAMaskThatTheDatasetDoesNotHave) {
  EXPECT_THAT(Evaluate(kTruth, R"([{"image_id": 7, "category_id": 1, "score": 1,
                                    "segmentation": [[0, 0, 5, 0, 5, 5]]}])",
                       "segm"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("record 0"), HasSubstr("image_id 7, which is not an"))));
}

TEST(LoadResultsTest, TellsErrorsOfTheDatasetFromThoseOfTheResults) {
  EXPECT_THAT(Evaluate(kTruth, "[]", "keypoints"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("the dataset: "), HasSubstr("truth.json"),
                             ::testing::Not(HasSubstr("results.json")))));
}

TEST(LoadResultsTest, TextHasNoMasks) {
  const std::string dataset = "coco:" + Write("truth.json", kTruth);
  absl::StatusOr<GroundTruth> truth = LoadGroundTruth(dataset);
  ASSERT_THAT(truth, IsOk());
  for (const std::string& path : {::testing::TempDir(), Write("found.csv", "")}) {
    EXPECT_THAT(LoadResults(path, {.dataset = dataset, .iou_type = IouType::kMasks}, *truth),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("hold boxes only")));
  }
}

TEST(LoadResultsTest, RefusesBoxesInFractionsOfTheImage) {
  const std::string dataset = "coco:" + Write("truth.json", kTruth);
  absl::StatusOr<GroundTruth> truth = LoadGroundTruth(dataset);
  ASSERT_THAT(truth, IsOk());
  const auto load = [&](const std::string& box) {
    return LoadResults(
        Write("results.json", absl::StrCat(R"([{"image_id": 1, "category_id": 1, "bbox": )", box,
                                           R"(, "score": 0.9}])")),
        {.dataset = dataset}, *truth);
  };
  EXPECT_THAT(load("[0.1, 0.2, 0.25, 0.5]"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("as fractions of the image")));
  EXPECT_THAT(load("[0.1, 0.2, 2.5, 5]"), IsOk());
  EXPECT_THAT(load("[0, 0, 1, 1]"), IsOk());
}

std::string ReadText(const std::string& path) { return ReadFile(path).value(); }

// Damaged results, and damaged annotations: an error names its file; what is read is evaluated.
TEST(LoadResultsTest, DamagedMasksAndKeypointsAreReadOrRefusedByFile) {
  const std::string truth_path = ::testing::TempDir() + "/truth.json";
  const std::string results_path = ::testing::TempDir() + "/results.json";
  for (const std::string kind : {"masks", "keypoints"}) {
    const std::string iou_type = kind == "masks" ? "segm" : kind;
    const std::string truth = ReadText("eval/testdata/" + kind + "/instances.json");
    const std::string results = ReadText("eval/testdata/" + kind + "/detections.json");
    int64_t refused = 0, read = 0;
    for (uint64_t seed = 0; seed < 600; ++seed) {
      SCOPED_TRACE(absl::StrCat(kind, ", seed ", seed));
      const bool of_truth = seed % 2 == 0;
      const auto evaluation =
          Evaluate(of_truth ? testing::Mutate(truth, seed) : truth,
                   of_truth ? results : testing::Mutate(results, seed), iou_type, 1);
      ++(evaluation.ok() ? read : refused);
      if (evaluation.ok()) {
        // -1 where nothing is to be found.
        for (double stat : Summarize(*evaluation).stats) EXPECT_TRUE(stat >= -1 && stat <= 1);
      } else if (of_truth) {
        // An image or a class that the results name may be what is gone.
        EXPECT_THAT(std::string(evaluation.status().message()),
                    AnyOf(HasSubstr(truth_path), HasSubstr(results_path)));
      } else {
        EXPECT_THAT(std::string(evaluation.status().message()), HasSubstr(results_path));
      }
    }
    EXPECT_GT(refused, 100) << kind;
    EXPECT_GT(read, 8) << kind;
  }
}

TEST(LoadResultsTest, ADamagedResultOfARunIsNotUsed) {
  const std::string dataset = "coco:" + Write("of_run.json", R"({"images": [{"id": 1}],
      "categories": [{"id": 1, "name": "RBC"}], "annotations": []})");
  absl::StatusOr<GroundTruth> truth = LoadGroundTruth(dataset);
  ASSERT_THAT(truth, IsOk());
  const std::string whole =
      R"([{"image_id": 1, "category_id": 1, "bbox": [0, 0, 9, 9], "score": 0.9}])";
  std::string damaged = whole;
  damaged[whole.find("0.9") + 2] ^= 1;  // 0.8
  StageRecord record;
  record.files["detections.json"] = rcnn::Digest(whole);
  ASSERT_THAT(CreateDirectories(::testing::TempDir() + "/run/stages/1_final"), IsOk());
  Write("run/stages/1_final/DONE", StageRecordText(record));
  for (const char* file : {"run/detections.json", "run/stages/1_final/detections.json"}) {
    EXPECT_THAT(LoadResults(Write(file, whole), {.dataset = dataset}, *truth), IsOk());
    const std::string path = Write(file, damaged);
    EXPECT_THAT(LoadResults(path, {.dataset = dataset}, *truth).status(),
                StatusIs(absl::StatusCode::kDataLoss, HasSubstr(path + " is damaged")));
  }
}

// Detections of a program that treats the root as a class.
TEST(LoadResultsTest, LeavesOutDetectionsOfTheRootCategoryWithACount) {
  const std::string dataset = "coco:" + Write("rooted.json", R"({"images": [{"id": 1}],
      "categories": [{"id": 0, "name": "cells", "supercategory": "none"},
                     {"id": 1, "name": "RBC", "supercategory": "cells"}],
      "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, 9, 9],
                       "area": 81, "iscrowd": 0}]})");
  absl::StatusOr<GroundTruth> truth = LoadGroundTruth(dataset);
  ASSERT_THAT(truth, IsOk());
  const std::string path = Write("rooted_results.json", R"([
      {"image_id": 1, "category_id": 0, "bbox": [0, 0, 9, 9], "score": 0.9},
      {"image_id": 1, "category_id": 1, "bbox": [0, 0, 9, 9], "score": 0.8}])");
  const absl::StatusOr<Results> results = LoadResults(path, {.dataset = dataset}, *truth);
  ASSERT_THAT(results, IsOk());
  EXPECT_EQ(results->unknown_categories, 1);
  ASSERT_EQ(results->detections.size(), 1);
  EXPECT_EQ(results->detections.category_ids[0], 1);
  const std::string unknown =
      Write("unknown.json", R"([{"image_id": 1, "category_id": 7, "bbox": [0, 0, 9, 9],
                                 "score": 0.9}])");
  EXPECT_THAT(LoadResults(unknown, {.dataset = dataset}, *truth).status(),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("7")));
}

}  // namespace
}  // namespace rcnn::eval
