// Splits CSV into rows of fields, quoted as in RFC 4180, with libcsv.
//
// For datasets (csv_annotation.h) and for detections (eval/text_results.h). White space
// around a field is removed.
//
// Example:
//   const auto take = [&](CsvFields row) {
//     names.push_back(row[0]);
//     return absl::OkStatus();
//   };
//   RCNN_RETURN_IF_ERROR(
//       ForEachCsvRow(WithoutCsvSeparatorLine(bytes), FindCsvSeparator(bytes), take), path);

#ifndef RCNN_DATA_CSV_CSV_ROWS_H_
#define RCNN_DATA_CSV_CSV_ROWS_H_

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace rcnn::data {

using CsvFields = std::vector<std::string>;

// Of a row. A field takes some 40 bytes, however short it is.
inline constexpr size_t kMostCsvFields = 10'000;

// Returns the separator that a first line sep=; names, as Excel writes it, or "sep=;" in quotes, as
// other spreadsheets save it again; otherwise which of comma, semicolon and tab the first line of
// `text` has most of, of equal counts the first.
char FindCsvSeparator(absl::string_view text);

// Whether the line is sep= and one character, in any case, possibly in quotes.
bool IsCsvSeparatorLine(absl::string_view line);

// The text after a first line that IsCsvSeparatorLine.
absl::string_view WithoutCsvSeparatorLine(absl::string_view text);

// Calls `take` with each row of `bytes` that is not empty, and returns its first error.
// kInvalidArgument, with the number of the row, counted from 1, for a quote that is not closed,
// for one inside a field, and for more than kMostCsvFields. Holds one row at a time.
absl::Status ForEachCsvRow(absl::string_view bytes, char separator,
                           absl::FunctionRef<absl::Status(CsvFields row)> take);

// Returns the fields of one line, none for an empty line. kInvalidArgument as above, and if
// a carriage return stands between two rows.
absl::StatusOr<CsvFields> ReadCsvLine(absl::string_view line, char separator);

// `text` as a number, possibly infinite; nullopt if it is none. With `decimal_commas`, for files
// whose columns are not separated by commas, "12,5" is 12.5 as well.
std::optional<double> ParseCsvNumber(absl::string_view text, bool decimal_commas);

}  // namespace rcnn::data

#endif  // RCNN_DATA_CSV_CSV_ROWS_H_
