#include "rcnn/data/labelme/labelme_annotation.h"

#include <cstddef>
#include <string>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/data/testing/most_records.h"
#include "rcnn/data/testing/utf16.h"

namespace rcnn::data {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

TEST(ParseLabelMe, TakesShapesAsBoxes) {
  const auto annotation = ParseLabelMe(R"({
    "version": "5.2.1", "flags": {}, "imagePath": "..\\images\\a.jpg", "imageData": null,
    "imageHeight": 48, "imageWidth": 64,
    "shapes": [
      {"label": " cat ", "points": [[30, 40.5], [10, 20]], "shape_type": "rectangle"},
      {"label": "dog", "points": [[1, 2], [9, 3], [4, 8]], "shape_type": "polygon"},
      {"label": "old", "points": [[1, 2], [3, 3], [2, 8]]},
      {"label": "sun", "points": [[20, 20], [23, 24]], "shape_type": "circle"},
      {"label": "m", "points": [[2, 3], [5, 7]], "shape_type": "mask", "mask": "iVBOR"}
    ]})");
  ASSERT_THAT(annotation, IsOk());
  EXPECT_EQ(annotation->image_path, "..\\images\\a.jpg");
  EXPECT_EQ(annotation->width, 64);
  EXPECT_EQ(annotation->height, 48);
  ASSERT_THAT(annotation->shapes, SizeIs(5));
  EXPECT_EQ(annotation->shapes[0].label, "cat");
  EXPECT_THAT(annotation->shapes[0].xywh, ElementsAre(10, 20, 20, 20.5));
  EXPECT_THAT(annotation->shapes[1].xywh, ElementsAre(1, 2, 8, 6));
  EXPECT_EQ(annotation->shapes[2].type, "polygon");
  EXPECT_THAT(annotation->shapes[3].xywh, ElementsAre(15, 15, 10, 10));
  EXPECT_THAT(annotation->shapes[4].xywh, ElementsAre(2, 3, 3, 4));
  for (const LabelMeShape& shape : annotation->shapes) EXPECT_FALSE(shape.problem) << shape.text;
}

TEST(ParseLabelMe, ReadsTheMarkOfDifficultShapes) {
  const auto annotation = ParseLabelMe(R"({"shapes": [
      {"label": "a", "points": [[1, 2], [5, 9]], "difficult": true},
      {"label": "a", "points": [[1, 2], [5, 9]], "difficult": false},
      {"label": "a", "points": [[1, 2], [5, 9]], "difficult": null},
      {"label": "a", "points": [[1, 2], [5, 9]]}]})");
  ASSERT_THAT(annotation, IsOk());
  ASSERT_THAT(annotation->shapes, SizeIs(4));
  EXPECT_TRUE(annotation->shapes[0].difficult);
  for (size_t i = 1; i < 4; ++i) EXPECT_FALSE(annotation->shapes[i].difficult) << i;
}

TEST(ParseLabelMe, SkipsAByteOrderMark) {
  const auto annotation =
      ParseLabelMe("\xef\xbb\xbf{\"shapes\": [{\"label\": \"a\", \"points\": [[1, 2], [5, 9]]}]}");
  ASSERT_THAT(annotation, IsOk());
  EXPECT_THAT(annotation->shapes, SizeIs(1));
}

