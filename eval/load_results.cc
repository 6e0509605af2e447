#include "rcnn/eval/load_results.h"

#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "rcnn/base/counted.h"
#include "rcnn/base/recorded_result.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/configs/dataset.pb.h"
#include "rcnn/data/core/box_units.h"
#include "rcnn/eval/annotation_shapes.h"
#include "rcnn/eval/coco_eval.h"
#include "rcnn/eval/detections_reader.h"
#include "rcnn/eval/shape_detections.h"
#include "rcnn/eval/shape_similarity.h"
#include "rcnn/eval/text_results.h"

namespace rcnn::eval {
namespace {

// Prefix of errors of the ground truth, which the caller would take for those of the results.
constexpr char kDatasetPrefix[] = "the dataset";

// The instances file of a COCO dataset.
absl::StatusOr<std::string> CocoFile(const LoadResultsOptions& options) {
  RCNN_ASSIGN_OR_RETURN(const configs::DatasetConfig config,
                        data::ParseDatasetFlag(options.dataset, options.folder));
  if (config.has_coco() && config.classes_size() == 0) return config.paths().annotations();
  return absl::InvalidArgumentError(absl::StrCat(
      "masks and keypoints are evaluated against COCO instances files, which --dataset=",
      options.dataset, " is not"));
}

// `shapes` are read from the file a second time.
absl::Status CheckSameCount(const std::string& file, int64_t shapes, const GroundTruth& truth) {
  if (shapes == static_cast<int64_t>(truth.annotations.size())) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(file, ": has ", Counted(shapes, "annotation"),
                                                    ", and had ", truth.annotations.size(),
                                                    " before"));
}

// Text has no masks and no keypoints.
absl::Status CheckHoldsShapes(const std::string& path, absl::string_view field) {
  if (!IsTextResults(path)) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      path, ": text files and folders of them hold boxes only; give COCO results with \"", field,
      "\""));
}

absl::Status LoadMasks(const std::string& path, const LoadResultsOptions& options,
                       const GroundTruth& truth, Results& results) {
  RCNN_ASSIGN_OR_RETURN(const std::string file, CocoFile(options));
  RCNN_RETURN_IF_ERROR(CheckHoldsShapes(path, "segmentation"));
  RCNN_ASSIGN_OR_RETURN(AnnotationMasks annotations, ReadAnnotationMasks(file, options.threads),
                        kDatasetPrefix);
  RCNN_RETURN_IF_ERROR(CheckSameCount(file, annotations.masks.size(), truth), kDatasetPrefix);
  RCNN_ASSIGN_OR_RETURN(MaskDetections found,
                        ReadMaskDetections(path, annotations.images, {.threads = options.threads}));
  results.detections = found.detections;
  results.shapes = MakeMaskResults(truth, std::move(annotations), std::move(found));
  return absl::OkStatus();
}

absl::Status LoadKeypoints(const std::string& path, const LoadResultsOptions& options,
                           GroundTruth& truth, Results& results) {
  RCNN_ASSIGN_OR_RETURN(const std::string file, CocoFile(options));
  RCNN_RETURN_IF_ERROR(CheckHoldsShapes(path, "keypoints"));
  RCNN_ASSIGN_OR_RETURN(AnnotationKeypoints annotations, ReadAnnotationKeypoints(file),
                        kDatasetPrefix);
  const auto sigmas = static_cast<int64_t>(CocoKeypointSigmas().size());
  if (annotations.keypoints != sigmas && annotations.keypoints != 0) {
    return absl::InvalidArgumentError(absl::StrCat(kDatasetPrefix, ": ", file, ": objects have ",
                                                   Counted(annotations.keypoints, "keypoint"),
                                                   "; COCO's have ", sigmas));
  }
  RCNN_RETURN_IF_ERROR(
      CheckSameCount(file, static_cast<int64_t>(annotations.labelled.size()), truth),
      kDatasetPrefix);
  for (size_t i = 0; i < annotations.labelled.size(); ++i) {
    truth.annotations[i].ignored = annotations.labelled[i] == 0;
  }
  annotations.keypoints = sigmas;
  RCNN_ASSIGN_OR_RETURN(KeypointDetections found,
                        ReadKeypointDetections(path, sigmas, {.threads = options.threads}));
  results.detections = found.detections;
  results.shapes = MakeKeypointResults(truth, std::move(annotations), std::move(found));
  return absl::OkStatus();
}

