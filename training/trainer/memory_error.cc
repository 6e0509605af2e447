#include "rcnn/training/trainer/memory_error.h"

#include "absl/strings/str_cat.h"
#include "rcnn/base/batch_memory.h"

namespace rcnn::training {
namespace {

constexpr char kFields[] =
    "use smaller images (transform.resize), fewer per batch (batching.images_per_batch, with "
    "solver.batches_per_update for the same update)";

}  // namespace

absl::Status TrainingMemoryError(absl::string_view what, absl::string_view iteration,
                                 const c10::Device& device, c10::IntArrayRef images) {
  const char* const on_gpu =
      device.is_cpu() ? "" : ", training.precision: BFLOAT16, fewer resources.training_graphs";
  return absl::ResourceExhaustedError(absl::StrCat(
      "not enough memory on ", device.str(), " for ", iteration, ", ", DescribeBatch(images), ": ",
      what, "; ", kFields, on_gpu, ", or a smaller resources.feature_cache_mib"));
}

}  // namespace rcnn::training
