#include "rcnn/data/shards/shard_dataset.h"

#include <sys/stat.h>

#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "rcnn/base/counted.h"
#include "rcnn/base/errno_status.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/data/core/box_check.h"
#include "rcnn/data/core/class_index.h"
#include "rcnn/data/core/file_dataset.h"
#include "rcnn/data/core/folder_listing.h"
#include "rcnn/data/core/image_list.h"
#include "rcnn/data/shards/shard_files.h"

namespace rcnn::data {
namespace {

// A table whose images lie in shards.
class ShardDataset : public FileDataset {
 public:
  ShardDataset(AnnotationTable table, std::vector<ShardPlace> places,
               std::vector<std::string> files, const DecodeOptions& decode)
      : FileDataset(std::move(table), decode),
        places_(std::move(places)),
        files_(std::move(files)) {}

  absl::StatusOr<std::string> ReadImageBytes(int64_t index) const override {
    const std::string name = image(index).name;
    const ShardPlace& place = places_[static_cast<size_t>(index)];
    RCNN_ASSIGN_OR_RETURN(std::string bytes,
                          files_.Read(place.shard, place.offset, place.digest.size), name);
    if (Digest(bytes) == place.digest) return bytes;
    return absl::DataLossError(
        absl::StrCat(Place(index),
                     " has another checksum than in the index: the shard was damaged "
                     "or replaced; copy shards and index again"));
  }

 protected:
  std::string Place(int64_t index) const override {
    const ShardPlace& place = places_[static_cast<size_t>(index)];
    return absl::StrCat(files_.path(place.shard), ": ", image(index).name, " at ", place.offset);
  }

 private:
  const std::vector<ShardPlace> places_;
  const ShardFiles files_;
};

absl::Status CheckUnusedFields(const configs::DatasetConfig& config) {
  const char* field = nullptr;
  if (config.has_exif_orientation()) field = "exif_orientation";
  if (config.has_box_units()) field = "box_units";
  if (field == nullptr) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("shards: ", field, " was decided when the shards were written; remove it here"));
}

// Labels of the config's classes by those of the index; 0 for a class that is not used. Changes
// `classes` to those of the config.
absl::StatusOr<std::vector<int64_t>> MapLabels(const configs::DatasetConfig& config,
                                               ClassList& classes) {
  const std::vector<std::string> wanted(config.classes().begin(), config.classes().end());
  RCNN_ASSIGN_OR_RETURN(const ClassIndex known, ClassIndex::Create(classes.names));
  RCNN_ASSIGN_OR_RETURN(const ClassIndex labels, ClassIndex::Create(wanted),
                        "classes of the config");
  std::vector<int64_t> mapped = {0};
  for (const std::string& name : classes.names) mapped.push_back(labels.FindLabel(name));
  ClassList used;
  for (const std::string& name : wanted) {
    const int64_t label = known.FindLabel(name);
    if (label == 0) {
      return absl::InvalidArgumentError(absl::StrCat(
          "the class \"", name,
          "\" of the config is not one of its classes: ", absl::StrJoin(classes.names, ", ")));
    }
    used.names.push_back(name);
    used.category_ids.push_back(classes.category_ids[static_cast<size_t>(label - 1)]);
  }
  classes = std::move(used);
  return mapped;
}

// Keeps the objects of the config's classes.
absl::Status SelectClasses(const configs::DatasetConfig& config, const std::string& source,
                           AnnotationTable& table) {
  AnnotationTable selected;
  const std::vector<std::string> names = table.classes.names;
  RCNN_ASSIGN_OR_RETURN(const std::vector<int64_t> labels, MapLabels(config, table.classes));
  for (int64_t i = 0; i < table.num_images(); ++i) {
    int64_t number = 0;
    selected.AddImage(table.images[static_cast<size_t>(i)]);
    for (Object object : table.objects_of(i)) {
      const std::string& name = names[static_cast<size_t>(object.label - 1)];
      object.label = labels[static_cast<size_t>(object.label)];
      if (object.label > 0) {
        selected.AddObject(object);
      } else if (!config.ignore_other_classes()) {
        const std::string& image = selected.images.back().name;
        selected.defects.Add({source, number, DefectKind::kUnknownClass,
                              absl::StrCat(image, ": \"", name, "\""), DefectAction::kObjectDropped,
                              image});
      }
      ++number;
    }
  }
  selected.classes = std::move(table.classes);
  table = std::move(selected);
  return absl::OkStatus();
}

// Boxes as the config wants them.
void SetBoxes(const configs::DatasetConfig& config, AnnotationTable& table) {
  if (!config.inclusive_boxes()) return;
  const BoxRules rules = MakeRules(config);
  for (Object& object : table.objects) object.box = MakeObject(object.xywh, rules).box;
}

absl::Status CheckShard(const Shard& shard, const std::string& path, const std::string& index) {
  struct stat status = {};
  if (stat(path.c_str(), &status) != 0) {
    const absl::Status error = ErrnoStatus("open", path);
    if (!absl::IsNotFound(error)) return error;
    return absl::Status(error.code(),
                        absl::StrCat(error.message(), "; ", index, " needs it for ",
                                     Counted(shard.images, "image"), ": copy it there"));
  }
  if (int64_t{status.st_size} == shard.digest.size) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat(path, ": has ", Counted(status.st_size, "byte"), ", but ",
                                          index, " says ", shard.digest.size,
                                          ": it was cut off or replaced; copy shards and index "
                                          "again"));
}

