#include "rcnn/eval/coco_ground_truth.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/eval/coco_eval.h"
#include "rcnn/eval/coco_summary.h"
#include "rcnn/eval/detections.h"

namespace rcnn::eval {
namespace {

using ::testing::HasSubstr;

constexpr char kFile[] = R"({
  "info": {"year": 2017, "x": [1, {"y": null}]},
  "annotations": [
    {"id": 7, "image_id": 9, "category_id": 3, "bbox": [-1, 2.5, 3, 4], "area": 6.25, "iscrowd": 0,
     "segmentation": [[1, 2, 3, 4]], "ignore": 1},
    {"segmentation": {"counts": "ab]}", "size": [2, 2]}, "iscrowd": 1, "area": 5,
     "bbox": [0, 0, 1, 1], "category_id": 99, "image_id": 9, "id": 0},
    {"id": -2, "image_id": 8, "category_id": 3.0, "bbox": [0, 0, 0, 0], "area": 0}
  ],
  "categories": [{"id": 3, "name": "dog"}, {"id": 1, "name": "cat"}],
  "images": [{"id": 9, "file_name": "b/9.jpg", "width": 4, "height": 3},
             {"id": 8, "file_name": "8.jpg"}]
})";

TEST(ParseCocoGroundTruthTest, ReadsEverythingUnchanged) {
  const auto truth = ParseCocoGroundTruth(kFile);
  ASSERT_THAT(truth, IsOk());
  ASSERT_EQ(truth->images.size(), 2u);
  EXPECT_EQ(truth->images[0].id, 8);
  EXPECT_EQ(truth->images[1].file, "b/9.jpg");
  ASSERT_EQ(truth->categories.size(), 2u);
  EXPECT_EQ(truth->categories[0].name, "cat");
  ASSERT_EQ(truth->annotations.size(), 3u);
  const Annotation& first = truth->annotations[0];
  EXPECT_EQ(first.id, 7);
  EXPECT_EQ(first.image_id, 9);
  EXPECT_EQ(first.category_id, 3);
  EXPECT_EQ(first.box, (XywhBox{-1, 2.5, 3, 4}));
  EXPECT_EQ(first.area, 6.25);
  EXPECT_FALSE(first.crowd);
  EXPECT_TRUE(truth->annotations[1].crowd);
  EXPECT_EQ(truth->annotations[1].id, 0);
  EXPECT_EQ(truth->annotations[2].area, 0);
  EXPECT_FALSE(truth->annotations[2].crowd) << "a missing iscrowd is 0";
}

TEST(ParseCocoGroundTruthTest, NeedsNoNames) {
  const auto truth = ParseCocoGroundTruth(
      R"({"images": [{"id": 1}], "categories": [{"id": 18}], "annotations": []})");
  ASSERT_THAT(truth, IsOk());
  EXPECT_EQ(truth->images[0].file, "");
  EXPECT_EQ(truth->categories[0].name, "18");
}

std::string Message(const std::string& annotations) {
  const absl::Status status = ParseCocoGroundTruth(R"({"images": [{"id": 1, "file_name": "a.jpg"}],
                               "categories": [{"id": 1, "name": "cat"}], "annotations": [)" +
                                                   annotations + "]}")
                                  .status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument)) << annotations;
  return std::string(status.message());
}

constexpr char kGood[] =
    R"({"id": 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, 1, 1], "area": 1},)";

TEST(ParseCocoGroundTruthTest, NamesTheRecordAndTheField) {
  const struct {
    const char* annotation;
    const char* message;
  } kCases[] = {
      {R"({"id": 2, "image_id": 1, "category_id": 1, "bbox": [0, 0, 1, 1], "area": -1})",
       "\"area\" is negative: -1"},
      {R"({"id": 2, "image_id": 1, "category_id": 1, "bbox": [0, 0, 1], "area": 1})",
       "\"bbox\" is not a valid number: [0, 0, 1]"},
      {R"({"id": 2, "image_id": 1, "category_id": 1, "area": 1})", "\"bbox\" is missing"},
      {R"({"id": 2, "category_id": 1, "bbox": [0, 0, 1, 1], "area": 1})",
       "\"image_id\" is missing"},
      {R"({"id": "x", "image_id": 1, "category_id": 1, "bbox": [0, 0, 1, 1], "area": 1})",
       "\"id\" is not a valid number: \"x\""},
  };
  for (const auto& bad : kCases) {
    const std::string message = Message(std::string(kGood) + bad.annotation);
    EXPECT_THAT(message, HasSubstr("annotations[1]")) << bad.annotation;
    EXPECT_THAT(message, HasSubstr(bad.message)) << bad.annotation;
  }
}

TEST(ParseCocoGroundTruthTest, NamesDuplicateAnnotationIds) {
  EXPECT_THAT(Message(std::string(kGood) + R"({"id": 1, "image_id": 1, "category_id": 1,
                                               "bbox": [0, 0, 2, 2], "area": 4})"),
              HasSubstr("the id 1 is a duplicate"));
}

TEST(ParseCocoGroundTruthTest, TruncatedTextIsAnErrorAtEveryByte) {
  const std::string json = kFile;
  for (size_t size = 0; size < json.size(); ++size) {
    EXPECT_THAT(ParseCocoGroundTruth(json.substr(0, size)), ::testing::Not(IsOk()))
        << json.substr(0, size);
  }
}

TEST(ReadCocoGroundTruthTest, NamesThePath) {
  EXPECT_THAT(ReadCocoGroundTruth("/nowhere/x.json"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("/nowhere/x.json")));
}

