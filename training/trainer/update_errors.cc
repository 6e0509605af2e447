#include "rcnn/training/trainer/update_errors.h"

#include <ATen/ATen.h>

#include "absl/strings/str_cat.h"
#include "rcnn/detection/module_device.h"
#include "rcnn/training/trainer/memory_error.h"

namespace rcnn::training {

absl::Status UpdateErrors::Diverged(absl::string_view where, absl::string_view what) const {
  const std::string good = last_checkpoint_ > 0
                               ? absl::StrCat("The last good checkpoint is ", directory_,
                                              "/checkpoint-", last_checkpoint_)
                               : std::string("There is no checkpoint yet");
  return absl::DataLossError(
      absl::StrCat("training has diverged at ", where, ": ", what, ". ", good,
                   "; try a lower learning_rate, a longer warm_up or max_gradient_norm"));
}

absl::Status UpdateErrors::Failed(absl::string_view where, const absl::Status& error,
                                  c10::IntArrayRef images) const {
  const absl::string_view what = error.message();
  if (absl::IsResourceExhausted(error)) {
    return TrainingMemoryError(what, where, detection::ModuleDevice(*model_), images);
  }
  if (!WeightsAreFinite()) return Diverged(where, what);
  return absl::InternalError(absl::StrCat("the network failed at ", where, ": ", what));
}

bool UpdateErrors::WeightsAreFinite() const {
  for (const at::Tensor& weight : model_->parameters()) {
    if (!weight.isfinite().all().item<bool>()) return false;
  }
  return true;
}

}  // namespace rcnn::training