TEST(ParseLabelMe, SaysWhatIsWrongWithAShape) {
  const auto annotation = ParseLabelMe(R"({"shapes": [
      {"label": "a", "points": [[1, 2]], "shape_type": "point"},
      {"label": "a", "points": [[1, 2], [5, 9]], "shape_type": "line"},
      {"points": [[1, 2], [5, 9]], "shape_type": "rectangle"},
      {"label": "a", "points": [], "shape_type": "rectangle"},
      {"label": "a", "points": [[1, "x"], [5, 9]], "shape_type": "rectangle"},
      7]})");
  ASSERT_THAT(annotation, IsOk());
  ASSERT_THAT(annotation->shapes, SizeIs(6));
  EXPECT_EQ(annotation->shapes[0].problem, DefectKind::kZeroSize);
  EXPECT_EQ(annotation->shapes[1].problem, DefectKind::kZeroSize);
  EXPECT_EQ(annotation->shapes[2].problem, DefectKind::kMissingField);
  EXPECT_EQ(annotation->shapes[3].problem, DefectKind::kMissingField);
  EXPECT_EQ(annotation->shapes[4].problem, DefectKind::kBadNumber);
  EXPECT_THAT(annotation->shapes[4].text, HasSubstr("point 0 is not a pair"));
  EXPECT_EQ(annotation->shapes[5].problem, DefectKind::kMissingField);
}

// LabelMe itself takes the last of two values.
TEST(ParseLabelMe, SaysWhatIsGivenTwice) {
  const auto annotation = ParseLabelMe(R"({"shapes": [
      {"label": "a", "points": [[1, 2], [5, 9]], "points": [[3, 4], [5, 9]]},
      {"label": "a", "label": "b", "points": [[1, 2], [5, 9]]},
      {"label": "a", "points": [[1, 2], [5, 9]], "flags": 1, "flags": 2}]})");
  ASSERT_THAT(annotation, IsOk());
  ASSERT_THAT(annotation->shapes, SizeIs(3));
  EXPECT_EQ(annotation->shapes[0].problem, DefectKind::kBadNumber);
  EXPECT_THAT(annotation->shapes[0].text, HasSubstr("several values of \"points\""));
  EXPECT_EQ(annotation->shapes[1].problem, DefectKind::kBadNumber);
  EXPECT_EQ(annotation->shapes[2].problem, std::nullopt);
  EXPECT_THAT(
      ParseLabelMe(R"({"shapes": [], "shapes": [{"label": "a"}]})"),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("several values of \"shapes\"")));
}

TEST(ParseLabelMe, MemoryIsBoundedByTheSizeOfTheFile) {
  const auto file = [](const std::string& shape, size_t count) {
    std::string text = "{\"shapes\": [" + shape;
    for (size_t i = 1; i < count; ++i) text += "," + shape;
    return text + "]}";
  };
  const size_t most = testing::MostRecords([&](size_t n) { return file("{}", n).size(); });
  EXPECT_THAT(ParseLabelMe(file("{}", most)), IsOk());
  EXPECT_THAT(ParseLabelMe(file("{}", most + 1)),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("too many shapes")));
  const auto shortest = ParseLabelMe(file(R"({"label":"a","points":[[0,0],[1,1]]})", 3000));
  ASSERT_THAT(shortest, IsOk());
  EXPECT_THAT(shortest->shapes, SizeIs(3000));
}

TEST(ParseLabelMe, RefusesWhatIsNotLabelMe) {
  const auto code = absl::StatusCode::kInvalidArgument;
  EXPECT_THAT(ParseLabelMe(""), StatusIs(code, HasSubstr("not valid JSON")));
  EXPECT_THAT(ParseLabelMe("{\"shapes\": ["), StatusIs(code, HasSubstr("not valid JSON")));
  EXPECT_THAT(ParseLabelMe("{}"), StatusIs(code, HasSubstr("shapes")));
  EXPECT_THAT(ParseLabelMe("[1]"), StatusIs(code, HasSubstr("shapes")));
  EXPECT_THAT(ParseLabelMe("{\"shapes\": [],}"), StatusIs(code, HasSubstr("remove the comma")));
  EXPECT_THAT(ParseLabelMe("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"),
              StatusIs(code, HasSubstr("git lfs pull")));
  EXPECT_THAT(ParseLabelMe(Utf16("{\"shapes\": []}")), StatusIs(code, HasSubstr("UTF-16")));
}

}  // namespace
}  // namespace rcnn::data
