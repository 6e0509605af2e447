#include "rcnn/data/coco/coco_writer.h"

#include <filesystem>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/json_string.h"
#include "rcnn/base/shortest_number.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/data/core/image_names.h"
#include "rcnn/data/core/new_file.h"
#include "rcnn/data/core/sample.h"
#include "rcnn/data/image/encode_image.h"

namespace rcnn::data {
namespace {

// Images are written as PNG, regardless of their original file name.
std::string FileName(const ImageInfo& info) {
  return absl::StrCat(WithoutImageExtension(info.name), ".png");
}

void AppendSeparated(std::string& list, const std::string& record) {
  absl::StrAppend(&list, list.empty() ? "\n" : ",\n", record);
}

std::string ImageRecord(const ImageInfo& info) {
  return absl::StrCat("{\"id\": ", info.id, ", \"file_name\": ", JsonString(FileName(info)),
                      ", \"width\": ", info.width, ", \"height\": ", info.height, "}");
}

std::string AnnotationRecord(const Object& object, int64_t image_id, const ClassList& classes) {
  const auto& [x, y, width, height] = object.xywh;
  return absl::StrCat("{\"id\": ", object.id, ", \"image_id\": ", image_id,
                      ", \"category_id\": ", classes.category_ids[object.label - 1],
                      ", \"bbox\": [", ShortestNumber(x), ", ", ShortestNumber(y), ", ",
                      ShortestNumber(width), ", ", ShortestNumber(height),
                      "], \"area\": ", ShortestNumber(object.area),
                      ", \"iscrowd\": ", object.crowd ? 1 : 0, "}");
}

absl::Status WriteImage(const Dataset& dataset, int64_t index, const std::string& folder) {
  RCNN_ASSIGN_OR_RETURN(std::string path, JoinInside(folder, FileName(dataset.image(index))));
  RCNN_ASSIGN_OR_RETURN(std::shared_ptr<const Image> image, dataset.LoadImage(index));
  RCNN_ASSIGN_OR_RETURN(std::string png, EncodePng(*image), path);
  RCNN_RETURN_IF_ERROR(CreateDirectories(std::filesystem::path(path).parent_path().string()));
  return WriteNewFile(path, png);
}

}  // namespace

std::string CocoInstancesJson(const Dataset& dataset) {
  std::string images;
  std::string annotations;
  for (int64_t i = 0; i < dataset.size(); ++i) {
    const ImageInfo info = dataset.image(i);
    AppendSeparated(images, ImageRecord(info));
    for (const Object& object : dataset.objects(i)) {
      AppendSeparated(annotations, AnnotationRecord(object, info.id, dataset.classes()));
    }
  }
  std::string categories;
  const ClassList& classes = dataset.classes();
  for (int64_t k = 0; k < classes.size(); ++k) {
    AppendSeparated(categories, absl::StrCat("{\"id\": ", classes.category_ids[k],
                                             ", \"name\": ", JsonString(classes.names[k]), "}"));
  }
  return absl::StrCat("{\"images\": [", images, "],\n\"annotations\": [", annotations,
                      "],\n\"categories\": [", categories, "]}\n");
}

absl::Status WriteCoco(const Dataset& dataset, const std::string& instances_file,
                       const std::string& images_folder) {
  RCNN_RETURN_IF_ERROR(CheckImageNamesDiffer(dataset));
  RCNN_RETURN_IF_ERROR(CheckNamesAreUtf8(dataset));
  const std::string instances = CocoInstancesJson(dataset);
  RCNN_RETURN_IF_ERROR(CheckReplacesNone(instances_file, instances));
  RCNN_RETURN_IF_ERROR(CreateDirectories(images_folder));
  for (int64_t i = 0; i < dataset.size(); ++i) {
    RCNN_RETURN_IF_ERROR(WriteImage(dataset, i, images_folder));
  }
  const std::string parent = std::filesystem::path(instances_file).parent_path().string();
  if (!parent.empty()) RCNN_RETURN_IF_ERROR(CreateDirectories(parent));
  return WriteNewFile(instances_file, instances);
}

}  // namespace rcnn::data
