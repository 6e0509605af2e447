#include "rcnn/data/csv/csv_rows.h"

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/status_matchers.h"

namespace rcnn::data {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

TEST(FindCsvSeparatorTest, IsTheMostFrequentOfTheFirstLine) {
  EXPECT_EQ(FindCsvSeparator("a,b;c,d\n;;;;"), ',');
  EXPECT_EQ(FindCsvSeparator("a;b;c,d\r,,,,"), ';');
  EXPECT_EQ(FindCsvSeparator("a\tb"), '\t');
  EXPECT_EQ(FindCsvSeparator(""), ',');
  EXPECT_EQ(FindCsvSeparator("a;b,c"), ',');
}

TEST(ReadCsvRowsTest, SplitsAndUnquotes) {
  EXPECT_THAT(ReadCsvRows("a, b ,c\r\n\n\"x, \"\"y\"\"\",,\"two\nlines\"", ','),
              IsOkAndHolds(ElementsAre(ElementsAre("a", "b", "c"),
                                       ElementsAre("x, \"y\"", "", "two\nlines"))));
  EXPECT_THAT(ReadCsvRows("a;b,c", ';'), IsOkAndHolds(ElementsAre(ElementsAre("a", "b,c"))));
  EXPECT_THAT(ReadCsvRows("", ','), IsOkAndHolds(IsEmpty()));
}

TEST(ReadCsvRowsTest, ErrorsNameTheRow) {
  const auto code = absl::StatusCode::kInvalidArgument;
  EXPECT_THAT(ReadCsvRows("a,b\n\"c,d\n", ','),
              StatusIs(code, "not valid CSV at row 2: a quoted field is not closed"));
  EXPECT_THAT(ReadCsvRows("a\"b,c\n", ','),
              StatusIs(code, StartsWith("not valid CSV at row 1: a quote inside a field")));
}

TEST(ReadCsvLineTest, ReadsOneLine) {
  EXPECT_THAT(ReadCsvLine("a;\"b;c\";", ';'), IsOkAndHolds(ElementsAre("a", "b;c", "")));
  EXPECT_THAT(ReadCsvLine("", ','), IsOkAndHolds(IsEmpty()));
}

TEST(ReadCsvLineTest, ErrorsDoNotNameTheRow) {
  const auto code = absl::StatusCode::kInvalidArgument;
  EXPECT_THAT(ReadCsvLine("a,\"b", ','), StatusIs(code, "a quoted field is not closed"));
  EXPECT_THAT(ReadCsvLine("a,\"b\"c", ','), StatusIs(code, HasSubstr("text follows a quoted")));
  EXPECT_THAT(ReadCsvLine("a,b\rc,d", ','), StatusIs(code, HasSubstr("carriage return")));
}

}  // namespace
}  // namespace rcnn::data
