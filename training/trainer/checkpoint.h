// Checkpoints of a running stage, written completely or not at all.
//
//   checkpoint-<iteration>/model.safetensors
//                          solver.safetensors
//                          best.safetensors    a link, if there is one yet
//                          manifest.json       written last: key, facts, checksums; sealed
//
// A checkpoint is written under another name, synced and renamed, and counts only
// if it has a manifest that matches its files: after a kill at any time a complete
// checkpoint is found, the last one except in the case that checkpoint.cc names. One
// that cannot be read at present (EACCES, EIO, ESTALE, ENOMEM) is an error; it is
// neither skipped nor deleted.
//
// Example:
//   CheckpointStore store(stage_path, key);
//   RCNN_RETURN_IF_ERROR(store.Write(checkpoint));
//   std::vector<std::string> problems;
//   RCNN_ASSIGN_OR_RETURN(auto last, store.ReadLatest(&problems));

#ifndef RCNN_TRAINING_TRAINER_CHECKPOINT_H_
#define RCNN_TRAINING_TRAINER_CHECKPOINT_H_

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/optional.h"
#include "rcnn/base/file_io.h"
#include "rcnn/detection/weights/state_dict.h"

namespace rcnn::training {

// For stages that keep the best weights: the weights of the best validation so far,
// always replaced and never modified in place. Each checkpoint has a link to the best
// weights at its time, and its manifest has their checksum. They are deleted with the
// checkpoints when the stage is done, since its result then holds them.
inline constexpr char kBestWeightsFile[] = "best.safetensors";

struct Checkpoint {
  int64_t iteration = 0;  // number of updates done, >= 0
  detection::weights::StateDict model;
  detection::weights::StateDict solver;
  std::map<std::string, std::string> facts;  // other data that a resume needs, UTF-8
  // Path of kBestWeightsFile, for writing or after reading; empty without one. Its
  // contents then have that digest.
  std::string best_weights = {};
  FileDigest best_digest = {};
};

// What CheckpointStore::Verify has found.
struct CheckpointVerification {
  std::vector<std::string> damage;  // a line for each one that is damaged or has another key
  int64_t files = 0;                // that were compared
  // Checkpoint::facts of the newest one that ReadLatest would return; empty if there is none.
  std::map<std::string, std::string> facts;
};

class CheckpointStore {
 public:
  // `directory` is the stage's and exists; `key` is the stage's. Write and Prune call `may_write`
  // before they change anything, and Write again before the checkpoint gets its name; they return
  // its error, and leave all files as they are. Null: they may.
  CheckpointStore(std::string directory, std::string key,
                  std::function<absl::Status()> may_write = nullptr)
      : directory_(std::move(directory)), key_(std::move(key)), may_write_(std::move(may_write)) {}

  // Removes the remains of killed writes, then writes the checkpoint, replacing one
  // of the same iteration. kResourceExhausted if the disk is full, kDataLoss if the
  // best weights have changed; errors leave earlier checkpoints unchanged.
  absl::Status Write(const Checkpoint& checkpoint);

  // Returns the newest complete checkpoint with this key; nullopt if there is none.
  // Adds a line to `problems`, which may be null, for each newer one that is
  // incomplete or has another key. An error if one cannot be read at present. Tensors are
  // read-only mappings of the files.
  absl::StatusOr<absl::optional<Checkpoint>> ReadLatest(std::vector<std::string>* problems) const;

  // Compares all checkpoints with their manifests. A scheduler may write and delete checkpoints
  // meanwhile: one that is gone is not damaged, and those that are new are read too. An error
  // if one cannot be read at present.
  absl::StatusOr<CheckpointVerification> Verify() const;

  // Deletes all except the newest `keep` >= 1 checkpoints.
  absl::Status Prune(int keep);

  // Whether Clear deletes files of this name.
  static bool IsCheckpointFile(absl::string_view name);

  // Deletes all checkpoints, kBestWeightsFile, and the remains of killed writes.
  absl::Status Clear();

 private:
  std::string Path(int64_t iteration) const;
  absl::Status MayWrite() const { return may_write_ ? may_write_() : absl::OkStatus(); }

  std::string directory_;
  std::string key_;
  std::function<absl::Status()> may_write_;
};

// Atomically replaces `to` with a link to `from`, or with a copy if the file system has
// no links. Does nothing if both are one file; an error if that cannot be told now.
absl::Status LinkOrCopy(const std::string& from, const std::string& to);

// The iterations of a stage's checkpoints, newest first, taken from their names
// only.
absl::StatusOr<std::vector<int64_t>> ListCheckpoints(const std::string& directory);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_TRAINER_CHECKPOINT_H_
