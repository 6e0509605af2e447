#include "rcnn/eval/load_ground_truth.h"

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <set>
#include <utility>

#include "rcnn/base/file_io.h"
#include "rcnn/base/printable.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/base/stored_file.h"
#include "rcnn/configs/dataset.pb.h"
#include "rcnn/data/core/dataset.h"
#include "rcnn/data/core/image_file_name.h"
#include "rcnn/data/core/sample.h"
#include "rcnn/data/sources/dataset_flag.h"
#include "rcnn/data/sources/make_dataset.h"
#include "rcnn/data/sources/open_folder.h"
#include "rcnn/eval/coco_ground_truth.h"
#include "rcnn/eval/dataset_ground_truth.h"

namespace rcnn::eval {
namespace {

// By id: images that the annotated sizes say are to be turned.
absl::StatusOr<std::set<int64_t>> FindTurned(const configs::DatasetConfig& config,
                                             std::shared_ptr<const data::Dataset> opened) {
  if (opened == nullptr) {
    RCNN_ASSIGN_OR_RETURN(opened, data::MakeDataset(config, {}));
  }
  std::set<int64_t> turned;
  for (int64_t i = 0; i < opened->size(); ++i) {
    const data::ImageInfo info = opened->image(i);
    if (info.exif_applied) turned.insert(info.id);
  }
  return turned;
}

absl::Status SetExifApplied(const configs::DatasetConfig& config,
                            const std::shared_ptr<const data::Dataset>& opened,
                            GroundTruth& truth) {
  if (config.exif_orientation() == configs::NOT_APPLIED) return absl::OkStatus();
  std::set<int64_t> turned;
  const bool sizes_decide = config.exif_orientation() == configs::FROM_ANNOTATED_SIZES;
  if (sizes_decide) {
    RCNN_ASSIGN_OR_RETURN(turned, FindTurned(config, opened));
  }
  for (GroundTruthImage& image : truth.images) {
    image.exif_applied = !sizes_decide || turned.count(image.id) > 0;
  }
  return absl::OkStatus();
}

// `opened`: the dataset of the config if it is open; null: it is opened if it is needed.
absl::StatusOr<GroundTruth> LoadCoco(const configs::DatasetConfig& config,
                                     const LoadGroundTruthOptions& options,
                                     const std::shared_ptr<const data::Dataset>& opened) {
  const configs::DatasetPaths& paths = config.paths();
  RCNN_ASSIGN_OR_RETURN(GroundTruth truth,
                        ReadCocoGroundTruth(paths.annotations(),
                                            {options.need_annotations, !config.has_box_units()}));
  for (const std::string& warning : truth.warnings) {
    std::fprintf(stderr, "%s: %s\n", Printable(paths.annotations()).c_str(),
                 Printable(warning).c_str());
  }
  RCNN_RETURN_IF_ERROR(SetExifApplied(config, opened, truth));
  if (!paths.has_images()) return truth;
  for (GroundTruthImage& image : truth.images) {
    RCNN_ASSIGN_OR_RETURN(const std::string name, data::NameInFolder(paths.images(), image.file),
                          paths.annotations());
    RCNN_ASSIGN_OR_RETURN(image.file, JoinInside(paths.images(), name), paths.annotations());
  }
  return truth;
}

bool IsVoc(const configs::DatasetConfig& config) {
  if (!config.has_concat()) return config.has_voc();
  const auto& parts = config.concat().parts();
  return std::all_of(parts.begin(), parts.end(), IsVoc);
}

void SetIfGiven(bool* target, bool value) {
  if (target != nullptr) *target = value;
}

// What is not used, or not used as it is written, changes the numbers.
void PrintDefects(const data::Dataset& dataset) {
  for (const std::string& notice : dataset.defects().notices()) {
    std::fprintf(stderr, "%s\n", Printable(notice).c_str());
  }
  const std::string defects = dataset.defects().ToString(/*max_lines=*/10);
  if (!defects.empty()) std::fprintf(stderr, "%s\n", PrintableLines(defects).c_str());
}

// Whether the numbers of a COCO file are the ground truth without a change.
bool IsUsedUnchanged(const configs::DatasetConfig& config) {
  return config.has_coco() && config.classes_size() == 0 && config.box_units() == configs::PIXELS;
}

// `named`: what FolderOfDatasetFlag has returned for `dataset`.
absl::StatusOr<GroundTruth> LoadFolder(const std::string& dataset,
                                       const std::pair<std::string, std::string>& named,
                                       const LoadGroundTruthOptions& options, bool* is_voc) {
  RCNN_ASSIGN_OR_RETURN(const data::OpenedFolder folder,
                        data::OpenFolderOfFlag(named, options.folder));
  std::fprintf(stderr, "%s", PrintableLines(data::Describe(folder)).c_str());
  RCNN_ASSIGN_OR_RETURN(const std::shared_ptr<const data::Dataset> part,
                        data::OpenPartOfFolder(dataset, folder, options.folder));
  RCNN_ASSIGN_OR_RETURN(const auto config, data::ConfigOfPart(dataset, folder, options.folder));
  SetIfGiven(is_voc, config && IsVoc(*config));
  if (config && IsUsedUnchanged(*config)) return LoadCoco(*config, options, part);
  PrintDefects(*part);
  return FromDataset(*part);
}

}  // namespace

absl::StatusOr<GroundTruth> LoadGroundTruth(const std::string& dataset,
                                            const LoadGroundTruthOptions& options, bool* is_voc) {
  RCNN_ASSIGN_OR_RETURN(const auto folder, data::FolderOfDatasetFlag(dataset));
  if (folder) return LoadFolder(dataset, *folder, options, is_voc);
  RCNN_ASSIGN_OR_RETURN(configs::DatasetConfig config,
                        data::ParseDatasetFlag(dataset, options.folder));
  SetIfGiven(is_voc, IsVoc(config));
  if (IsUsedUnchanged(config)) return LoadCoco(config, options, nullptr);
  if (!config.has_concat() && !config.has_shapes() && !config.has_defect_policy()) {
    config.set_defect_policy(configs::CLIP);
  }
  RCNN_ASSIGN_OR_RETURN(std::unique_ptr<data::Dataset> opened, data::MakeDataset(config, {}));
  PrintDefects(*opened);
  return FromDataset(*opened);
}

absl::StatusOr<std::vector<std::string>> GroundTruthFiles(const std::string& dataset) {
  RCNN_ASSIGN_OR_RETURN(const auto folder, data::FolderOfDatasetFlag(dataset));
  if (folder) return std::vector<std::string>();
  std::vector<std::string> files = {dataset};
  const absl::StatusOr<configs::DatasetConfig> config = data::ParseDatasetFlag(dataset);
  if (IsUnreadableNow(config.status())) return config.status();
  if (config.ok() && config->has_coco()) files.push_back(config->paths().annotations());
  return files;
}

}  // namespace rcnn::eval