// Boxes as fractions of the image are specks in its corner, which match no object.
absl::Status CheckUnits(const Detections& detections, const GroundTruth& truth) {
  data::FractionCheck check;
  for (int64_t d = 0; d < detections.size() && !check.decided(); ++d) {
    const int64_t image = truth.ImageIndex(detections.image_ids[d]);
    if (image < 0) continue;
    const XywhBox& box = detections.boxes[d];
    check.Add({box.x, box.y, box.width, box.height}, static_cast<double>(truth.images[image].width),
              static_cast<double>(truth.images[image].height));
  }
  if (check.Check(configs::DatasetConfig()).ok()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      "every box lies within 0..1, as fractions of the image do; boxes are in pixels (except in "
      "YOLO's text files)");
}

absl::Status LoadBoxes(const std::string& path, const LoadResultsOptions& options,
                       const GroundTruth& truth, Results& results) {
  const bool text = IsTextResults(path);
  int64_t skipped = 0;
  absl::StatusOr<Detections> detections =
      text ? ReadTextResults(path, truth, options.skip_unknown_categories ? &skipped : nullptr)
           : ReadDetections(path, {.threads = options.threads});
  RCNN_RETURN_IF_ERROR(detections.status());
  RCNN_RETURN_IF_ERROR(CheckUnits(*detections, truth), path);
  results.detections = *std::move(detections);
  results.unknown_categories = skipped;
  return absl::OkStatus();
}

// The detections of listed categories, and unless `skip_unknown` of others too; those of a root
// category in no case.
Detections SelectKnown(const Detections& detections, const GroundTruth& truth, bool skip_unknown) {
  Detections known;
  for (int64_t i = 0; i < detections.size(); ++i) {
    const int64_t id = detections.category_ids[i];
    if (truth.CategoryIndex(id) < 0 && (skip_unknown || id == truth.root_category_id)) continue;
    known.Add(detections[i]);
  }
  return known;
}

}  // namespace

absl::StatusOr<Results> LoadResults(const std::string& path, const LoadResultsOptions& options,
                                    GroundTruth& truth) {
  RCNN_RETURN_IF_ERROR(CheckRecordedResult(path));
  Results results;
  if (options.iou_type == IouType::kMasks) {
    RCNN_RETURN_IF_ERROR(LoadMasks(path, options, truth, results));
  } else if (options.iou_type == IouType::kKeypoints) {
    RCNN_RETURN_IF_ERROR(LoadKeypoints(path, options, truth, results));
  } else {
    RCNN_RETURN_IF_ERROR(LoadBoxes(path, options, truth, results));
  }
  if (!options.skip_unknown_categories && !truth.root_category_id) {
    RCNN_RETURN_IF_ERROR(ValidateDetections(results.detections, truth), path);
    return results;
  }
  Detections known = SelectKnown(results.detections, truth, options.skip_unknown_categories);
  RCNN_RETURN_IF_ERROR(ValidateDetections(known, truth), path);
  results.unknown_categories += results.detections.size() - known.size();
  // Shapes are indexed by position among all detections; the evaluation skips the others.
  if (results.shapes == nullptr) results.detections = std::move(known);
  return results;
}

void AddBoxes(Results& results) {
  if (results.shapes == nullptr) return;
  for (int64_t d = 0; d < results.detections.size(); ++d) {
    results.detections.boxes[d] = results.shapes->DetectionBox(d);
  }
}

absl::StatusOr<CocoEvaluation> EvaluateResults(const GroundTruth& truth, const Results& results,
                                               const CocoEvalOptions& options) {
  if (results.shapes == nullptr) return EvaluateCoco(truth, results.detections, options);
  return EvaluateCoco(truth, results.detections, results.shapes->similarity(), options);
}

absl::StatusOr<IouType> ParseIouType(const std::string& name) {
  if (name == "bbox") return IouType::kBoxes;
  if (name == "segm") return IouType::kMasks;
  if (name == "keypoints") return IouType::kKeypoints;
  return absl::InvalidArgumentError(
      absl::StrCat("'", name, "' is not one of bbox, segm, keypoints"));
}

}  // namespace rcnn::eval
