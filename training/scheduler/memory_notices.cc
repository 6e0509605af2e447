#include "rcnn/training/scheduler/memory_notices.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "rcnn/base/available_memory.h"
#include "rcnn/base/exception_status.h"
#include "rcnn/base/random_stream.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/data/core/dataset.h"
#include "rcnn/data/loader/sample_transform.h"
#include "rcnn/detection/detection_memory.h"
#include "rcnn/detection/faster_rcnn.h"
#include "rcnn/detection/layers.h"
#include "rcnn/training/config/stage_parts.h"

namespace rcnn::training {
namespace {

constexpr int64_t kMuchMemory = 1'000'000'000;

// The largest image as the network sees it.
struct LargestImage {
  data::ImageInfo info;
  int64_t input_pixels = 0;
};

// Skips images that are too large for the loader, which reports them itself.
LargestImage FindLargest(const data::Dataset& dataset, const configs::TransformConfig& transform) {
  LargestImage largest;
  for (int64_t i = 0; i < dataset.size(); ++i) {
    const data::ImageInfo info = dataset.image(i);
    if (info.width <= 0 || info.height <= 0) continue;
    const auto input = data::EvaluationTransform(transform, info);
    if (!input.ok() || input->width * input->height <= largest.input_pixels) continue;
    largest = {info, input->width * input->height};
  }
  return largest;
}

// Datasets on which a stage runs the network without gradients.
std::set<configs::DatasetRole> DetectedOn(const ExperimentRun& run) {
  std::set<configs::DatasetRole> roles;
  for (const configs::StageConfig& stage : run.config.stages()) {
    if (stage.has_generate_proposals()) roles.insert(stage.generate_proposals().dataset());
    if (stage.has_evaluate()) roles.insert(stage.evaluate().dataset());
    const configs::TrainingConfig* const training = FindTraining(stage);
    if (training != nullptr && training->has_validation()) roles.insert(configs::VALIDATION);
  }
  return roles;
}

absl::StatusOr<detection::DetectionMemory> Measure(const ExperimentRun& run) {
  const int64_t classes = run.datasets.at(configs::TRAIN)->classes().size();
  RCNN_ASSIGN_OR_RETURN(const auto model,
                        detection::FasterRcnn::Create(run.config.model(), classes));
  return CatchExceptions([&]() -> absl::StatusOr<detection::DetectionMemory> {
    detection::ResetParameters(*model, MakeGenerator({run.config.seed(), "memory", 0, "weights"}));
    model->eval();
    detection::PrepareForInference(*model);
    return detection::DetectionMemory::Measure(*model);
  });
}

}  // namespace

absl::StatusOr<std::vector<std::string>> MemoryNotices(const ExperimentRun& run) {
  std::vector<std::string> notices;
  // Parts of a detector alone take less, and are not run on huge images.
  if (!run.config.model().has_rpn() || !run.config.model().has_head()) return notices;
  if (!run.device.is_cpu()) return notices;  // they are about the host's memory
  std::optional<detection::DetectionMemory> memory;
  for (const configs::DatasetRole role : DetectedOn(run)) {
    const auto dataset = run.datasets.find(role);
    if (dataset == run.datasets.end()) continue;
    if (role == configs::VALIDATION && !run.config.data().has_validation()) continue;
    const LargestImage largest = FindLargest(*dataset->second, run.config.data().transform());
    if (largest.input_pixels < detection::kManyInputPixels) continue;
    if (!memory) {
      RCNN_ASSIGN_OR_RETURN(memory, Measure(run));
    }
    const int64_t bytes = memory->Bytes(largest.input_pixels);
    if (bytes < kMuchMemory) continue;
    notices.push_back(absl::StrCat(
        "data.", absl::AsciiStrToLower(configs::DatasetRole_Name(role)), ": detection takes about ",
        HumanBytes(bytes), " of memory on ", largest.info.name, ", ", largest.info.width, " x ",
        largest.info.height, " pixels, and ", HumanBytes(AvailableMemoryBytes()),
        " are available; data.transform.resize makes images smaller for the network"));
  }
  return notices;
}

}  // namespace rcnn::training
