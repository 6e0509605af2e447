#include "rcnn/data/csv/csv_annotation.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "rcnn/base/byte_order_mark.h"
#include "rcnn/base/counted.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/data/core/record_limit.h"
#include "rcnn/data/csv/csv_rows.h"

namespace rcnn::data {
namespace {

constexpr int kNone = -1;
constexpr size_t kLeastRowBytes = 10;  // of all columns

enum Column { kFile, kWidth, kHeight, kClass, kXmin, kYmin, kXmax, kYmax, kPart, kColumns };
using Order = std::array<int, kColumns>;

const std::vector<absl::string_view>& NamesOfColumn(int column) {
  static const auto* const names = new std::array<std::vector<absl::string_view>, kColumns>{{
      {"filename", "file_name", "file", "path", "image", "image_path", "image_name", "img_path"},
      {"width", "image_width", "img_width"},
      {"height", "image_height", "img_height"},
      {"class", "label", "class_name", "label_name", "category", "name"},
      {"xmin", "x1", "x_min", "xtl", "left", "bbox_xmin"},
      {"ymin", "y1", "y_min", "ytl", "top", "bbox_ymin"},
      {"xmax", "x2", "x_max", "xbr", "right", "bbox_xmax"},
      {"ymax", "y2", "y_max", "ybr", "bottom", "bbox_ymax"},
      {"split", "subset", "set", "partition", "usage"},
  }};
  return (*names)[column];
}

// Whether "12,5" is a number: where commas separate columns, it may be 125 just as well.
bool HasDecimalCommas(absl::string_view text) { return FindCsvSeparator(text) != ','; }

// `text` as a finite number; false if it is none.
bool ParseNumber(const std::string& text, bool decimal_commas, double& value) {
  const std::optional<double> number = ParseCsvNumber(text, decimal_commas);
  value = number.value_or(0);
  return number && std::isfinite(value);
}

// What columns the row names; kNone for others.
Order FindColumns(const CsvFields& row) {
  Order order;
  order.fill(kNone);
  for (int column = 0; column < kColumns; ++column) {
    for (const absl::string_view name : NamesOfColumn(column)) {
      for (size_t i = 0; i < row.size() && order[column] == kNone; ++i) {
        if (absl::EqualsIgnoreCase(row[i], name)) order[column] = static_cast<int>(i);
      }
    }
  }
  return order;
}

// The same of the first row; nullopt if it lacks one that is needed.
std::optional<Order> NamedColumns(const CsvFields& row) {
  const Order order = FindColumns(row);
  for (const int needed : {kFile, kClass, kXmin, kYmin, kXmax, kYmax}) {
    if (order[needed] == kNone) return std::nullopt;
  }
  return order;
}

// Which of two columns of one name holds the boxes, nobody knows.
absl::Status CheckNamedOnce(const CsvFields& row, const Order& order) {
  for (const int place : order) {
    if (place == kNone) continue;
    const std::string& name = row[static_cast<size_t>(place)];
    const auto is_named = [&](const std::string& field) {
      return absl::EqualsIgnoreCase(field, name);
    };
    if (std::count_if(row.begin(), row.end(), is_named) == 1) continue;
    return absl::InvalidArgumentError(absl::StrCat("the first line names two columns \"", name,
                                                   "\"; rename the one that is not meant"));
  }
  return absl::OkStatus();
}

// nullopt if it cannot be read, or has none.
std::optional<CsvFields> ReadFirstRow(absl::string_view text) {
  std::optional<CsvFields> first;
  const absl::string_view rows = WithoutCsvSeparatorLine(text);
  const absl::Status status = ForEachCsvRow(rows.substr(0, rows.find_first_of("\r\n")),
                                            FindCsvSeparator(text), [&](CsvFields fields) {
                                              if (!first) first = std::move(fields);
                                              return absl::OkStatus();
                                            });
  return status.ok() ? first : std::nullopt;
}

std::optional<Order> UnnamedColumns(const CsvFields& row, bool decimal_commas) {
  const auto is_number = [&](const std::string& field) {
    double value = 0;
    return ParseNumber(field, decimal_commas, value);
  };
  const auto numbers = [&](size_t first, size_t last) {
    return std::all_of(row.begin() + first, row.begin() + last, is_number);
  };
  if (row.size() == 8 && !is_number(row[3]) && numbers(1, 3) && numbers(4, 8)) {
    return Order{0, 1, 2, 3, 4, 5, 6, 7, kNone};
  }
  if (row.size() == 6 && !row[0].empty() && !is_number(row[5]) && numbers(1, 5)) {
    return Order{0, kNone, kNone, 5, 1, 2, 3, 4, kNone};
  }
  return std::nullopt;
}

int64_t Pixels(const std::string& text, bool decimal_commas) {
  double value = 0;
  const bool good = ParseNumber(text, decimal_commas, value) && value > 0 && value < 1e9;
  return good ? static_cast<int64_t>(value) : 0;
}

// A file that was cut off, or a separator inside a value, which moves all values after it.
std::optional<DefectKind> ProblemOfLength(const CsvFields& fields, const Order& order,
                                          size_t width) {
  if (static_cast<int>(fields.size()) <= order[kClass]) return DefectKind::kMissingField;
  const auto extra = fields.begin() + static_cast<std::ptrdiff_t>(std::min(width, fields.size()));
  const bool has_more =
      std::any_of(extra, fields.end(), [](const std::string& field) { return !field.empty(); });
  return has_more ? std::optional(DefectKind::kBadNumber) : std::nullopt;
}

// `width`: the number of columns.
CsvRow ReadRow(const CsvFields& fields, int64_t number, const Order& order, size_t width,
               bool decimal_commas) {
  static const auto* const nothing = new std::string;
  const auto field = [&](int column) -> const std::string& {
    const int place = order[column];
    return place >= 0 && place < static_cast<int>(fields.size()) ? fields[place] : *nothing;
  };
  CsvRow row;
  row.row = number;
  row.file_name = field(kFile);
  row.width = Pixels(field(kWidth), decimal_commas);
  row.height = Pixels(field(kHeight), decimal_commas);
  row.class_name = field(kClass);
  row.part = field(kPart);
  row.text =
      absl::StrCat("row ", number, ": ", row.file_name, " ", row.class_name, " (", field(kXmin),
                   ", ", field(kYmin), ", ", field(kXmax), ", ", field(kYmax), ")");
  row.problem = ProblemOfLength(fields, order, width);
  if (row.problem) {
    absl::StrAppend(&row.text, ": ", Counted(fields.size(), "value"), ", and the first line has ",
                    width);
    return row;
  }
  const bool no_corners =
      field(kXmin).empty() && field(kYmin).empty() && field(kXmax).empty() && field(kYmax).empty();
  if (row.class_name.empty() && no_corners) return row;
  for (int i = 0; i < 4; ++i) {
    const std::string& text = field(kXmin + i);
    if (ParseNumber(text, decimal_commas, row.corners[i])) continue;
    row.problem = text.empty() ? DefectKind::kMissingField : DefectKind::kBadNumber;
    return row;
  }
  if (row.class_name.empty()) row.problem = DefectKind::kMissingField;
  return row;
}

// Takes the rows of a file, of which the first may name the columns.
class RowReader {
 public:
  // `text`: the whole file.
  explicit RowReader(absl::string_view text)
      : bytes_(text.size()), decimal_commas_(HasDecimalCommas(text)) {}

