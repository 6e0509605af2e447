#include "rcnn/data/cvat/cvat_reader.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/data/core/box_view.h"
#include "rcnn/data/core/folder_listing.h"
#include "rcnn/data/core/image_finder.h"
#include "rcnn/data/core/record_table.h"
#include "rcnn/data/cvat/cvat_annotation.h"

namespace rcnn::data {
namespace {

constexpr int64_t kMaxBytes = int64_t{2} << 30;
// Each defect of an image keeps its name. In place of a longer one they have that of the file.
constexpr size_t kLongestName = 1000;

ObjectRecord MakeRecord(const CvatShape& shape) {
  ObjectRecord record;
  record.class_name = shape.label;
  record.xywh = shape.xywh;
  record.difficult = shape.difficult;
  record.value = shape.text;
  record.problem = shape.problem;
  return record;
}

}  // namespace

absl::StatusOr<AnnotationTable> ReadCvat(const configs::DatasetConfig& config,
                                         const SourcePaths& paths, const ImageList* list) {
  RCNN_ASSIGN_OR_RETURN(const std::string bytes,
                        ReadFile(paths.annotations, {.max_bytes = kMaxBytes}));
  RCNN_ASSIGN_OR_RETURN(const CvatAnnotation annotation, ParseCvat(bytes), paths.annotations);
  RCNN_ASSIGN_OR_RETURN(const ImageFinder finder, ImageFinder::Create(paths.images, paths.listing));
  // CVAT shows images turned.
  RecordTable records(config, annotation.labels, BoxView::kTurned);
  const std::string source(FilePart(paths.annotations));
  for (const CvatImage& image : annotation.images) {
    if (config.cvat().has_subset() && image.subset != config.cvat().subset()) continue;
    const absl::StatusOr<std::string> name = finder.Find(image.name);
    if (!name.ok()) {
      if (list != nullptr) continue;
      records.DropImage(source, DefectOfMissingImage(name.status()),
                        std::string(name.status().message()),
                        static_cast<int64_t>(image.shapes.size()));
      continue;
    }
    if (list != nullptr && !list->Contains(*name)) continue;
    ImageRecord record;
    record.source =
        absl::StrCat(source, ": ", image.name.size() <= kLongestName ? image.name : *name);
    record.name = *name;
    record.path = absl::StrCat(paths.images, "/", *name);
    record.width = image.width;
    record.height = image.height;
    for (const CvatShape& shape : image.shapes) record.objects.push_back(MakeRecord(shape));
    records.Add(std::move(record));
  }
  return std::move(records).Finish(paths.annotations);
}

}  // namespace rcnn::data
