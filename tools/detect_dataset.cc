// Writes a trained detector's detections on a dataset as COCO results: the detector
// of detection_eval_test (eval/detection_eval_test.bzl).

#include <gflags/gflags.h>

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "rcnn/base/counted.h"
#include "rcnn/base/path_length.h"
#include "rcnn/base/printable.h"
#include "rcnn/base/program.h"
#include "rcnn/base/runtime.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/data/sources/dataset_flag.h"
#include "rcnn/eval/detections.h"
#include "rcnn/eval/load_ground_truth.h"
#include "rcnn/eval/output_files.h"
#include "rcnn/tools/dataset_detections.h"
#include "rcnn/tools/detect_dataset_flags.h"
#include "rcnn/tools/detect_model.h"

namespace rcnn::tools {
namespace {

absl::Status CheckFlags() {
  if (FLAGS_model.empty()) {
    return absl::InvalidArgumentError(
        "--model is missing: the folder that training writes, such as "
        "runs/shapes_tiny_alternating");
  }
  if (FLAGS_dataset.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("--dataset is missing: ", data::kDatasetFlagHelp));
  }
  if (FLAGS_out.empty()) {
    return absl::InvalidArgumentError(
        "--out is missing: the COCO results file to write, as in --out=detections.json");
  }
  RCNN_RETURN_IF_ERROR(
      CheckPathLength("--model", FLAGS_model, "give the folder that training writes"));
  std::vector<eval::NamedFile> inputs = {
      {"--model", FLAGS_model + "/model.safetensors"},
      {"--model", FLAGS_model + "/detector.textproto"},
  };
  RCNN_ASSIGN_OR_RETURN(const std::vector<std::string> files, eval::GroundTruthFiles(FLAGS_dataset),
                        ShownFlag("--dataset", FLAGS_dataset));
  for (const std::string& file : files) inputs.push_back({"--dataset", file});
  return eval::CheckOutputs({{"--out", FLAGS_out}}, inputs);
}

absl::Status Run() {
  RCNN_RETURN_IF_ERROR(CheckFlags());
  RCNN_ASSIGN_OR_RETURN(const eval::GroundTruth truth, eval::LoadGroundTruth(FLAGS_dataset),
                        ShownFlag("--dataset", FLAGS_dataset));
  RCNN_ASSIGN_OR_RETURN(const auto detector, LoadDetector(FLAGS_model));
  RCNN_ASSIGN_OR_RETURN(const eval::Detections found,
                        DetectDataset(*detector, truth, FLAGS_images));
  RCNN_RETURN_IF_ERROR(eval::WriteDetections(FLAGS_out, found));
  std::printf("%s: %s in %s\n", Printable(FLAGS_out).c_str(),
              Counted(found.size(), "detection").c_str(),
              Counted(truth.images.size(), "image").c_str());
  return absl::OkStatus();
}

}  // namespace
}  // namespace rcnn::tools

int main(int argc, char** argv) {
  rcnn::InitRuntime(rcnn::DescribeProgram(), &argc, &argv);
  return rcnn::ExitCode(rcnn::tools::Run());
}
