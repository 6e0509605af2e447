// The errors that end training at an update: values that are not finite, and a network that fails.
//
// Example:
//   return errors.Diverged("iteration 12", "the loss is not finite");

#ifndef RCNN_TRAINING_TRAINER_UPDATE_ERRORS_H_
#define RCNN_TRAINING_TRAINER_UPDATE_ERRORS_H_

#include <c10/util/ArrayRef.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "rcnn/detection/faster_rcnn.h"

namespace rcnn::training {

class UpdateErrors {
 public:
  // `directory` has the checkpoints.
  UpdateErrors(std::shared_ptr<const detection::FasterRcnn> model, std::string directory)
      : model_(std::move(model)), directory_(std::move(directory)) {}

  // The iteration of the last checkpoint, which the errors name; 0: there is none yet.
  void set_last_checkpoint(int64_t iteration) { last_checkpoint_ = iteration; }

  // kDataLoss: "training has diverged at <where>: <what>. ...", with advice.
  absl::Status Diverged(absl::string_view where, absl::string_view what) const;

  // That of an exception which a network threw for `images` [B, C, H, W]: not NotFiniteError, by
  // which operators report values that are not finite. kResourceExhausted stays, with device, batch
  // and advice; Diverged if a weight is not finite; otherwise kInternal.
  absl::Status Failed(absl::string_view where, const absl::Status& error,
                      c10::IntArrayRef images) const;

 private:
  bool WeightsAreFinite() const;

  const std::shared_ptr<const detection::FasterRcnn> model_;
  const std::string directory_;
  int64_t last_checkpoint_ = 0;
};

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_TRAINER_UPDATE_ERRORS_H_
