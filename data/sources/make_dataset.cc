#include "rcnn/data/sources/make_dataset.h"

#include <filesystem>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/data/coco/coco_reader.h"
#include "rcnn/data/core/annotation_table.h"
#include "rcnn/data/core/concat_dataset.h"
#include "rcnn/data/core/file_dataset.h"
#include "rcnn/data/core/folder_listing.h"
#include "rcnn/data/core/image_list.h"
#include "rcnn/data/core/registered_reader.h"
#include "rcnn/data/core/source_paths.h"
#include "rcnn/data/csv/csv_reader.h"
#include "rcnn/data/cvat/cvat_reader.h"
#include "rcnn/data/labelme/labelme_reader.h"
#include "rcnn/data/shapes/shapes_dataset.h"
#include "rcnn/data/shards/shard_dataset.h"
#include "rcnn/data/voc/voc_reader.h"
#include "rcnn/data/yolo/yolo_reader.h"

namespace rcnn::data {
namespace {

using DatasetOr = absl::StatusOr<std::unique_ptr<Dataset>>;

// An absolute path is unchanged; "" is the root itself.
std::string UnderRoot(const std::string& root, const std::string& path) {
  const std::filesystem::path joined = std::filesystem::path(root.empty() ? "." : root) / path;
  std::string text = joined.lexically_normal().string();
  while (text.size() > 1 && text.back() == '/') text.pop_back();
  return text;
}

// The images of the table, or only those in paths.image_list.
DatasetOr MakeFileDataset(const configs::DatasetConfig& config, AnnotationTable table,
                          const DatasetOptions& options) {
  if (config.paths().has_image_list()) {
    const std::string file = UnderRoot(options.data_root, config.paths().image_list());
    RCNN_ASSIGN_OR_RETURN(const ImageList list, ImageList::Read(file));
    RCNN_ASSIGN_OR_RETURN(
        table, SelectImages(list, file, std::move(table), /*renumber=*/!config.has_coco()));
  }
  return std::make_unique<FileDataset>(std::move(table), options.decode);
}

// `annotations`, `images`: their defaults.
SourcePaths MakePaths(const configs::DatasetConfig& config, const DatasetOptions& options,
                      const std::string& annotations, const std::string& images) {
  const configs::DatasetPaths& paths = config.paths();
  SourcePaths result;
  result.folder = UnderRoot(options.data_root, paths.folder());
  result.images = paths.has_images() ? UnderRoot(options.data_root, paths.images())
                                     : UnderRoot(result.folder, images);
  result.annotations = paths.has_annotations() ? UnderRoot(options.data_root, paths.annotations())
                                               : UnderRoot(result.folder, annotations);
  result.listing.follow_links = options.follow_links;
  return result;
}

// For readers that do not list the folder themselves.
absl::Status CheckLinks(const std::string& folder, const DatasetOptions& options) {
  if (options.follow_links || folder.empty()) return absl::OkStatus();
  return ListFiles(folder, {.follow_links = false}).status();
}

DatasetOr MakeVoc(const configs::DatasetConfig& config, const DatasetOptions& options) {
  const SourcePaths paths = MakePaths(config, options, "Annotations", "JPEGImages");
  RCNN_RETURN_IF_ERROR(CheckLinks(paths.folder, options));
  RCNN_ASSIGN_OR_RETURN(
      AnnotationTable table,
      ReadVoc(config, paths.folder, {.annotations = paths.annotations, .images = paths.images}));
  return MakeFileDataset(config, std::move(table), options);
}

absl::StatusOr<TableReader> FindTableReader(const configs::DatasetConfig& config) {
  if (config.has_yolo()) return &ReadYolo;
  if (config.has_labelme()) return &ReadLabelMe;
  if (config.has_cvat()) return &ReadCvat;
  if (config.has_csv()) return &ReadCsv;
  RCNN_ASSIGN_OR_RETURN(const TableReader* read, FindReader(config.registered().name()));
  return *read;
}

// Formats whose records come from a reader that takes the list itself.
DatasetOr MakeFromRecords(const configs::DatasetConfig& config, const DatasetOptions& options) {
  SourcePaths paths = MakePaths(config, options, "", "");
  const bool one_file = config.has_cvat() || config.has_csv();
  if (one_file && !config.paths().has_annotations()) {
    return absl::InvalidArgumentError(
        absl::StrCat(config.has_cvat() ? "cvat" : "csv",
                     ": paths.annotations names no file; set it to the file of annotations"));
  }
  if (!one_file && !config.paths().has_annotations()) paths.annotations = paths.images;
  ImageList list;
  if (config.paths().has_image_list()) {
    RCNN_ASSIGN_OR_RETURN(
        list, ImageList::Read(UnderRoot(options.data_root, config.paths().image_list())));
  }
  const ImageList* const wanted = config.paths().has_image_list() ? &list : nullptr;
  RCNN_ASSIGN_OR_RETURN(const TableReader read, FindTableReader(config));
  RCNN_ASSIGN_OR_RETURN(AnnotationTable table, read(config, paths, wanted));
  return MakeFileDataset(config, std::move(table), options);
}

DatasetOr MakeCoco(const configs::DatasetConfig& config, const DatasetOptions& options) {
  const configs::DatasetPaths& paths = config.paths();
  if (paths.annotations().empty()) {
    return absl::InvalidArgumentError(
        "coco: paths.annotations names no file; set it to the instances file, such as "
        "instances_train2017.json");
  }
  const std::string images =
      paths.images().empty() ? "" : UnderRoot(options.data_root, paths.images());
  RCNN_RETURN_IF_ERROR(CheckLinks(images, options));
  RCNN_ASSIGN_OR_RETURN(AnnotationTable table,
                        ReadCoco(config, UnderRoot(options.data_root, paths.annotations()), images,
                                 {.check_images = options.check_images}));
  return MakeFileDataset(config, std::move(table), options);
}

DatasetOr MakeShards(const configs::DatasetConfig& config, const DatasetOptions& options) {
  const configs::DatasetPaths& paths = config.paths();
  if (paths.annotations().empty()) {
    return absl::InvalidArgumentError(
        "shards: paths.annotations names no index; set it to one, such as train.shards.jsonl");
  }
  ShardPaths found;
  found.index = UnderRoot(options.data_root, paths.annotations());
  found.folder = paths.has_images() ? UnderRoot(options.data_root, paths.images())
                                    : std::string(ParentPart(found.index));
  if (paths.has_image_list()) {
    found.image_list = UnderRoot(options.data_root, paths.image_list());
  }
  return OpenShards(config, found, options.decode);
}

// Shapes have no defects and no marks, and num_classes determines their classes.
DatasetOr MakeShapes(const configs::DatasetConfig& config) {
  if (config.classes_size() > 0) {
    return absl::InvalidArgumentError("shapes: classes are chosen by num_classes");
  }
  if (config.leave_out_empty_images()) {
    return absl::InvalidArgumentError("shapes: set min_objects instead of leave_out_empty_images");
  }
  return ShapesDataset::Create(config.shapes(), config.inclusive_boxes());
}

DatasetOr MakeConcat(const configs::DatasetConfig& config, const DatasetOptions& options) {
  configs::DatasetConfig rest = config;
  rest.clear_concat();
  if (rest.ByteSizeLong() > 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("concat: these fields belong in its parts: ", rest.ShortDebugString()));
  }
  std::vector<std::unique_ptr<Dataset>> parts;
  for (const configs::DatasetConfig& part : config.concat().parts()) {
    RCNN_ASSIGN_OR_RETURN(std::unique_ptr<Dataset> dataset, MakeDataset(part, options),
                          absl::StrCat("part ", parts.size()));
    parts.push_back(std::move(dataset));
  }
  return ConcatDataset::Create(std::move(parts));
}

}  // namespace

DatasetOr MakeDataset(const configs::DatasetConfig& config, const DatasetOptions& options) {
  switch (config.source_case()) {
    case configs::DatasetConfig::kVoc:
      return MakeVoc(config, options);
    case configs::DatasetConfig::kCoco:
      return MakeCoco(config, options);
    case configs::DatasetConfig::kYolo:
    case configs::DatasetConfig::kLabelme:
    case configs::DatasetConfig::kCvat:
    case configs::DatasetConfig::kCsv:
    case configs::DatasetConfig::kRegistered:
      return MakeFromRecords(config, options);
    case configs::DatasetConfig::kShards:
      return MakeShards(config, options);
    case configs::DatasetConfig::kShapes:
      return MakeShapes(config);
    case configs::DatasetConfig::kConcat:
      return MakeConcat(config, options);
    case configs::DatasetConfig::SOURCE_NOT_SET:
      break;
  }
  return absl::InvalidArgumentError(
      "the dataset has no source: one of voc, coco, yolo, labelme, cvat, csv, shards, shapes, "
      "concat, registered is needed");
}

}  // namespace rcnn::data
