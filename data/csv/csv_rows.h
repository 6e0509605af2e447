// Splits CSV into rows of fields, quoted as in RFC 4180, with libcsv.
//
// For datasets (csv_annotation.h) and for detections (eval/text_results.h). White space
// around a field is removed.
//
// Example:
//   const char separator = FindCsvSeparator(bytes);
//   RCNN_ASSIGN_OR_RETURN(std::vector<CsvFields> rows, ReadCsvRows(bytes, separator), path);

#ifndef RCNN_DATA_CSV_CSV_ROWS_H_
#define RCNN_DATA_CSV_CSV_ROWS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace rcnn::data {

using CsvFields = std::vector<std::string>;

// Returns which of comma, semicolon and tab the first line of `text` has most of; of equal
// counts the first.
char FindCsvSeparator(absl::string_view text);

// Returns all rows of `bytes`, without empty lines. kInvalidArgument, with the number of the
// row, counted from 1, for a quote that is not closed and for one inside a field.
absl::StatusOr<std::vector<CsvFields>> ReadCsvRows(absl::string_view bytes, char separator);

// Returns the fields of one line, none for an empty line. kInvalidArgument as above, and if
// a carriage return stands between two rows.
absl::StatusOr<CsvFields> ReadCsvLine(absl::string_view line, char separator);

}  // namespace rcnn::data

#endif  // RCNN_DATA_CSV_CSV_ROWS_H_
