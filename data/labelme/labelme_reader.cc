#include "rcnn/data/labelme/labelme_reader.h"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/data/core/box_view.h"
#include "rcnn/data/core/folder_listing.h"
#include "rcnn/data/core/image_finder.h"
#include "rcnn/data/core/record_table.h"
#include "rcnn/data/labelme/labelme_annotation.h"

namespace rcnn::data {
namespace {

// Large, because the file may contain the image.
constexpr int64_t kMaxBytes = int64_t{512} << 20;

absl::StatusOr<LabelMeAnnotation> ReadAnnotation(const std::string& path) {
  RCNN_ASSIGN_OR_RETURN(const std::string bytes, ReadFile(path, {.max_bytes = kMaxBytes}));
  return ParseLabelMe(bytes);
}

ObjectRecord MakeRecord(const LabelMeShape& shape) {
  ObjectRecord record;
  record.class_name = shape.label;
  record.xywh = shape.xywh;
  record.difficult = shape.difficult;
  record.value = shape.text;
  record.problem = shape.problem;
  return record;
}

// The path of the image: its folders are those of the machine that wrote the file, so the
// file's own folder comes before them.
std::string ImagePath(const std::string& file, const LabelMeAnnotation& annotation) {
  return JoinParts(ParentPart(file), annotation.image_path.empty()
                                         ? StemPart(file)
                                         : absl::string_view(annotation.image_path));
}

ImageRecord MakeImageRecord(const std::string& file, const std::string& image,
                            const SourcePaths& paths, const LabelMeAnnotation& annotation) {
  ImageRecord record;
  record.source = file;
  record.name = image;
  record.path = absl::StrCat(paths.images, "/", image);
  record.width = annotation.width;
  record.height = annotation.height;
  for (const LabelMeShape& shape : annotation.shapes) record.objects.push_back(MakeRecord(shape));
  return record;
}

}  // namespace

absl::StatusOr<AnnotationTable> ReadLabelMe(const configs::DatasetConfig& config,
                                            const SourcePaths& paths, const ImageList* list) {
  RCNN_ASSIGN_OR_RETURN(const ImageFinder finder, ImageFinder::Create(paths.images, paths.listing));
  RCNN_ASSIGN_OR_RETURN(const std::vector<std::string> files,
                        ListFiles(paths.annotations, paths.listing));
  // LabelMe shows images turned.
  RecordTable records(config, {}, BoxView::kTurned);
  for (const std::string& file : files) {
    if (!absl::EndsWithIgnoreCase(file, ".json")) continue;
    const absl::StatusOr<LabelMeAnnotation> annotation =
        ReadAnnotation(absl::StrCat(paths.annotations, "/", file));
    if (!annotation.ok()) {
      records.DropUnreadable(file, annotation.status());
      continue;
    }
    const absl::StatusOr<std::string> image = finder.Find(ImagePath(file, *annotation));
    if (!image.ok()) {
      if (list == nullptr) {
        records.DropImage(file, DefectOfMissingImage(image.status()),
                          std::string(image.status().message()),
                          static_cast<int64_t>(annotation->shapes.size()));
      }
      continue;
    }
    if (list != nullptr && !list->Contains(*image)) continue;
    records.Add(MakeImageRecord(file, *image, paths, *annotation));
  }
  return std::move(records).Finish(paths.annotations);
}

}  // namespace rcnn::data
