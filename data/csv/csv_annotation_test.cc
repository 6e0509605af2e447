#include "rcnn/data/csv/csv_annotation.h"

#include <string>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/data/testing/most_records.h"

namespace rcnn::data {
namespace {

using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::SizeIs;

TEST(ParseCsv, ReadsTheUsualColumns) {
  const auto annotation = ParseCsv(
      "\xef\xbb\xbf"
      "filename,width,height,class,xmin,ymin,xmax,ymax\r\n"
      "a.jpg,64,48,cat,1,2,3.5,4\r\n\"b, c.jpg\",64,48,\"a \"\"b\"\"\",5,6,7,8\r\n");
  ASSERT_THAT(annotation, IsOk());
  ASSERT_THAT(annotation->rows, SizeIs(2));
  const CsvRow& row = annotation->rows[0];
  EXPECT_EQ(row.row, 2);
  EXPECT_EQ(row.file_name, "a.jpg");
  EXPECT_EQ(row.width, 64);
  EXPECT_EQ(row.height, 48);
  EXPECT_EQ(row.class_name, "cat");
  EXPECT_THAT(row.corners, ElementsAre(1, 2, 3.5, 4));
  EXPECT_EQ(annotation->rows[1].file_name, "b, c.jpg");
  EXPECT_EQ(annotation->rows[1].class_name, "a \"b\"");
}

TEST(ParseCsv, TakesColumnsInAnyOrderAndUnderOtherNames) {
  const auto annotation = ParseCsv("id;X1;Y1;X2;Y2;Label;Image\n7;1;2;3;4;cat;a.jpg");
  ASSERT_THAT(annotation, IsOk());
  ASSERT_THAT(annotation->rows, SizeIs(1));
  EXPECT_EQ(annotation->rows[0].file_name, "a.jpg");
  EXPECT_EQ(annotation->rows[0].class_name, "cat");
  EXPECT_THAT(annotation->rows[0].corners, ElementsAre(1, 2, 3, 4));
  EXPECT_EQ(annotation->rows[0].width, 0);
}

TEST(ParseCsv, NeedsNoNamesOfTheColumns) {
  const auto eight = ParseCsv("a.jpg,64,48,cat,1,2,3,4\n");
  ASSERT_THAT(eight, IsOk());
  ASSERT_THAT(eight->rows, SizeIs(1));
  EXPECT_EQ(eight->rows[0].class_name, "cat");
  const auto six = ParseCsv("a.jpg,1,2,3,4,cat\nb.jpg,,,,,\n");
  ASSERT_THAT(six, IsOk());
  ASSERT_THAT(six->rows, SizeIs(2));
  EXPECT_THAT(six->rows[0].corners, ElementsAre(1, 2, 3, 4));
  EXPECT_TRUE(six->rows[1].empty());
  EXPECT_EQ(six->rows[1].file_name, "b.jpg");
}

TEST(ParseCsv, SaysWhatIsWrongWithARow) {
  const auto annotation = ParseCsv(
      "filename,class,xmin,ymin,xmax,ymax\na.jpg,cat,1,2,3\na.jpg,cat,1,2,3,x\n"
      "a.jpg,,1,2,3,4\na.jpg,,,,,\n");
  ASSERT_THAT(annotation, IsOk());
  ASSERT_THAT(annotation->rows, SizeIs(4));
  EXPECT_EQ(annotation->rows[0].problem, DefectKind::kMissingField);
  EXPECT_EQ(annotation->rows[1].problem, DefectKind::kBadNumber);
  EXPECT_THAT(annotation->rows[1].text, HasSubstr("row 3: a.jpg cat (1, 2, 3, x)"));
  EXPECT_EQ(annotation->rows[2].problem, DefectKind::kMissingField);
  EXPECT_TRUE(annotation->rows[3].empty());
}

// The last row of a file that was cut off is not an image without objects, and a separator inside a
// value moves all values after it.
TEST(ParseCsv, RowsOfOtherLengthsAreDefects) {
  const auto annotation = ParseCsv(
      "filename,width,class,xmin,ymin,xmax,ymax\na.jpg,64,cat,1,2,3,4,,\n"
      "b.jpg,64,cat,10,5,12,5,30\nc.jpg,64,,,,,\nd.jpg,64");
  ASSERT_THAT(annotation, IsOkAndHolds(Field(&CsvAnnotation::rows, SizeIs(4))));
  EXPECT_EQ(annotation->rows[0].problem, std::nullopt);
  EXPECT_EQ(annotation->rows[1].problem, DefectKind::kBadNumber);
  EXPECT_THAT(annotation->rows[1].text, HasSubstr("8 values, and the first line has 7"));
  EXPECT_TRUE(annotation->rows[2].empty());
  EXPECT_EQ(annotation->rows[3].problem, DefectKind::kMissingField);
  EXPECT_THAT(annotation->rows[3].text, HasSubstr("2 values, and the first line has 7"));
}

TEST(ParseCsv, RefusesTwoColumnsOfOneName) {
  EXPECT_THAT(
      ParseCsv("filename,class,xmin,ymin,xmax,ymax,XMin\na.jpg,cat,1,2,3,4,9\n"),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("names two columns \"xmin\"")));
  EXPECT_THAT(ParseCsv("filename,class,xmin,ymin,xmax,ymax,a,a\na.jpg,cat,1,2,3,4,5,6\n"), IsOk());
}

TEST(ParseCsv, RefusesOtherFiles) {
  const auto code = absl::StatusCode::kInvalidArgument;
  EXPECT_THAT(ParseCsv("name,age\nann,7\n"), StatusIs(code, HasSubstr("name,age")));
  EXPECT_THAT(ParseCsv("filename,class,xmin,ymin,xmax,ymax\n\"a.jpg,cat,1,2,3,4\n"),
              StatusIs(code, HasSubstr("not valid CSV at row 2")));
}

TEST(ParseCsv, ReadsAColumnOfParts) {
  const auto annotation =
      ParseCsv("Split,filename,class,xmin,ymin,xmax,ymax\ntrain,a.jpg,cat,1,2,3,4\n,b.jpg,,,,,\n");
  ASSERT_THAT(annotation, IsOk());
  EXPECT_EQ(annotation->part_column, "Split");
  ASSERT_THAT(annotation->rows, SizeIs(2));
  EXPECT_EQ(annotation->rows[0].part, "train");
  EXPECT_EQ(annotation->rows[1].part, "");
  EXPECT_TRUE(annotation->rows[1].empty());
  EXPECT_EQ(ParseCsv("filename,class,xmin,ymin,xmax,ymax\n")->part_column, "");
}

TEST(ParseCsv, ReadsWhatSpreadsheetsWrite) {
  const std::string text =
      "\xef\xbb\xbfsep=;\r\nfilename;width;height;class;xmin;ymin;xmax;ymax\r\n"
      "a,1.jpg;64;48;1,5;1,5;2;-3,25;4e0\r\n";
  EXPECT_TRUE(LooksLikeBoxesCsv(text));
  const auto annotation = ParseCsv(text);
  ASSERT_THAT(annotation, IsOkAndHolds(Field(&CsvAnnotation::rows, SizeIs(1))));
  const CsvRow& row = annotation->rows[0];
  EXPECT_EQ(row.row, 2);
  EXPECT_EQ(row.file_name, "a,1.jpg");
  EXPECT_EQ(row.class_name, "1,5");
  EXPECT_EQ(row.width, 64);
  EXPECT_FALSE(row.problem);
  EXPECT_THAT(row.corners, ElementsAre(1.5, 2, -3.25, 4));
  const auto quoted = ParseCsv("\"sep=;\"\nfilename;class;xmin;ymin;xmax;ymax\na;cat;1;2;3;4\n");
  EXPECT_THAT(quoted, IsOkAndHolds(Field(&CsvAnnotation::rows, SizeIs(1))));
}

TEST(ParseCsv, TheLineOfTheSeparatorDecides) {
  const auto annotation = ParseCsv(
      "SEP=|\nfile;name|filename|class|xmin|ymin|xmax|ymax\n"
      ";;;|a.jpg|cat|1|2|3|4\n");
  ASSERT_THAT(annotation, IsOkAndHolds(Field(&CsvAnnotation::rows, SizeIs(1))));
  EXPECT_THAT(annotation->rows[0].corners, ElementsAre(1, 2, 3, 4));
  EXPECT_EQ(FindMissingCorners("sep=;\nfilename;class;xmin;ymin\n"), "xmax, ymax");
  EXPECT_THAT(ParseCsv("sep=;\n"), IsOkAndHolds(Field(&CsvAnnotation::rows, SizeIs(0))));
}

// Without names of columns too; "1,2,3" is not a number.
TEST(ParseCsv, DecimalCommasNeedAnotherSeparator) {
  const auto six = ParseCsv("a.jpg;1,5;2,5;3,5;4,5;cat\na.jpg;1,2,3;2;3;4;cat\n");
  ASSERT_THAT(six, IsOkAndHolds(Field(&CsvAnnotation::rows, SizeIs(2))));
  EXPECT_THAT(six->rows[0].corners, ElementsAre(1.5, 2.5, 3.5, 4.5));
  EXPECT_EQ(six->rows[1].problem, DefectKind::kBadNumber);
  const auto quoted = ParseCsv("filename,class,xmin,ymin,xmax,ymax\na.jpg,cat,\"1,5\",2,3,4\n");
  ASSERT_THAT(quoted, IsOkAndHolds(Field(&CsvAnnotation::rows, SizeIs(1))));
  EXPECT_EQ(quoted->rows[0].problem, DefectKind::kBadNumber);
}

// Then "1,234" is 1234 with a comma for thousands, or 1.234.
TEST(ParseCsv, DecimalCommasAndPointsInOneFileAreDefects) {
  const auto mixed = ParseCsv(
      "filename;class;xmin;ymin;xmax;ymax\na.jpg;cat;1;2;1,234;4\n"
      "a.jpg;cat;1;2;3;4.5\na.jpg;cat;1;2;3;4\na.jpg;cat;1;2;3;1,234.5\n");
  ASSERT_THAT(mixed, IsOkAndHolds(Field(&CsvAnnotation::rows, SizeIs(4))));
  EXPECT_EQ(mixed->rows[0].problem, DefectKind::kBadNumber);
  EXPECT_EQ(mixed->rows[1].problem, std::nullopt);
  EXPECT_THAT(mixed->rows[1].corners, ElementsAre(1, 2, 3, 4.5));
  EXPECT_EQ(mixed->rows[2].problem, std::nullopt);
  EXPECT_EQ(mixed->rows[3].problem, DefectKind::kBadNumber);
}

TEST(FindMissingCorners, NamesThem) {
  EXPECT_EQ(FindMissingCorners("filename,class,x,y,width,height\n"), "xmin, ymin, xmax, ymax");
  EXPECT_EQ(FindMissingCorners("image,label,x1,y1,w,h\n"), "xmax, ymax");
  EXPECT_EQ(FindMissingCorners("filename,class,xmin,ymin,xmax,ymax\n"), "");
  EXPECT_EQ(FindMissingCorners("epoch,loss\n"), "");
  EXPECT_EQ(FindMissingCorners(""), "");
}

TEST(ParseCsv, MemoryIsBoundedByTheSizeOfTheFile) {
  const auto file = [](const std::string& rows, size_t count) {
    std::string text = "filename,class,xmin,ymin,xmax,ymax\n";
    for (size_t i = 0; i < count; ++i) text += rows;
    return text;
  };
  const size_t most = testing::MostRecords([&](size_t n) { return file("a\n", n).size(); }, 10);
  EXPECT_THAT(ParseCsv(file("a\n", most)), IsOk());
  EXPECT_THAT(ParseCsv(file("a\n", most + 1)),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("too many rows")));
  const auto annotation = ParseCsv(file("a,,,,,\nb,c,0,0,1,1\n", 5000));
  ASSERT_THAT(annotation, IsOk());
  EXPECT_THAT(annotation->rows, SizeIs(10'000));
}

TEST(LooksLikeBoxesCsv, GoesByTheFirstLine) {
  EXPECT_TRUE(LooksLikeBoxesCsv("filename,width,height,class,xmin,ymin,xmax,ymax\na.jpg,6"));
  EXPECT_TRUE(LooksLikeBoxesCsv("a.jpg,64,48,cat,1,2,3,4\nb"));
  EXPECT_FALSE(LooksLikeBoxesCsv("epoch,loss\n1,2\n"));
  EXPECT_FALSE(LooksLikeBoxesCsv(""));
}

}  // namespace
}  // namespace rcnn::data
