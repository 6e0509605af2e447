#include "rcnn/data/csv/csv_rows.h"

#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/status_matchers.h"

namespace rcnn::data {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

absl::StatusOr<std::vector<CsvFields>> Rows(absl::string_view bytes, char separator) {
  std::vector<CsvFields> rows;
  const absl::Status status = ForEachCsvRow(bytes, separator, [&](CsvFields row) {
    rows.push_back(std::move(row));
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return rows;
}

TEST(FindCsvSeparatorTest, IsTheMostFrequentOfTheFirstLine) {
  EXPECT_EQ(FindCsvSeparator("a,b;c,d\n;;;;"), ',');
  EXPECT_EQ(FindCsvSeparator("a;b;c,d\r,,,,"), ';');
  EXPECT_EQ(FindCsvSeparator("a\tb"), '\t');
  EXPECT_EQ(FindCsvSeparator(""), ',');
  EXPECT_EQ(FindCsvSeparator("a;b,c"), ',');
}

TEST(ForEachCsvRowTest, SplitsAndUnquotes) {
  EXPECT_THAT(Rows("a, b ,c\r\n\n\"x, \"\"y\"\"\",,\"two\nlines\"", ','),
              IsOkAndHolds(ElementsAre(ElementsAre("a", "b", "c"),
                                       ElementsAre("x, \"y\"", "", "two\nlines"))));
  EXPECT_THAT(Rows("a;b,c", ';'), IsOkAndHolds(ElementsAre(ElementsAre("a", "b,c"))));
  EXPECT_THAT(Rows("", ','), IsOkAndHolds(IsEmpty()));
}

TEST(ForEachCsvRowTest, ErrorsNameTheRow) {
  const auto code = absl::StatusCode::kInvalidArgument;
  EXPECT_THAT(Rows("a,b\n\"c,d\n", ','),
              StatusIs(code, "not valid CSV at row 2: a quoted field is not closed"));
  EXPECT_THAT(Rows("a\"b,c\n", ','),
              StatusIs(code, StartsWith("not valid CSV at row 1: a quote inside a field")));
}

TEST(ForEachCsvRowTest, EndsAtTheFirstErrorOfTheCaller) {
  int taken = 0;
  const auto take = [&](const CsvFields& row) {
    ++taken;
    return row[0] == "c" ? absl::DataLossError("no c") : absl::OkStatus();
  };
  EXPECT_EQ(ForEachCsvRow("a\nb\nc\nd\n\"e", ',', take), absl::DataLossError("no c"));
  EXPECT_EQ(taken, 3);
}

TEST(ForEachCsvRowTest, ARowHasOnlySoManyFields) {
  const std::string most(kMostCsvFields - 1, ',');
  EXPECT_THAT(Rows(absl::StrCat(most, "\n", most), ','), IsOk());
  EXPECT_THAT(Rows(absl::StrCat(most, "\n,", most, "\na"), ','),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "not valid CSV at row 2: it has more than 10000 fields"));
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

TEST(FindCsvSeparator, IsWhatAFirstLineNames) {
  EXPECT_EQ(FindCsvSeparator("sep=;\r\na,b,c\r\n"), ';');
  EXPECT_EQ(FindCsvSeparator("Sep=\t\na;b;c\n"), '\t');
  EXPECT_EQ(FindCsvSeparator("sep=\na;b;c\n"), ',');
  EXPECT_EQ(WithoutCsvSeparatorLine("sep=;\r\na;b\r\n"), "a;b\r\n");
  EXPECT_EQ(WithoutCsvSeparatorLine("sep=;\ra;b"), "a;b");
  EXPECT_EQ(WithoutCsvSeparatorLine("sep=;"), "");
  EXPECT_EQ(WithoutCsvSeparatorLine("sep=;;\na"), "sep=;;\na");
  EXPECT_EQ(WithoutCsvSeparatorLine("\nsep=;\n"), "\nsep=;\n");
}

TEST(FindCsvSeparator, TheLineMayBeQuoted) {
  EXPECT_EQ(FindCsvSeparator("\"sep=;\"\r\na,b,c\r\n"), ';');
  EXPECT_EQ(WithoutCsvSeparatorLine("\"sep=;\"\r\na;b\r\n"), "a;b\r\n");
  for (const char* line :
       {"\"sep=;", "sep=;\"", "\"sep=\"\"", "\"sep=\"", "sep=\"", "\"sep=;;\""}) {
    EXPECT_FALSE(IsCsvSeparatorLine(line)) << line;
  }
}

TEST(ParseCsvNumber, DecimalCommasAreReadOnRequest) {
  EXPECT_EQ(ParseCsvNumber("-12.5", false), -12.5);
  EXPECT_EQ(ParseCsvNumber("-12.5", true), -12.5);
  EXPECT_EQ(ParseCsvNumber("-12,5", true), -12.5);
  EXPECT_EQ(ParseCsvNumber("-12,5", false), std::nullopt);
  EXPECT_EQ(ParseCsvNumber("inf", true), std::numeric_limits<double>::infinity());
  for (const char* text : {"", ",", "1,2,3", "1,234.5", "1.234,5", "a,5"}) {
    EXPECT_EQ(ParseCsvNumber(text, true), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace rcnn::data
