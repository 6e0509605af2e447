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

// The distinct values in the column of parts; none if no value names a part. kInvalidArgument if
// only some values name a part, if two rows give one image different values, and for more than
// kMostParts values.
absl::StatusOr<std::vector<std::string>> CsvParts(const CsvAnnotation& annotation) {
  std::map<std::string, int64_t> rows;  // the first of each value
  absl::flat_hash_map<absl::string_view, const CsvRow*> images;
  std::string twice;
  for (const CsvRow& row : annotation.rows) {
    rows.emplace(row.part, row.row);
    const CsvRow& first = *images.emplace(row.file_name, &row).first->second;
    if (twice.empty() && first.part != row.part) {
      twice = absl::StrCat("row ", row.row, ": ", row.file_name, " is in ", row.part,
                           ", and by row ", first.row, " in ", first.part);
    }
  }
  const auto is_part = [](const auto& value) { return !PartName(value.first).empty(); };
  if (std::none_of(rows.begin(), rows.end(), is_part)) return std::vector<std::string>();
  const auto other = std::find_if_not(rows.begin(), rows.end(), is_part);
  const std::string problem = other == rows.end() ? twice
                                                  : absl::StrCat("row ", other->second, ": \"",
                                                                 other->first, "\" is not a part");
  if (!problem.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("column ", annotation.part_column, ": ", problem,
                     "; write train, val or test into each row, the same for all rows of an "
                     "image, or give the column another name"));
  }
  RCNN_RETURN_IF_ERROR(CheckNumParts(rows.size(), "parts"),
                       absl::StrCat("column ", annotation.part_column));
  std::vector<std::string> parts;
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

}  // namespace

absl::StatusOr<std::vector<PartPlace>> FindCvat(const FolderContents& contents,
                                                Notices& /*notices*/) {
  std::vector<PartPlace> places;
  for (const AnnotationFolder& folder : contents.annotations(AnnotationKind::kCvat)) {
    for (const std::string& file : folder.files) {
      const std::string path = absl::StrCat(contents.folder(), "/", file);
      RCNN_ASSIGN_OR_RETURN(const std::string bytes, ReadFile(path, {.max_bytes = kMaxXmlBytes}));
      RCNN_ASSIGN_OR_RETURN(const CvatAnnotation annotation, ParseCvat(bytes), path);
      std::map<std::string, std::set<std::string>> subsets;
      for (const CvatImage& image : annotation.images) subsets[image.subset].insert(image.name);
      PartPlace place;
      place.where = file;
      place.config.mutable_cvat();
      SetCommonFields(place.config);
      place.config.mutable_paths()->set_annotations(file);
      const bool parts = std::any_of(subsets.begin(), subsets.end(), [](const auto& subset) {
        return !PartName(subset.first).empty();
      });
      if (!parts) subsets = {{"", {}}};
      RCNN_RETURN_IF_ERROR(CheckNumParts(subsets.size(), "subsets"), path);
      for (const auto& [subset, names] : subsets) {
        PartPlace part = place;
        if (parts) part.config.mutable_cvat()->set_subset(subset);
        part.part = parts ? PartName(subset) : PartName(file);
        part.config.mutable_paths()->set_images(ImagesOfPart(contents, file, part.part, names));
        places.push_back(std::move(part));
      }
    }
  }
  return places;
}

absl::StatusOr<std::vector<PartPlace>> FindCsv(const FolderContents& contents,
                                               Notices& /*notices*/) {
  std::vector<PartPlace> places;
  for (const AnnotationFolder& folder : contents.annotations(AnnotationKind::kCsv)) {
    for (const std::string& file : folder.files) {
      const std::string path = absl::StrCat(contents.folder(), "/", file);
      RCNN_ASSIGN_OR_RETURN(const CsvAnnotation annotation, ReadCsvAnnotation(path));
      RCNN_ASSIGN_OR_RETURN(const std::vector<std::string> parts, CsvParts(annotation), path);
      PartPlace place;
      place.part = PartName(file);
      place.where = file;
      place.config.mutable_csv();
      SetCommonFields(place.config);
      place.config.mutable_paths()->set_annotations(file);
      std::vector<std::string> values = parts;
      if (parts.empty()) values.emplace_back();
      for (const std::string& value : values) {
        if (!parts.empty()) {
          place.config.mutable_csv()->set_part(value);
          place.part = PartName(value);
        }
        place.config.mutable_paths()->set_images(
            ImagesOfPart(contents, file, place.part, NamesInCsv(annotation, value)));
        places.push_back(place);
      }
    }
  }
  return places;
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
