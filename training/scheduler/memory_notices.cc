#include "rcnn/training/scheduler/memory_notices.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>

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

// Datasets on which a stage runs the network without gradients, and how many of their images may go
// through it together.
std::map<configs::DatasetRole, int64_t> DetectedOn(const ExperimentRun& run) {
  std::map<configs::DatasetRole, int64_t> roles;
  const int64_t together = run.config.resources().inference_batch();
  for (const configs::StageConfig& stage : run.config.stages()) {
    if (stage.has_generate_proposals()) roles[stage.generate_proposals().dataset()] = together;
    if (stage.has_evaluate()) roles[stage.evaluate().dataset()] = together;
    const configs::TrainingConfig* const training = FindTraining(stage);
    if (training != nullptr && training->has_validation()) roles.emplace(configs::VALIDATION, 1);
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

std::string Describe(configs::DatasetRole role, const LargestImage& largest, int64_t together,
                     int64_t bytes) {
  const std::string images = together == 1 ? "" : absl::StrCat(together, " images of the size of ");
  return absl::StrCat(
      "data.", absl::AsciiStrToLower(configs::DatasetRole_Name(role)), ": detection takes about ",
      HumanBytes(bytes), " of memory on ", images, largest.info.name, ", ", largest.info.width,
      " x ", largest.info.height, " pixels, and ", HumanBytes(AvailableMemoryBytes()),
      " are available; data.transform.resize makes images smaller for the network",
      together == 1 ? ""
                    : ", and with a smaller resources.inference_batch fewer go through it "
                      "together");
}

}  // namespace

absl::StatusOr<std::vector<std::string>> MemoryNotices(const ExperimentRun& run) {
  std::vector<std::string> notices;
  // Parts of a detector alone take less, and are not run on huge images.
  if (!run.config.model().has_rpn() || !run.config.model().has_head()) return notices;
  if (!run.device.is_cpu()) return notices;  // they are about the host's memory
  std::optional<detection::DetectionMemory> memory;
  for (const auto& [role, most] : DetectedOn(run)) {
    const auto dataset = run.datasets.find(role);
    if (dataset == run.datasets.end()) continue;
    if (role == configs::VALIDATION && !run.config.data().has_validation()) continue;
    const LargestImage largest = FindLargest(*dataset->second, run.config.data().transform());
    const int64_t together = std::min(most, dataset->second->size());
    if (largest.input_pixels * together < detection::kManyInputPixels) continue;
    if (!memory) {
      RCNN_ASSIGN_OR_RETURN(memory, Measure(run));
    }
    const int64_t bytes = together * memory->Bytes(largest.input_pixels);
    if (bytes < kMuchMemory) continue;
    notices.push_back(Describe(role, largest, together, bytes));
  }
  return notices;
}

}  // namespace rcnn::training
