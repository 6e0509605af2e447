// Writes a dataset from any source in the VOC layout, as COCO, or in shards.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "gflags/gflags.h"
#include "rcnn/base/counted.h"
#include "rcnn/base/path_length.h"
#include "rcnn/base/printable.h"
#include "rcnn/base/program.h"
#include "rcnn/base/shell_command.h"
#include "rcnn/base/shutdown.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/data/coco/coco_writer.h"
#include "rcnn/data/core/dataset.h"
#include "rcnn/data/core/defect_report.h"
#include "rcnn/data/shards/shard_writer.h"
#include "rcnn/data/sources/dataset_flag.h"
#include "rcnn/data/sources/open_folder.h"
#include "rcnn/data/voc/voc_writer.h"

DEFINE_string(dataset, "shapes", rcnn::data::kDatasetFlagHelp);
DEFINE_string(data_root, "", "Folder that relative paths of --dataset start from.");
DEFINE_bool(follow_links, true, "Follow symbolic links that lead out of a folder.");
DEFINE_string(
    box_units, "",
    "For a folder: the unit of boxes, pixels or fractions of the image's sides. Default: that "
    "of the format.");
DEFINE_string(exif_orientation, "",
              "For a folder: whether boxes are of the images as turned by their EXIF orientation, "
              "applied or not_applied. Default: as the annotated sizes say.");
DEFINE_bool(allow_defects, false,
            "Write the rest even if more than 5 % of the objects are lost to defects.");
DEFINE_string(format, "",
              "coco, voc or shards. Default: shards if --shards is given, otherwise coco.");
DEFINE_int32(
    shards, 0,
    "Write the bytes of the images' files into this many tar files, with an index. After an "
    "interruption the same command resumes.");
DEFINE_string(out, "", "The folder to write into; created if missing.");
DEFINE_string(split, "trainval",
              "voc: the list ImageSets/Main/SPLIT.txt; coco: the file SPLIT.json and the folder "
              "SPLIT; shards: the index SPLIT.shards.jsonl and its tar files.");

