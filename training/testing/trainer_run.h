// A joint training of ten iterations on generated images, with everything that has state, for
// tests of the trainer.

#ifndef RCNN_TRAINING_TESTING_TRAINER_RUN_H_
#define RCNN_TRAINING_TESTING_TRAINER_RUN_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "rcnn/data/core/dataset.h"
#include "rcnn/detection/faster_rcnn.h"
#include "rcnn/detection/weights/state_dict.h"
#include "rcnn/training/trainer/trainer.h"

namespace rcnn::training::testing {

// Images of 64 x 48 pixels with objects of two classes.
std::shared_ptr<const data::Dataset> Shapes(int64_t count = 8);

// For these, with random weights, the same each time.
std::shared_ptr<detection::FasterRcnn> Model();

// Enables everything that has state.
inline constexpr char kTraining[] =
    "solver { adamw {} learning_rate: 0.01 iterations: 10 batches_per_update: 2 }"
    "batching { images_per_batch: 2 } average_decay: 0.9 "
    "validation { every: 4 keep_best: true }";

// The trainer's part of float16, which runs on every device: loss scale, and updates with
// kernels. The network itself computes in float32 here.
std::string WithLossScale();

// A number that goes up and down as the weights change. Like a real validation it
// stops on a shutdown request.
absl::StatusOr<NamedNumbers> Measure(const detection::weights::StateDict& state);

// Joint training in which losses are read as those of another device.
LossFunction ReadWithLog(const std::shared_ptr<detection::FasterRcnn>& model);

struct RunSetup {
  std::string directory = {};
  std::string training = kTraining;
  int64_t checkpoint_iterations = 3;
  int64_t log_every = 3;
  int64_t stop_at = -1;  // an iteration at which a shutdown is asked for
  ValidationFunction validate = Measure;
  // Replaces joint training.
  std::function<LossFunction(std::shared_ptr<detection::FasterRcnn>)> losses =
      [](const std::shared_ptr<detection::FasterRcnn>& model) { return MakeJointLoss(model); };
  std::shared_ptr<detection::FasterRcnn> model = Model();
  std::vector<std::string>* notices = nullptr;
  std::function<absl::Status()> may_write = nullptr;
  bool forbid_waits = false;
  std::shared_ptr<const data::Dataset> dataset = Shapes();
};

// Runs or resumes the training. The weights that it keeps.
absl::StatusOr<detection::weights::StateDict> Train(const RunSetup& setup);

// Lines of the metrics without what depends on the clock.
std::vector<std::string> Metrics(const std::string& directory);

// The numbers of each line by name, likewise.
std::vector<std::map<std::string, double>> MetricNumbers(const std::string& directory);

}  // namespace rcnn::training::testing

#endif  // RCNN_TRAINING_TESTING_TRAINER_RUN_H_
