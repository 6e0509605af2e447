#include "rcnn/data/sources/one_file_layouts.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/data/core/folder_listing.h"
#include "rcnn/data/csv/csv_annotation.h"
#include "rcnn/data/csv/csv_reader.h"
#include "rcnn/data/cvat/cvat_annotation.h"
#include "rcnn/data/shards/shard_index.h"
#include "rcnn/data/sources/part_folders.h"

namespace rcnn::data {
namespace {

constexpr int64_t kMaxXmlBytes = int64_t{2} << 30;
// The whole file is read again for each of its parts.
constexpr size_t kMostParts = 100;

absl::Status CheckNumParts(size_t parts, absl::string_view what) {
  if (parts <= kMostParts) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("has ", parts, " ", what, ", more than ",
                                                 kMostParts, "; give parts the same name"));
}

// The first row of each value in the column of parts.
using FirstRows = std::map<std::string, int64_t>;

FirstRows FindFirstRows(const CsvAnnotation& annotation) {
  FirstRows rows;
  for (const CsvRow& row : annotation.rows) rows.emplace(row.part, row.row);
  return rows;
}

bool IsPart(const FirstRows::value_type& value) { return !PartName(value.first).empty(); }

// The first row whose image is in another part by an earlier one; "" if there is none.
std::string DescribeImageInTwoParts(const CsvAnnotation& annotation) {
  absl::flat_hash_map<absl::string_view, const CsvRow*> images;
  for (const CsvRow& row : annotation.rows) {
    const CsvRow& first = *images.emplace(row.file_name, &row).first->second;
    if (first.part == row.part) continue;
    return absl::StrCat("row ", row.row, ": ", row.file_name, " is in ", row.part, ", and by row ",
                        first.row, " in ", first.part);
  }
  return "";
}

absl::Status CheckParts(const CsvAnnotation& annotation, const FirstRows& rows) {
  const auto other = std::find_if_not(rows.begin(), rows.end(), IsPart);
  const std::string problem = other == rows.end() ? DescribeImageInTwoParts(annotation)
                                                  : absl::StrCat("row ", other->second, ": \"",
                                                                 other->first, "\" is not a part");
  if (problem.empty()) return CheckNumParts(rows.size(), "parts");
  return absl::InvalidArgumentError(
      absl::StrCat(problem,
                   "; write train, val or test into each row, the same for all rows of an image, "
                   "or give the column another name"));
}

// The distinct values in the column of parts; none if no value names a part. kInvalidArgument if
// only some values name a part, if two rows give one image different values, and for more than
// kMostParts values.
absl::StatusOr<std::vector<std::string>> CsvParts(const CsvAnnotation& annotation) {
  const FirstRows rows = FindFirstRows(annotation);
  std::vector<std::string> parts;
  if (std::none_of(rows.begin(), rows.end(), IsPart)) return parts;
  RCNN_RETURN_IF_ERROR(CheckParts(annotation, rows),
                       absl::StrCat("column ", annotation.part_column));
  for (const auto& [part, row] : rows) parts.push_back(part);
  return parts;
}

// The images of the rows whose value in the column of parts is `part`; of all rows if it is "".
std::set<std::string> NamesInCsv(const CsvAnnotation& annotation, absl::string_view part) {
  std::set<std::string> names;
  for (const CsvRow& row : annotation.rows) {
    if (part.empty() || row.part == part) names.insert(row.file_name);
  }
  return names;
}

// The names of the images of each subset.
using Subsets = std::map<std::string, std::set<std::string>>;

// A single subset "" without names if no subset is called like a part.
Subsets GroupBySubset(const CvatAnnotation& annotation) {
  Subsets subsets;
  for (const CvatImage& image : annotation.images) subsets[image.subset].insert(image.name);
  const bool names_parts = std::any_of(subsets.begin(), subsets.end(), [](const auto& subset) {
    return !PartName(subset.first).empty();
  });
  if (!names_parts) subsets = {{"", {}}};
  return subsets;
}

// One part of a file, whose annotated images are `names`. The caller sets the format.
PartPlace MakePlace(const FolderContents& contents, const std::string& file,
                    const std::string& part, const std::set<std::string>& names) {
  PartPlace place;
  place.part = part;
  place.where = file;
  SetCommonFields(place.config);
  place.config.mutable_paths()->set_annotations(file);
  place.config.mutable_paths()->set_images(ImagesOfPart(contents, file, part, names));
  return place;
}

absl::Status AddCvat(const FolderContents& contents, const std::string& file,
                     std::vector<PartPlace>& places) {
  const std::string path = absl::StrCat(contents.folder(), "/", file);
  RCNN_ASSIGN_OR_RETURN(const std::string bytes, ReadFile(path, {.max_bytes = kMaxXmlBytes}));
  RCNN_ASSIGN_OR_RETURN(const CvatAnnotation annotation, ParseCvat(bytes), path);
  const Subsets subsets = GroupBySubset(annotation);
  RCNN_RETURN_IF_ERROR(CheckNumParts(subsets.size(), "subsets"), path);
  const bool has_parts = subsets.size() > 1 || !subsets.begin()->first.empty();
  for (const auto& [subset, names] : subsets) {
    const std::string part = PartName(has_parts ? subset : file);
    places.push_back(MakePlace(contents, file, part, names));
    configs::DatasetConfig& config = places.back().config;
    config.mutable_cvat();
    if (has_parts) config.mutable_cvat()->set_subset(subset);
  }
  return absl::OkStatus();
}

absl::Status AddCsv(const FolderContents& contents, const std::string& file,
                    std::vector<PartPlace>& places) {
  const std::string path = absl::StrCat(contents.folder(), "/", file);
  RCNN_ASSIGN_OR_RETURN(const CsvAnnotation annotation, ReadCsvAnnotation(path));
  RCNN_ASSIGN_OR_RETURN(std::vector<std::string> values, CsvParts(annotation), path);
  const bool has_parts = !values.empty();
  if (!has_parts) values.emplace_back();
  for (const std::string& value : values) {
    const std::string part = PartName(has_parts ? value : file);
    places.push_back(MakePlace(contents, file, part, NamesInCsv(annotation, value)));
    configs::DatasetConfig& config = places.back().config;
    config.mutable_csv();
    if (has_parts) config.mutable_csv()->set_part(value);
  }
  return absl::OkStatus();
}

using AddPlaces = absl::Status (*)(const FolderContents& contents, const std::string& file,
                                   std::vector<PartPlace>& places);

// What `add` adds for each file of the kind.
absl::StatusOr<std::vector<PartPlace>> FindInFiles(const FolderContents& contents,
                                                   AnnotationKind kind, AddPlaces add) {
  std::vector<PartPlace> places;
  for (const AnnotationFolder& folder : contents.annotations(kind)) {
    for (const std::string& file : folder.files) {
      RCNN_RETURN_IF_ERROR(add(contents, file, places));
    }
  }
  return places;
}

}  // namespace

absl::StatusOr<std::vector<PartPlace>> FindCvat(const FolderContents& contents,
                                                Notices& /*notices*/) {
  return FindInFiles(contents, AnnotationKind::kCvat, AddCvat);
}

absl::StatusOr<std::vector<PartPlace>> FindCsv(const FolderContents& contents,
                                               Notices& /*notices*/) {
  return FindInFiles(contents, AnnotationKind::kCsv, AddCsv);
}

absl::StatusOr<std::vector<PartPlace>> FindShards(const FolderContents& contents,
                                                  Notices& /*notices*/) {
  std::vector<PartPlace> places;
  for (const std::string& file : contents.files()) {
    if (!absl::EndsWithIgnoreCase(file, kShardIndexExtension)) continue;
    PartPlace place;
    place.part = PartName(file);
    place.where = file;
    place.config.mutable_shards();
    place.config.mutable_paths()->set_annotations(file);
    place.config.mutable_paths()->set_images(std::string(ParentPart(file)));
    places.push_back(std::move(place));
  }
  return places;
}

}  // namespace rcnn::data