namespace rcnn::data {
namespace {

constexpr int64_t kDefectsShown = 20;

std::string Format() {
  if (!FLAGS_format.empty()) return FLAGS_format;
  return FLAGS_shards != 0 ? "shards" : "coco";
}

absl::Status CheckFormat() {
  const std::string format = Format();
  if (format != "coco" && format != "voc" && format != "shards") {
    return absl::InvalidArgumentError(
        absl::StrCat("--format=", format, " is none of coco, voc and shards"));
  }
  if (format == "shards" && FLAGS_shards == 0) {
    return absl::InvalidArgumentError("--format=shards needs their number, as in --shards=8");
  }
  if (format != "shards" && FLAGS_shards != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("--shards=", FLAGS_shards, " does not go with --format=", format));
  }
  return absl::OkStatus();
}

absl::Status CheckFlags() {
  if (FLAGS_out.empty()) {
    return absl::InvalidArgumentError(
        "--out is missing: the folder to write into, as in --out=shapes_voc");
  }
  RCNN_RETURN_IF_ERROR(CheckFormat());
  if (FLAGS_split.empty() || FLAGS_split[0] == '.' || absl::StrContains(FLAGS_split, '/') ||
      IsPathTooLong(FLAGS_split)) {
    return absl::InvalidArgumentError(
        absl::StrCat(ShownFlag("--split", FLAGS_split), " is not a file name such as trainval"));
  }
  return CheckPathLength("--out", FLAGS_out, "name the folder to write into");
}

// Returns the --dataset form of the written dataset.
absl::StatusOr<std::string> WriteAs(const Dataset& dataset) {
  if (Format() == "shards") {
    InstallShutdownHandler();
    RCNN_RETURN_IF_ERROR(WriteShards(dataset, {.folder = FLAGS_out,
                                               .name = FLAGS_split,
                                               .shards = FLAGS_shards,
                                               .stop = ShutdownRequested}),
                         "--shards");
    return ShardIndexPath(FLAGS_out, FLAGS_split);
  }
  if (Format() == "voc") {
    RCNN_RETURN_IF_ERROR(WriteVoc(dataset, FLAGS_out, {.split = FLAGS_split}));
    return absl::StrCat("voc:", FLAGS_out, ":", FLAGS_split);
  }
  const std::string stem = absl::StrCat(FLAGS_out, "/", FLAGS_split);
  RCNN_RETURN_IF_ERROR(WriteCoco(dataset, stem + ".json", stem));
  return absl::StrCat("coco:", stem, ".json:", stem);
}

// --split names what is written, and not the part to read, as one may think.
void PrintJoinedParts(const OpenedFolder& folder, const Dataset& written) {
  std::vector<std::string> names;
  for (const OpenedPart& part : folder.parts) {
    if (part.images->size() >= written.size()) return;
    names.push_back(part.name);
  }
  absl::PrintF("notice       the parts %s are written together as %s; --dataset=%s writes one\n",
               absl::StrJoin(names, ", "), FLAGS_split,
               Printable(absl::StrCat(folder.format, ":", folder.folder, ":", names.front())));
}

// A recognised folder is described once it is open.
absl::StatusOr<std::shared_ptr<const Dataset>> OpenDataset() {
  const DatasetFlagOptions options = {.follow_links = FLAGS_follow_links,
                                      .box_units = FLAGS_box_units,
                                      .exif_orientation = FLAGS_exif_orientation};
  RCNN_ASSIGN_OR_RETURN(const auto named, FolderOfDatasetFlag(FLAGS_dataset, FLAGS_data_root),
                        ShownFlag("--dataset", FLAGS_dataset));
  if (!named) {
    return OpenDatasetFlag(
        FLAGS_dataset, {.data_root = FLAGS_data_root, .follow_links = FLAGS_follow_links}, options);
  }
  RCNN_ASSIGN_OR_RETURN(const OpenedFolder folder, OpenFolderOfFlag(*named, options),
                        ShownFlag("--dataset", FLAGS_dataset));
  absl::PrintF("%s", Describe(folder));
  RCNN_ASSIGN_OR_RETURN(std::shared_ptr<const Dataset> dataset,
                        OpenPartOfFolder(FLAGS_dataset, folder, options),
                        ShownFlag("--dataset", FLAGS_dataset));
  PrintJoinedParts(folder, *dataset);
  return dataset;
}

// What the written dataset will lack.
void PrintDefects(const DefectReport& defects) {
  for (const std::string& notice : defects.notices()) {
    absl::PrintF("notice       %s\n", PrintableMessage(notice));
  }
  if (!defects.empty()) {
    absl::PrintF("defects      %d\n%s\n", defects.total(), defects.ToString(kDefectsShown));
  }
}

absl::Status Write() {
  RCNN_RETURN_IF_ERROR(CheckFlags());
  RCNN_ASSIGN_OR_RETURN(const std::shared_ptr<const Dataset> dataset, OpenDataset());
  PrintDefects(dataset->defects());
  RCNN_RETURN_IF_ERROR(CheckLoss(dataset->defects(), FLAGS_allow_defects), FLAGS_dataset);
  RCNN_ASSIGN_OR_RETURN(const std::string written, WriteAs(*dataset));
  absl::PrintF("wrote %s to %s; look at %s with\n%s\n", Counted(dataset->size(), "image"),
               Printable(FLAGS_out), Noun(dataset->size(), "it", "them"),
               Printable(BazelCommand("//data:inspect", {absl::StrCat("--dataset=", written)})));
  return absl::OkStatus();
}

}  // namespace
}  // namespace rcnn::data

int main(int argc, char** argv) {
  rcnn::InitProgram({.usage = "Writes a dataset in the VOC layout, as COCO, or in shards.\n\n"
                              "  write_dataset --dataset=shapes:seed=1 --format=voc --out=DIR\n"
                              "  write_dataset --dataset=PATH/TO/FOLDER --shards=8 --out=DIR"},
                    &argc, &argv);
  return rcnn::ExitCode(rcnn::data::Write());
}