std::string WithAnnotations(const std::string& annotations) {
  return R"({"images": [{"id": 1, "width": 100, "height": 100}],
             "categories": [{"id": 1, "name": "cat"}], "annotations": [)" +
         annotations + "]}";
}

TEST(ParseCocoGroundTruthTest, WidthTimesHeightReplacesAnAreaThatIsNotANumber) {
  for (const char* area :
       {"", R"("area": null,)", R"("area": NaN,)", R"("area": "12",)", R"("area": [12],)"}) {
    const auto truth = ParseCocoGroundTruth(
        WithAnnotations(std::string("{") + area + R"("id": 2, "image_id": 1, "category_id": 1,
                                     "iscrowd": null, "bbox": [0, 0, 30, 4]})"));
    ASSERT_THAT(truth, IsOk()) << area;
    EXPECT_EQ(truth->annotations[0].area, 120) << area;
    EXPECT_FALSE(truth->annotations[0].crowd);
    EXPECT_THAT(truth->warnings,
                ::testing::ElementsAre(HasSubstr("width * height is used instead")));
  }
}

TEST(ParseCocoGroundTruthTest, NumbersAnnotationsWithoutAnIdFromOne) {
  const auto truth = ParseCocoGroundTruth(WithAnnotations(
      R"({"image_id": "1", "category_id": "1", "bbox": [0, 0, 30, 4], "area": 120})"));
  ASSERT_THAT(truth, IsOk());
  EXPECT_EQ(truth->annotations[0].id, 1);
  EXPECT_EQ(truth->annotations[0].image_id, 1);
  EXPECT_THAT(truth->warnings, ::testing::ElementsAre(HasSubstr("no id")));
}

TEST(ParseCocoGroundTruthTest, WarnsOfAnnotationsThatNothingCanFind) {
  const auto annotation = [](int id, int image, int category, int width) {
    return absl::StrCat(R"({"id": )", id, R"(, "image_id": )", image, R"(, "category_id": )",
                        category, R"(, "bbox": [9, 9, )", width, R"(, 4], "area": 120})");
  };
  const auto truth = ParseCocoGroundTruth(
      WithAnnotations(absl::StrCat(annotation(1, 1, 1, 30), ",", annotation(2, 8, 1, 30), ",",
                                   annotation(3, 1, 8, 30), ",", annotation(4, 1, 1, -30))));
  ASSERT_THAT(truth, IsOk());
  EXPECT_EQ(truth->annotations.size(), 4u);
  EXPECT_THAT(truth->warnings,
              ::testing::ElementsAre(HasSubstr("2 annotations are of images or categories"),
                                     HasSubstr("1 annotation has a negative width")));
}

TEST(ParseCocoGroundTruthTest, LeavesOutARootCategory) {
  const auto truth = ParseCocoGroundTruth(R"({"images": [{"id": 1}],
      "categories": [{"id": 0, "name": "cat", "supercategory": "none"},
                     {"id": 1, "name": "cat", "supercategory": "cat"}], "annotations": []})");
  ASSERT_THAT(truth, IsOk());
  ASSERT_EQ(truth->categories.size(), 1u);
  EXPECT_EQ(truth->categories[0].id, 1);
  EXPECT_EQ(truth->root_category_id, 0);
}

TEST(ParseCocoGroundTruthTest, BoxesThatAreFractionsAreAnError) {
  const std::string json = WithAnnotations(
      R"({"id": 1, "image_id": 1, "category_id": 1, "bbox": [0.1, 0, 0.5, 1], "area": 0.5})");
  EXPECT_THAT(ParseCocoGroundTruth(json),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("box_units: FRACTIONS")));
  EXPECT_THAT(ParseCocoGroundTruth(json, {.check_units = false}), IsOk());
}

TEST(ParseCocoGroundTruthTest, NeedsNoAnnotationsWhereOnlyIdsAreWanted) {
  const std::string info = R"({"images": [{"id": 1}], "categories": [{"id": 18}]})";
  EXPECT_THAT(ParseCocoGroundTruth(info),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("image_info")));
  const auto truth = ParseCocoGroundTruth(info, {.need_annotations = false});
  ASSERT_THAT(truth, IsOk());
  EXPECT_EQ(truth->images.size(), 1u);
}

// pycocotools 2.0.11 gives 0.44224422442244227 and 0.6666666666666667 for three objects, the first
// of id 0, and a perfect detection of each with falling scores.
TEST(ParseCocoGroundTruthTest, AnIdOfZeroGivesTheNumbersOfPycocotoolsAndAWarning) {
  std::string annotations;
  Detections detections;
  for (int i = 0; i < 3; ++i) {
    annotations += absl::StrCat(i > 0 ? "," : "", "{\"id\": ", i,
                                ", \"image_id\": 1, \"category_id\": 1, \"bbox\": [", 10 + 20 * i,
                                ", 10, 15, 15], \"area\": 225, \"iscrowd\": 0}");
    detections.Add({1, 1, {10.0 + 20 * i, 10, 15, 15}, 0.9 - 0.1 * i});
  }
  const auto truth = ParseCocoGroundTruth(WithAnnotations(annotations));
  ASSERT_THAT(truth, IsOk());
  EXPECT_THAT(truth->warnings, ::testing::ElementsAre(HasSubstr("annotations[0] has the id 0")));
  const auto evaluation = EvaluateCoco(*truth, detections);
  ASSERT_THAT(evaluation, IsOk());
  EXPECT_EQ(Summarize(*evaluation).ap(), 0.44224422442244227);
  EXPECT_EQ(Summarize(*evaluation).stats[8], 0.6666666666666667);
}

}  // namespace
}  // namespace rcnn::eval
