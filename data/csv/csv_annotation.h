// A CSV file of boxes, a line for each object.
//
//   filename,width,height,class,xmin,ymin,xmax,ymax
//
// A first line that names the columns gives their order; other columns are skipped,
// and width and height may be missing. A column split, subset, set, partition or usage may say to
// which part a row belongs. Other names that tools use: path, image,
// image_path, image_name, file, file_name; label, class_name, category, name; x1, y1,
// x2, y2, x_min, ... Without such a line, 8 columns are read in the order above and 6 as
// filename, xmin, ymin, xmax, ymax, class. Columns are separated by commas, semicolons
// or tabs, or by what a first line "sep=;" names (csv_rows.h). Where that is not a comma,
// numbers may have decimal commas: "12,5" is 12.5.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(CsvAnnotation annotation, ParseCsv(bytes), path);

#ifndef RCNN_DATA_CSV_CSV_ANNOTATION_H_
#define RCNN_DATA_CSV_CSV_ANNOTATION_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "rcnn/data/core/defect_report.h"

namespace rcnn::data {

struct CsvRow {
  // Counted from 1, the line of the names included and a line "sep=;" not, as in a spreadsheet.
  int64_t row = 0;
  std::string file_name;
  // 0 if missing.
  int64_t width = 0;
  int64_t height = 0;
  // "" for an image without objects, whose corners are empty too.
  std::string class_name;
  // The value in the column that tells parts apart; "" without one.
  std::string part;
  // xmin, ymin, xmax, ymax as in the file.
  std::array<double, 4> corners = {0, 0, 0, 0};
  // What messages show: "row 3: a.jpg cat (1, 2, 3, 4)".
  std::string text;
  // kMissingField, also for a row that ends before its class; kBadNumber, also for one with more
  // values than the first line.
  std::optional<DefectKind> problem = std::nullopt;

  bool empty() const { return class_name.empty() && !problem; }
};

struct CsvAnnotation {
  std::vector<CsvRow> rows;
  // The name of the column that seems to tell parts apart, such as "split"; "" without one.
  std::string part_column;
};

// kInvalidArgument for quotes that are not closed, for columns that are none of the above or have
// the name of another, and for more than a thousand rows if they are shorter than any row of all
// columns.
absl::StatusOr<CsvAnnotation> ParseCsv(absl::string_view bytes);

// Whether the first line of a file, after one that names the separator, names the columns, or is a
// box of 8 or 6 columns as above.
bool LooksLikeBoxesCsv(absl::string_view beginning);

// Where the first line names columns for the image and the class, but not all corners: the corners
// that it lacks, "xmax, ymax". "" otherwise.
std::string FindMissingCorners(absl::string_view beginning);

}  // namespace rcnn::data

#endif  // RCNN_DATA_CSV_CSV_ANNOTATION_H_
