// Trains one network: batches, gradients, updates, checkpoints, measurements.
//
// The loss (losses.h) and validation are passed in; the trainer does not know RPN
// or head. It resumes from the newest complete checkpoint of its directory as if
// uninterrupted: every random choice is named by (seed, stage, iteration, purpose),
// so a checkpoint needs no generator's state.
//
// Several ranks train one network together: each computes its share of every update
// (update_share.h), the gradients are summed, and all make the same update. Rank 0 alone writes
// files; the others receive the weights and the state from it at the start. An error of one rank
// ends all, at the same iteration.
//
// Example:
//   Trainer trainer(options, model, losses);
//   RCNN_ASSIGN_OR_RETURN(auto weights, trainer.Run(dataset, loader_options));

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
#include "rcnn/training/distributed/rank_group.h"
#include "rcnn/training/trainer/losses.h"
#include "rcnn/training/trainer/proposal_exchange.h"

namespace rcnn::training {

using NamedNumbers = std::vector<std::pair<std::string, double>>;

// Evaluates weights in the form in which they are saved. The first number is
// compared; higher is better.
using ValidationFunction =
    std::function<absl::StatusOr<NamedNumbers>(const detection::weights::StateDict&)>;

struct TrainerOptions {
  std::string stage;
  uint64_t seed = 0;
  configs::TrainingConfig training;
  configs::ResourcesConfig resources;
  // The stage's existing directory, for checkpoints, metrics.jsonl and
  // kBestWeightsFile.
  std::string directory;
  // Directory of TensorBoard's event file.
  std::string events_directory;
  // Checkpoints with another key are ignored.
  std::string key;
  // Null: no validation. All ranks call it, at the same iterations, and must get the same numbers.
  ValidationFunction validate;
  // Called before the first iteration of this run, with the number of iterations that earlier runs
  // have finished.
  std::function<void(int64_t done)> started = nullptr;
  // Called after each iteration with the number of finished iterations and a short
  // note.
  std::function<void(int64_t done, const std::string& note)> progress;
  // Called with notices for the user: a resume, a damaged checkpoint.
  std::function<void(const std::string&)> notice;
  // Called before files are written, replaced or deleted. Its error ends the training, and leaves
  // all files as they are. Null: nothing to ask.
  std::function<absl::Status()> may_write = nullptr;
  // The ranks that train together; null: this process alone.
  std::shared_ptr<RankGroup> ranks = nullptr;
  // Of the loss, if it exchanges proposals (MakeSharedJointLoss).
  std::shared_ptr<ProposalExchange> exchange = nullptr;
  // Whether the network exchanges values with the other ranks inside a step (ShareNorms).
  bool exchanges_in_step = false;
  // Called if memory runs out: frees some and returns true, or returns false. Then the batch is
  // computed once more, so its forward pass must change nothing, as a trained batch norm would. Of
  // one process alone; null: memory that runs out is an error.
  std::function<bool()> free_memory = nullptr;
  // For checks: from the second iteration of this run on, it is an error if an iteration waits for
  // the device (base/device_waits.h). The log, validation and checkpoints may. With several
  // processes kInvalidArgument.
  bool forbid_waits = false;
};

class Trainer {
 public:
  Trainer(TrainerOptions options, std::shared_ptr<detection::FasterRcnn> model,
          LossFunction losses);
  ~Trainer();

  // Trains to the end and returns the weights to save (FasterRcnn::StateToSave): the
  // last, their average, or the best, depending on the config.
  //
  // kCancelled after a shutdown request, with a checkpoint written. kDataLoss if a loss or a
  // gradient is not finite, naming the iteration, the images, the parts of the loss and the last
  // good checkpoint. On another device than the CPU this is found at the next line of the log,
  // validation or checkpoint, before it is written, and the error names the iteration, its images
  // and what was not finite. kResourceExhausted if memory runs out and kInternal if the network
  // fails otherwise, naming the same. kFailedPrecondition if waits cannot be forbidden but should.
  // Also the errors of the loader, the solver and the disk. An error of another rank begins with
  // its number.
  //
  // `loader` is for the whole dataset; the trainer gives each rank its share. Ranks other than 0
  // return no weights.
  absl::StatusOr<detection::weights::StateDict> Run(std::shared_ptr<const data::Dataset> dataset,
                                                    data::LoaderOptions loader);

 private:
  class State;
  std::unique_ptr<State> state_;
};

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_TRAINER_TRAINER_H_
