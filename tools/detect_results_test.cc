#include "rcnn/tools/detect_results.h"

#include <nlohmann/json.hpp>

#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rcnn::tools {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

const ResultClasses kClasses = {{"cat", "big, \"wild\" dog"}, {17, 18}};

std::vector<ImageResult> Images() {
  ImageResult first;
  first.name = "a/1.jpg";
  first.image_id = 5;
  first.width = 640;
  first.height = 480;
  first.objects = {{2, 0.9, 10, 20, 110, 70.5}, {1, 0.75, 0, 0, 5, 5}, {1, 0.25, 1, 1, 2, 2}};
  ImageResult empty;
  empty.name = "b,2.jpg";
  empty.image_id = 6;
  empty.width = 32;
  empty.height = 16;
  ImageResult last = first;
  last.name = "c.jpg";
  last.image_id = 7;
  last.objects = {{1, 1, 3, 4, 5, 6}};
  return {first, empty, last};
}

std::vector<std::string> Lines(const std::string& text) {
  return absl::StrSplit(text, '\n', absl::SkipEmpty());
}

TEST(ToDetectionsTest, HasTheNumbersOfImagesAndCategories) {
  const eval::Detections detections = ToDetections(Images(), kClasses);
  EXPECT_THAT(detections.image_ids, ElementsAre(5, 5, 5, 7));
  EXPECT_THAT(detections.category_ids, ElementsAre(18, 17, 17, 17));
  EXPECT_EQ(detections.boxes[0], (eval::XywhBox{10, 20, 100, 50.5}));
  EXPECT_THAT(detections.scores, ElementsAre(0.9, 0.75, 0.25, 1));
}

TEST(ImagesJsonTest, IsACocoFileWithoutAnnotations) {
  const auto json = nlohmann::json::parse(ImagesJson(Images(), kClasses));
  ASSERT_EQ(json["images"].size(), 3u);
  EXPECT_EQ(json["images"][0],
            (nlohmann::json{{"id", 5}, {"file_name", "a/1.jpg"}, {"width", 640}, {"height", 480}}));
  EXPECT_EQ(json["images"][1]["id"], 6);
  EXPECT_EQ(json["categories"][1], (nlohmann::json{{"id", 18}, {"name", "big, \"wild\" dog"}}));
  EXPECT_EQ(json["annotations"], nlohmann::json::array());
  EXPECT_EQ(nlohmann::json::parse(ImagesJson({}, {}))["images"], nlohmann::json::array());
}

TEST(ImagesJsonTest, NonUtf8NameGivesValidJson) {
  std::vector<ImageResult> images(1);
  images[0].name = "caf\xe9.jpg";
  EXPECT_THAT(nlohmann::json::parse(ImagesJson(images, kClasses))["images"][0]["file_name"],
              StartsWith("caf"));
}

TEST(DetectionsCsvTest, HasALineForEachObject) {
  std::vector<ImageResult> images = Images();
  images[1].objects = {{1, 0.5, 1, 2, 3, 4}};
  EXPECT_THAT(Lines(DetectionsCsv(images, kClasses)),
              ElementsAre("image_id,file,class,score,x1,y1,x2,y2",
                          "5,a/1.jpg,\"big, \"\"wild\"\" dog\",0.9000,10.00,20.00,110.00,70.50",
                          "5,a/1.jpg,cat,0.7500,0.00,0.00,5.00,5.00",
                          "5,a/1.jpg,cat,0.2500,1.00,1.00,2.00,2.00",
                          "6,\"b,2.jpg\",cat,0.5000,1.00,2.00,3.00,4.00",
                          "7,c.jpg,cat,1.0000,3.00,4.00,5.00,6.00"));
  EXPECT_THAT(Lines(DetectionsCsv({}, kClasses)), ElementsAre(StartsWith("image_id")));
}

TEST(DetectionsCsvTest, NoSpreadsheetRunsANameAndNoTerminalObeysOne) {
  std::vector<ImageResult> images = {Images()[2]};
  images[0].name = "=1+1\x1b]0;pwned\x07\n.jpg";
  const ResultClasses classes = {{"@SUM(1);=2\xe2\x80\xae"}, {1}};
  EXPECT_THAT(
      Lines(DetectionsCsv(images, classes)),
      ElementsAre(StartsWith("image_id"),
                  StartsWith("7,'=1+1\\x1b]0;pwned\\x07\\n.jpg,'@SUM(1);'=2\\u202e,1.0000,")));
  EXPECT_THAT(ImagesJson(images, classes), HasSubstr("=2\\u202e\""));
}

TEST(ClassTableTest, CountsObjectsAndImagesAboveTheScore) {
  const auto words = [](const std::string& line) {
    return std::vector<std::string>(absl::StrSplit(line, ' ', absl::SkipEmpty()));
  };
  const ResultClasses classes = {{"cat", "dog", "emu"}, {1, 2, 3}};
  const std::vector<std::string> rows = Lines(ClassTable(Images(), classes, 0.3));
  ASSERT_EQ(rows.size(), 5u);
  EXPECT_THAT(words(rows[1]), ElementsAre("cat", "2", "2", "0.875", "1.000"));
  EXPECT_THAT(words(rows[2]), ElementsAre("dog", "1", "1", "0.900", "0.900"));
  EXPECT_THAT(words(rows[3]), ElementsAre("emu", "0", "0", "-", "-"));
  EXPECT_THAT(words(rows[4]), ElementsAre("all", "3", "2", "0.883", "1.000"));
  for (const std::string& row : rows) EXPECT_EQ(row.size(), rows[0].size()) << row;
  EXPECT_THAT(words(Lines(ClassTable(Images(), classes, 0.2))[1]),
              ElementsAre("cat", "3", "2", "0.667", "1.000"));
}

TEST(ImageTableTest, SummarisesEachImage) {
  const ResultClasses classes = {{"cat", "dog"}, {1, 2}};
  EXPECT_THAT(Lines(ImageTable(Images(), classes, 0.2, 20)),
              ElementsAre("image    pixels       objects",  //
                          "a/1.jpg  640 x 480    2 cat, 1 dog",
                          "b,2.jpg  32 x 16      nothing found",  //
                          "c.jpg    640 x 480    1 cat"));
  const std::vector<std::string> cut = Lines(ImageTable(Images(), classes, 0.2, 1));
  ASSERT_EQ(cut.size(), 3u);
  EXPECT_EQ(cut[2], "and 2 more");
}

}  // namespace
}  // namespace rcnn::tools
