// Checkpoints of a stage that is running: written whole or not at all.
//
//   checkpoint-<iteration>/model.safetensors
//                          solver.safetensors
//                          best.safetensors    a link, where there is one yet
//                          manifest.json       written last: key, facts, checksums
//
// A checkpoint is written under another name, synced and renamed, and counts only
// if its manifest is there and fits its files: after a kill at any moment the last
// one that was complete is found.
//
// Example:
//   CheckpointStore store(stage_path, stage.key);
//   RCNN_RETURN_IF_ERROR(store.Write({.iteration = 500, .model = …, .solver = …}));
//   std::vector<std::string> complaints;
//   RCNN_ASSIGN_OR_RETURN(auto last, store.ReadLatest(&complaints));

#ifndef RCNN_TRAINING_TRAINER_CHECKPOINT_H_
#define RCNN_TRAINING_TRAINER_CHECKPOINT_H_

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/optional.h"
#include "rcnn/base/file_io.h"
#include "rcnn/detection/weights/state_dict.h"

namespace rcnn::training {

// Of a stage that keeps the best weights: those of the best validation so far, which
// are replaced and never written into. Each checkpoint has a link to those of its time,
// and its manifest their checksum. They go with the checkpoints, when the stage is
// done and has them as its result.
inline constexpr char kBestWeightsFile[] = "best.safetensors";

struct Checkpoint {
  int64_t iteration = 0;  // updates that have been made, >= 0
  detection::weights::StateDict model;
  detection::weights::StateDict solver;
  std::map<std::string, std::string> facts;  // whatever else a resume needs, UTF-8
  // Where kBestWeightsFile lies, when this is written or after it was read; empty
  // without one. What is in it then has that digest.
  std::string best_weights = {};
  FileDigest best_digest = {};
};

class CheckpointStore {
 public:
  // `directory` is the stage's and exists; `key` is the stage's.
  CheckpointStore(std::string directory, std::string key)
      : directory_(std::move(directory)), key_(std::move(key)) {}

  // Removes what killed writes have left, then writes. One of the same iteration
  // is replaced. kResourceExhausted where the disk is full, kDataLoss if the best
  // weights are not what they were; earlier checkpoints are untouched by any error.
  absl::Status Write(const Checkpoint& checkpoint);

  // The newest one that is complete and of this key; nullopt if there is none.
  // Each newer one that is not gets a line in `complaints`, which may be null.
  // Tensors are read-only mappings of the files.
  absl::StatusOr<absl::optional<Checkpoint>> ReadLatest(std::vector<std::string>* complaints) const;

  // Deletes all but the newest `keep` >= 1.
  absl::Status Prune(int keep);

  // Deletes all of them, kBestWeightsFile, and what killed writes have left.
  absl::Status Clear();

 private:
  std::string Path(int64_t iteration) const;

  std::string directory_;
  std::string key_;
};

// Makes `to` the same file as `from`, in one step; a copy of it where the file system
// has no links. What was there goes.
absl::Status LinkOrCopy(const std::string& from, const std::string& to);

// The iterations of the checkpoints of a stage, newest first, by their names alone.
std::vector<int64_t> ListCheckpoints(const std::string& directory);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_TRAINER_CHECKPOINT_H_
