#include "rcnn/data/csv/csv_rows.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "csv.h"
#include "rcnn/base/status_macros.h"

namespace rcnn::data {
namespace {

struct Collector {
  std::vector<CsvFields> rows;
  CsvFields row;
};

void TakeField(void* bytes, size_t size, void* collector) {
  static_cast<Collector*>(collector)->row.emplace_back(
      absl::StripAsciiWhitespace(absl::string_view(static_cast<char*>(bytes), size)));
}

void TakeRow(int /*last*/, void* collector) {
  auto* const all = static_cast<Collector*>(collector);
  all->rows.push_back(std::move(all->row));
  all->row.clear();
}

absl::Status ParserError(csv_parser& parser) {
  if (csv_error(&parser) == CSV_EPARSE) {
    return absl::InvalidArgumentError(
        "a quote inside a field is not doubled, or text follows a quoted field");
  }
  return absl::ResourceExhaustedError(csv_strerror(csv_error(&parser)));
}

// After an error, `rows` are those before it.
absl::Status Split(absl::string_view bytes, char separator, std::vector<CsvFields>& rows) {
  csv_parser parser;
  if (csv_init(&parser, CSV_STRICT | CSV_STRICT_FINI) != 0) {
    return absl::InternalError("csv_init failed");
  }
  const auto free = absl::MakeCleanup([&parser] { csv_free(&parser); });
  csv_set_delim(&parser, static_cast<unsigned char>(separator));
  Collector collector;
  const size_t parsed =
      csv_parse(&parser, bytes.data(), bytes.size(), TakeField, TakeRow, &collector);
  const bool closed =
      parsed == bytes.size() && csv_fini(&parser, TakeField, TakeRow, &collector) == 0;
  rows = std::move(collector.rows);
  if (parsed != bytes.size()) return ParserError(parser);
  return closed ? absl::OkStatus() : absl::InvalidArgumentError("a quoted field is not closed");
}

}  // namespace

char FindCsvSeparator(absl::string_view text) {
  const absl::string_view line = text.substr(0, text.find_first_of("\r\n"));
  const auto has_fewer = [line](char a, char b) {
    return std::count(line.begin(), line.end(), a) < std::count(line.begin(), line.end(), b);
  };
  return std::max({',', ';', '\t'}, has_fewer);
}

absl::StatusOr<std::vector<CsvFields>> ReadCsvRows(absl::string_view bytes, char separator) {
  std::vector<CsvFields> rows;
  const absl::Status status = Split(bytes, separator, rows);
  RCNN_RETURN_IF_ERROR(status, absl::StrCat("not valid CSV at row ", rows.size() + 1));
  return rows;
}

absl::StatusOr<CsvFields> ReadCsvLine(absl::string_view line, char separator) {
  std::vector<CsvFields> rows;
  RCNN_RETURN_IF_ERROR(Split(line, separator, rows));
  if (rows.empty()) return CsvFields();
  if (rows.size() > 1) return absl::InvalidArgumentError("has a carriage return inside");
  return std::move(rows[0]);
}

}  // namespace rcnn::data