  absl::Status Take(const CsvFields& fields) {
    ++number_;
    if (!order_) width_ = fields.size();
    if (!order_ && (order_ = NamedColumns(fields))) {
      RCNN_RETURN_IF_ERROR(CheckNamedOnce(fields, *order_));
      const int part = (*order_)[kPart];
      if (part != kNone) annotation_.part_column = fields[static_cast<size_t>(part)];
      return absl::OkStatus();
    }
    if (!order_) order_ = UnnamedColumns(fields, decimal_commas_);
    if (!order_) {
      return absl::InvalidArgumentError(
          absl::StrCat("unknown columns: the first line is \"", absl::StrJoin(fields, ","),
                       "\"; it should name filename, class, xmin, ymin, xmax, ymax"));
    }
    if (fields.size() == 1 && fields[0].empty()) return absl::OkStatus();
    RCNN_RETURN_IF_ERROR(
        CheckNumRecords(annotation_.rows.size() + 1, "rows", bytes_, kLeastRowBytes),
        absl::StrCat("row ", number_));
    annotation_.rows.push_back(ReadRow(fields, number_, *order_, width_, decimal_commas_));
    NoteDecimals(fields);
    return absl::OkStatus();
  }

  // In a file with decimal points too, "1,234" is 1234 or 1.234: its rows are defects.
  CsvAnnotation Finish() && {
    for (const size_t row : has_points_ ? rows_with_commas_ : std::vector<size_t>()) {
      annotation_.rows[row].problem = DefectKind::kBadNumber;
    }
    return std::move(annotation_);
  }

 private:
  // Of the row read last.
  void NoteDecimals(const CsvFields& fields) {
    bool has_comma = false;
    for (int corner = kXmin; corner <= kYmax; ++corner) {
      const int place = (*order_)[corner];
      if (place < 0 || place >= static_cast<int>(fields.size())) continue;
      has_comma |= absl::StrContains(fields[place], ",");
      has_points_ |= absl::StrContains(fields[place], ".");
    }
    if (has_comma) rows_with_commas_.push_back(annotation_.rows.size() - 1);
  }

  const size_t bytes_;
  const bool decimal_commas_;
  std::optional<Order> order_;
  size_t width_ = 0;  // of the first line, in columns
  int64_t number_ = 0;
  bool has_points_ = false;
  std::vector<size_t> rows_with_commas_;
  CsvAnnotation annotation_;
};

}  // namespace

absl::StatusOr<CsvAnnotation> ParseCsv(absl::string_view bytes) {
  const absl::string_view text = WithoutByteOrderMark(bytes);
  RowReader reader(text);
  RCNN_RETURN_IF_ERROR(ForEachCsvRow(WithoutCsvSeparatorLine(text), FindCsvSeparator(text),
                                     [&](const CsvFields& fields) { return reader.Take(fields); }));
  return std::move(reader).Finish();
}

bool LooksLikeBoxesCsv(absl::string_view beginning) {
  const absl::string_view text = WithoutByteOrderMark(beginning);
  const std::optional<CsvFields> row = ReadFirstRow(text);
  return row && (NamedColumns(*row) || UnnamedColumns(*row, HasDecimalCommas(text)));
}

std::string FindMissingCorners(absl::string_view beginning) {
  const std::optional<CsvFields> row = ReadFirstRow(WithoutByteOrderMark(beginning));
  if (!row) return "";
  const Order order = FindColumns(*row);
  if (order[kFile] == kNone || order[kClass] == kNone) return "";
  std::vector<absl::string_view> missing;
  for (int corner = kXmin; corner <= kYmax; ++corner) {
    if (order[corner] == kNone) missing.push_back(NamesOfColumn(corner).front());
  }
  return absl::StrJoin(missing, ", ");
}

}  // namespace rcnn::data
