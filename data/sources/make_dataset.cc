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
#include "rcnn/data/shapes/shapes_dataset.h"
#include "rcnn/data/voc/voc_reader.h"

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

DatasetOr MakeVoc(const configs::DatasetConfig& config, const DatasetOptions& options) {
  const std::string folder = UnderRoot(options.data_root, config.paths().folder());
  RCNN_ASSIGN_OR_RETURN(AnnotationTable table, ReadVoc(config, folder));
  return std::make_unique<FileDataset>(std::move(table), options.decode);
}

DatasetOr MakeCoco(const configs::DatasetConfig& config, const DatasetOptions& options) {
  const configs::DatasetPaths& paths = config.paths();
  if (paths.annotations().empty()) {
    return absl::InvalidArgumentError("coco: paths.annotations names no file");
  }
  const std::string images =
      paths.images().empty() ? "" : UnderRoot(options.data_root, paths.images());
  RCNN_ASSIGN_OR_RETURN(AnnotationTable table,
                        ReadCoco(config, UnderRoot(options.data_root, paths.annotations()), images,
                                 {.check_images = options.check_images}));
  return std::make_unique<FileDataset>(std::move(table), options.decode);
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
    case configs::DatasetConfig::kShapes:
      return MakeShapes(config);
    case configs::DatasetConfig::kConcat:
      return MakeConcat(config, options);
    case configs::DatasetConfig::SOURCE_NOT_SET:
      break;
  }
  return absl::InvalidArgumentError(
      "the dataset has no source: one of voc, coco, shapes, concat is needed");
}

}  // namespace rcnn::data
