// The weights of the best validation so far, a file of a running stage (kBestWeightsFile).
//
// Example:
//   BestWeights best(directory);
//   RCNN_RETURN_IF_ERROR(best.Save(weights));

#ifndef RCNN_TRAINING_TRAINER_BEST_WEIGHTS_H_
#define RCNN_TRAINING_TRAINER_BEST_WEIGHTS_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "rcnn/base/file_io.h"
#include "rcnn/detection/weights/state_dict.h"
#include "rcnn/training/trainer/checkpoint.h"

namespace rcnn::training {

class BestWeights {
 public:
  // `directory` is the stage's and exists.
  explicit BestWeights(absl::string_view directory);

  // Replaces the file. Errors of the disk.
  absl::Status Save(const detection::weights::StateDict& weights);

  // kDataLoss, with advice, if the file is not what was saved. Errors of the disk.
  absl::StatusOr<detection::weights::StateDict> Load() const;

  // A checkpoint's link to the file, and back: the best weights at the checkpoint's time. Later
  // ones will be computed again.
  void AddTo(Checkpoint& checkpoint) const;
  absl::Status Restore(const Checkpoint& checkpoint);

 private:
  std::string path_;
  FileDigest digest_;  // of the file
};

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_TRAINER_BEST_WEIGHTS_H_
