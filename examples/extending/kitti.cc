// Reads KITTI's 2D object labels, registered as "kitti":
//   registered { name: "kitti" }
//   paths { annotations: "label_2" images: "image_2" }
//
// A text file per image, a line per object:
//   type truncated occluded alpha x1 y1 x2 y2 [3D fields]
// Boxes are in pixels, 0-based, continuous. DontCare regions are left out.
//
// Source: Geiger et al., Are we ready for autonomous driving?, CVPR 2012; the devkit's readme.

#include <array>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/data/core/folder_listing.h"
#include "rcnn/data/core/image_finder.h"
#include "rcnn/data/core/record_table.h"
#include "rcnn/data/core/registered_reader.h"

namespace rcnn::examples {
namespace {

using data::DefectKind;
using data::ImageRecord;
using data::ObjectRecord;

constexpr int64_t kMaxBytes = int64_t{16} << 20;

ObjectRecord ParseLine(absl::string_view line) {
  const std::vector<std::string> words = absl::StrSplit(line, ' ', absl::SkipWhitespace());
  ObjectRecord record;
  record.value = std::string(line);
  std::array<double, 4> corners = {};
  bool valid = words.size() >= 8;
  for (size_t i = 0; valid && i < 4; ++i) valid = absl::SimpleAtod(words[4 + i], &corners[i]);
  if (!valid) {
    record.problem = DefectKind::kUnreadableAnnotation;
    return record;
  }
  record.class_name = words[0];
  record.xywh = {corners[0], corners[1], corners[2] - corners[0], corners[3] - corners[1]};
  return record;
}

std::vector<ObjectRecord> ParseObjects(absl::string_view text) {
  std::vector<ObjectRecord> objects;
  for (const absl::string_view line : absl::StrSplit(text, absl::ByAnyChar("\r\n"))) {
    if (absl::StripAsciiWhitespace(line).empty() || absl::StartsWith(line, "DontCare")) continue;
    objects.push_back(ParseLine(line));
  }
  return objects;
}

absl::StatusOr<data::AnnotationTable> ReadKitti(const configs::DatasetConfig& config,
                                                const data::SourcePaths& paths,
                                                const data::ImageList* list) {
  RCNN_ASSIGN_OR_RETURN(const data::ImageFinder finder,
                        data::ImageFinder::Create(paths.images, paths.listing));
  RCNN_ASSIGN_OR_RETURN(const std::vector<std::string> files,
                        data::ListFiles(paths.annotations, paths.listing));
  data::RecordTable records(config, /*class_names=*/{});
  for (const std::string& file : files) {
    if (!absl::EndsWith(file, ".txt")) continue;
    const absl::StatusOr<std::string> image = finder.Find(data::StemPart(file));
    if (!image.ok()) {
      records.DropImage(file, DefectKind::kMissingImage, std::string(image.status().message()));
      continue;
    }
    if (list != nullptr && !list->Contains(*image)) continue;
    RCNN_ASSIGN_OR_RETURN(
        const std::string text,
        ReadFile(absl::StrCat(paths.annotations, "/", file), {.max_bytes = kMaxBytes}));
    ImageRecord record;
    record.source = file;
    record.name = *image;
    record.path = absl::StrCat(paths.images, "/", *image);
    record.objects = ParseObjects(text);
    records.Add(std::move(record));
  }
  return std::move(records).Finish(paths.annotations);
}

const bool kRegistered = data::RegisterReader("kitti", &ReadKitti);

}  // namespace
}  // namespace rcnn::examples
