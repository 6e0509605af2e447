#include "rcnn/data/csv/csv_reader.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/data/core/folder_listing.h"
#include "rcnn/data/core/image_finder.h"
#include "rcnn/data/core/record_table.h"
#include "rcnn/data/core/text_encoding.h"

namespace rcnn::data {
namespace {

constexpr int64_t kMaxBytes = int64_t{2} << 30;

ObjectRecord MakeRecord(const CsvRow& row, configs::VocCoordinates coordinates) {
  const double first = coordinates == configs::ONE_BASED_INCLUSIVE ? 1 : 0;
  const double last = coordinates == configs::ZERO_BASED_INCLUSIVE ? 1 : 0;
  const auto& [xmin, ymin, xmax, ymax] = row.corners;
  const double x = xmin - first, y = ymin - first;
  ObjectRecord record;
  record.class_name = row.class_name;
  record.xywh = {x, y, xmax + last - x, ymax + last - y};
  record.value = row.text;
  record.problem = row.problem;
  return record;
}

using ImageRows = std::pair<std::string, std::vector<const CsvRow*>>;

// The rows of each image, by file name; images in the order of their first rows.
std::vector<ImageRows> GroupRows(const CsvAnnotation& annotation,
                                 const configs::CsvConfig& config) {
  std::vector<ImageRows> images;
  absl::flat_hash_map<std::string, size_t> places;
  for (const CsvRow& row : annotation.rows) {
    if (config.has_part() && row.part != config.part()) continue;
    const auto [place, is_new] = places.try_emplace(row.file_name, images.size());
    if (is_new) images.push_back({row.file_name, {}});
    images[place->second].second.push_back(&row);
  }
  return images;
}

// Whether csv.part goes with the columns of the file. A column that is not read is a notice.
absl::Status CheckPart(const configs::CsvConfig& config, const std::string& column,
                       const std::string& path, DefectReport& defects) {
  if (config.has_part() && column.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        path, ": csv.part is \"", config.part(),
        "\", but no column is called split, subset, set, partition or usage; add one, or remove "
        "csv.part"));
  }
  if (!config.has_part() && !column.empty()) {
    defects.AddNotice(absl::StrCat(path, ": the column ", column,
                                   " is not read; csv.part chooses one of its parts"));
  }
  return absl::OkStatus();
}

void DropMissingImage(const std::string& source, const std::vector<const CsvRow*>& rows,
                      const absl::Status& problem, RecordTable& records) {
  records.DropImage(
      source, DefectOfMissingImage(problem),
      absl::StrCat("row ", rows[0]->row, ": ", problem.message()),
      std::count_if(rows.begin(), rows.end(), [](const CsvRow* row) { return !row->empty(); }));
}

// Without its source, name and path.
ImageRecord MakeImageRecord(const std::vector<const CsvRow*>& rows,
                            configs::VocCoordinates coordinates) {
  ImageRecord record;
  record.width = rows[0]->width;
  record.height = rows[0]->height;
  for (const CsvRow* row : rows) {
    if (!row->empty()) record.objects.push_back(MakeRecord(*row, coordinates));
  }
  return record;
}

}  // namespace

absl::StatusOr<CsvAnnotation> ReadCsvAnnotation(const std::string& path) {
  RCNN_ASSIGN_OR_RETURN(const std::string bytes, ReadFile(path, {.max_bytes = kMaxBytes}));
  RCNN_ASSIGN_OR_RETURN(const std::string text, ToUtf8(bytes), path);
  RCNN_ASSIGN_OR_RETURN(CsvAnnotation annotation, ParseCsv(text), path);
  return annotation;
}

absl::StatusOr<AnnotationTable> ReadCsv(const configs::DatasetConfig& config,
                                        const SourcePaths& paths, const ImageList* list) {
  RCNN_ASSIGN_OR_RETURN(const CsvAnnotation annotation, ReadCsvAnnotation(paths.annotations));
  RCNN_ASSIGN_OR_RETURN(const ImageFinder finder, ImageFinder::Create(paths.images, paths.listing));
  RecordTable records(config, {});
  RCNN_RETURN_IF_ERROR(
      CheckPart(config.csv(), annotation.part_column, paths.annotations, records.defects()));
  const std::string source(FilePart(paths.annotations));
  for (const auto& [file_name, rows] : GroupRows(annotation, config.csv())) {
    const absl::StatusOr<std::string> name = finder.Find(file_name);
    if (!name.ok() && list == nullptr) DropMissingImage(source, rows, name.status(), records);
    if (!name.ok() || (list != nullptr && !list->Contains(*name))) continue;
    ImageRecord record = MakeImageRecord(rows, config.csv().coordinates());
    record.source = absl::StrCat(source, ": ", file_name);
    record.name = *name;
    record.path = absl::StrCat(paths.images, "/", *name);
    records.Add(std::move(record));
  }
  return std::move(records).Finish(paths.annotations);
}

}  // namespace rcnn::data