absl::StatusOr<std::vector<std::string>> FindShards(const ShardHeader& header,
                                                    const ShardPaths& paths) {
  std::vector<std::string> files;
  for (const Shard& shard : header.shards) {
    files.push_back(JoinParts(paths.folder, shard.file));
    RCNN_RETURN_IF_ERROR(CheckShard(shard, files.back(), paths.index));
  }
  return files;
}

// The places of the images of `table`, which are some of `all`, in their order. The ids of an
// index are unique.
std::vector<ShardPlace> SelectPlaces(const AnnotationTable& table,
                                     const std::vector<int64_t>& all_ids,
                                     std::vector<ShardPlace> all) {
  if (table.images.size() == all.size()) return all;
  std::vector<ShardPlace> places;
  places.reserve(table.images.size());
  size_t next = 0;
  for (const ImageInfo& info : table.images) {
    while (all_ids[next] != info.id) ++next;
    places.push_back(all[next++]);
  }
  return places;
}

}  // namespace

absl::StatusOr<AnnotationTable> SelectFromIndex(const configs::DatasetConfig& config,
                                                const std::string& source, AnnotationTable index) {
  if (config.classes_size() > 0) {
    RCNN_RETURN_IF_ERROR(SelectClasses(config, source, index), source);
  }
  SetBoxes(config, index);
  RCNN_RETURN_IF_ERROR(FinishTable(config, source, index));
  return index;
}

absl::StatusOr<std::unique_ptr<Dataset>> OpenShards(const configs::DatasetConfig& config,
                                                    const ShardPaths& paths,
                                                    const DecodeOptions& decode) {
  RCNN_RETURN_IF_ERROR(CheckUnusedFields(config));
  RCNN_ASSIGN_OR_RETURN(ShardIndex index, ReadShardIndex(paths.index));
  RCNN_ASSIGN_OR_RETURN(std::vector<std::string> files, FindShards(index.header, paths));
  std::vector<int64_t> ids;
  ids.reserve(index.table.images.size());
  for (const ImageInfo& info : index.table.images) ids.push_back(info.id);
  RCNN_ASSIGN_OR_RETURN(AnnotationTable table,
                        SelectFromIndex(config, paths.index, std::move(index.table)));
  if (!paths.image_list.empty()) {
    RCNN_ASSIGN_OR_RETURN(const ImageList list, ImageList::Read(paths.image_list));
    RCNN_ASSIGN_OR_RETURN(
        table, SelectImages(list, paths.image_list, std::move(table), /*renumber=*/false));
  }
  std::vector<ShardPlace> places = SelectPlaces(table, ids, std::move(index.places));
  return std::make_unique<ShardDataset>(std::move(table), std::move(places), std::move(files),
                                        decode);
}

}  // namespace rcnn::data
