// The error for an image that cannot be read while stages run.

#ifndef RCNN_TRAINING_TRAINER_UNREADABLE_IMAGE_H_
#define RCNN_TRAINING_TRAINER_UNREADABLE_IMAGE_H_

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace rcnn::training {

// Returns `error`, which names the file, with advice on how to resume. The new image must
// have the same name and size because a stage's key contains both (stage_plan.h).
inline absl::Status UnreadableImageError(const absl::Status& error) {
  return {error.code(),
          absl::StrCat(error.message(),
                       ". Replace it with an intact image of the same name and size; the same "
                       "command then resumes where it stopped")};
}

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_TRAINER_UNREADABLE_IMAGE_H_
