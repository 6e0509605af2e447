// Trains one network: batches, gradients, updates, checkpoints, measurements.
//
// What is computed of a batch comes from outside (losses.h), and so does
// validation; the trainer knows neither RPN nor head. It goes on from the newest
// complete checkpoint of its directory as if nothing had happened: every random
// choice is named by (seed, stage, iteration, purpose), so that weights, solver
// state and iteration are all there is to a checkpoint.
//
// Example:
//   Trainer trainer(options, model, losses);
//   RCNN_ASSIGN_OR_RETURN(TrainedWeights weights, trainer.Run(dataset, loader_options));

#ifndef RCNN_TRAINING_TRAINER_TRAINER_H_
#define RCNN_TRAINING_TRAINER_TRAINER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "rcnn/configs/experiment.pb.h"
#include "rcnn/data/core/dataset.h"
#include "rcnn/data/loader/loader.h"
#include "rcnn/detection/faster_rcnn.h"
#include "rcnn/detection/weights/state_dict.h"
#include "rcnn/training/trainer/losses.h"

namespace rcnn::training {

using NamedNumbers = std::vector<std::pair<std::string, double>>;

// Measures weights as they would be saved. The first number is the one that is
// compared; more is better.
using Validate = std::function<absl::StatusOr<NamedNumbers>(const detection::weights::StateDict&)>;

struct TrainerOptions {
  std::string stage;
  uint64_t seed = 0;
  configs::TrainingConfig training;
  configs::ResourcesConfig resources;
  // The stage's, which exists: checkpoints, metrics.jsonl, and kBestWeightsFile.
  std::string directory;
  // Where TensorBoard's event file lies.
  std::string events_directory;
  // Checkpoints of another key are not used.
  std::string key;
  // Null: no validation.
  Validate validate;
  // Called after each iteration with the number of iterations done and a few words.
  std::function<void(int64_t done, const std::string& note)> progress;
  // Called with what people should know: a resume, a damaged checkpoint.
  std::function<void(const std::string&)> notice;
};

class Trainer {
 public:
  Trainer(TrainerOptions options, std::shared_ptr<detection::FasterRcnn> model,
          ComputeLosses losses);
  ~Trainer();

  // Trains to the end and returns the weights to be saved (FasterRcnn::StateToSave):
  // the last, their average, or the best, as the config says.
  //
  // kCancelled after a shutdown request, with a checkpoint written. kDataLoss when a
  // loss or a gradient is not finite, naming the iteration, the images, the parts
  // of the loss and the last good checkpoint. kResourceExhausted when memory does not
  // suffice, kInternal when the network fails otherwise, naming the same. Errors of loader, solver
  // and disk.
  absl::StatusOr<detection::weights::StateDict> Run(std::shared_ptr<const data::Dataset> dataset,
                                                    data::LoaderOptions loader);

 private:
  class State;
  std::unique_ptr<State> state_;
};

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_TRAINER_TRAINER_H_
