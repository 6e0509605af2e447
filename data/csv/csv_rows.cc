#include "rcnn/data/csv/csv_rows.h"

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "csv.h"
#include "rcnn/base/status_macros.h"

namespace rcnn::data {
namespace {

// Of a first line that names the separator for spreadsheets: "sep=;".
constexpr absl::string_view kSeparatorLine = "sep=";

absl::string_view FirstLine(absl::string_view text) {
  return text.substr(0, text.find_first_of("\r\n"));
}

// nullopt if the line names none.
std::optional<char> NamedSeparator(absl::string_view line) {
  const bool quoted =
      line.size() == kSeparatorLine.size() + 3 && line.front() == '"' && line.back() == '"';
  if (quoted) line = line.substr(1, line.size() - 2);
  const bool names_one = line.size() == kSeparatorLine.size() + 1 &&
                         absl::StartsWithIgnoreCase(line, kSeparatorLine) && line.back() != '"';
  return names_one ? std::optional<char>(line.back()) : std::nullopt;
}

using TakeCsvRow = absl::FunctionRef<absl::Status(CsvFields row)>;

struct Collector {
  TakeCsvRow take;
  CsvFields row = {};
  // How many were taken.
  size_t rows = 0;
  // The first error of `take`, after which no row is taken.
  absl::Status taken = {};
  bool too_many_fields = false;
};

void TakeField(void* bytes, size_t size, void* collector) {
  auto* const all = static_cast<Collector*>(collector);
  all->too_many_fields |= all->row.size() == kMostCsvFields;
  if (all->too_many_fields) return;
  all->row.emplace_back(
      absl::StripAsciiWhitespace(absl::string_view(static_cast<char*>(bytes), size)));
}

void TakeRow(int /*last*/, void* collector) {
  auto* const all = static_cast<Collector*>(collector);
  if (all->too_many_fields || !all->taken.ok()) return;
  all->taken = all->take(std::exchange(all->row, {}));
  if (all->taken.ok()) ++all->rows;
}

absl::Status ParserError(csv_parser& parser) {
  if (csv_error(&parser) == CSV_EPARSE) {
    return absl::InvalidArgumentError(
        "a quote inside a field is not doubled, or text follows a quoted field");
  }
  return absl::ResourceExhaustedError(csv_strerror(csv_error(&parser)));
}

// Errors of the text, not those of `collector.take`.
absl::Status Split(absl::string_view bytes, char separator, Collector& collector) {
  csv_parser parser;
  if (csv_init(&parser, CSV_STRICT | CSV_STRICT_FINI) != 0) {
    return absl::InternalError("csv_init failed");
  }
  const auto free = absl::MakeCleanup([&parser] { csv_free(&parser); });
  csv_set_delim(&parser, static_cast<unsigned char>(separator));
  const size_t parsed =
      csv_parse(&parser, bytes.data(), bytes.size(), TakeField, TakeRow, &collector);
  const bool closed =
      parsed == bytes.size() && csv_fini(&parser, TakeField, TakeRow, &collector) == 0;
  if (collector.too_many_fields) {
    return absl::InvalidArgumentError(absl::StrCat("it has more than ", kMostCsvFields, " fields"));
  }
  if (parsed != bytes.size()) return ParserError(parser);
  return closed ? absl::OkStatus() : absl::InvalidArgumentError("a quoted field is not closed");
}

}  // namespace

bool IsCsvSeparatorLine(absl::string_view line) { return NamedSeparator(line).has_value(); }

absl::string_view WithoutCsvSeparatorLine(absl::string_view text) {
  const absl::string_view line = FirstLine(text);
  if (!IsCsvSeparatorLine(line)) return text;
  text.remove_prefix(line.size());
  absl::ConsumePrefix(&text, "\r");
  absl::ConsumePrefix(&text, "\n");
  return text;
}

char FindCsvSeparator(absl::string_view text) {
  const absl::string_view line = FirstLine(text);
  if (const std::optional<char> named = NamedSeparator(line)) return *named;
  const auto has_fewer = [line](char a, char b) {
    return std::count(line.begin(), line.end(), a) < std::count(line.begin(), line.end(), b);
  };
  return std::max({',', ';', '\t'}, has_fewer);
}

absl::Status ForEachCsvRow(absl::string_view bytes, char separator, TakeCsvRow take) {
  Collector collector = {take};
  const absl::Status status = Split(bytes, separator, collector);
  RCNN_RETURN_IF_ERROR(collector.taken);
  return Annotate(status, absl::StrCat("not valid CSV at row ", collector.rows + 1));
}

absl::StatusOr<CsvFields> ReadCsvLine(absl::string_view line, char separator) {
  std::vector<CsvFields> rows;
  const auto take = [&](CsvFields row) {
    rows.push_back(std::move(row));
    return absl::OkStatus();
  };
  Collector collector = {take};
  RCNN_RETURN_IF_ERROR(Split(line, separator, collector));
  if (rows.empty()) return CsvFields();
  if (rows.size() > 1) return absl::InvalidArgumentError("has a carriage return inside");
  return std::move(rows[0]);
}

std::optional<double> ParseCsvNumber(absl::string_view text, bool decimal_commas) {
  double value = 0;
  if (absl::SimpleAtod(text, &value)) return value;
  const size_t comma = decimal_commas ? text.find(',') : text.npos;
  if (comma == text.npos || absl::StrContains(text, ".")) return std::nullopt;
  std::string with_point(text);
  with_point[comma] = '.';
  return absl::SimpleAtod(with_point, &value) ? std::optional<double>(value) : std::nullopt;
}

}  // namespace rcnn::data
