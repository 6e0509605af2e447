// Writes a data set, of whatever source, in the VOC layout or as COCO.

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gflags/gflags.h"
#include "rcnn/base/program.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/configs/dataset.pb.h"
#include "rcnn/data/coco_writer.h"
#include "rcnn/data/dataset.h"
#include "rcnn/data/dataset_flag.h"
#include "rcnn/data/make_dataset.h"
#include "rcnn/data/voc_writer.h"

DEFINE_string(dataset, "shapes", rcnn::data::kDatasetFlagHelp);
DEFINE_string(data_root, "", "where relative paths of --dataset start");
DEFINE_string(format, "coco", "coco or voc");
DEFINE_string(out, "", "the folder to write into; it is made if need be");
DEFINE_string(split, "trainval",
              "voc: the list ImageSets/Main/SPLIT.txt; coco: the file SPLIT.json and the folder "
              "SPLIT");

namespace rcnn::data {
namespace {

absl::Status Write() {
  if (FLAGS_out.empty())
    return absl::InvalidArgumentError("--out is missing: the folder to write into");
  RCNN_ASSIGN_OR_RETURN(configs::DatasetConfig config, ParseDatasetFlag(FLAGS_dataset));
  RCNN_ASSIGN_OR_RETURN(std::unique_ptr<Dataset> dataset,
                        MakeDataset(config, {.data_root = FLAGS_data_root}));
  if (FLAGS_format == "voc") return WriteVoc(*dataset, FLAGS_out, {.split = FLAGS_split});
  if (FLAGS_format == "coco") {
    const std::string stem = absl::StrCat(FLAGS_out, "/", FLAGS_split);
    return WriteCoco(*dataset, stem + ".json", stem);
  }
  return absl::InvalidArgumentError(
      absl::StrCat("--format=", FLAGS_format, " is neither coco nor voc"));
}

}  // namespace
}  // namespace rcnn::data

int main(int argc, char** argv) {
  rcnn::InitProgram({.usage = "Writes a data set in the VOC layout or as COCO.\n\n"
                              "  write_dataset --dataset=shapes:seed=1 --format=voc --out=DIR"},
                    &argc, &argv);
  return rcnn::ExitCode(rcnn::data::Write());
}
