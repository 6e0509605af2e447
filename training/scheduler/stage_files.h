// The files of a finished stage: whole, damaged, or damaged with an intact copy elsewhere.
//
//   stages/<n>_<name>/DONE              the record: names, sizes, checksums (stage_record.h)
//   stages/<n>_<name>/<file>            what the stage has left
//   stages/<n>_<name>/copies/<file>     a second copy of each file of at most 4 MiB, of
//                                       key.txt, and of DONE (record.json)
//
// Large files, weights and detections, have a second copy only where the run directory's
// top has one. Checks read every byte; nothing here takes a file that cannot be read now
// for a damaged one (base/stored_file.h).
//
// Example:
//   RCNN_RETURN_IF_ERROR(RecordStageFiles(directory, key, {"model.safetensors"}));
//   RCNN_ASSIGN_OR_RETURN(StageFiles files, CheckStageFiles(directory, {run_path}));
//   if (files.NeedsMending()) RCNN_RETURN_IF_ERROR(MendStageFiles(directory, files));

#ifndef RCNN_TRAINING_SCHEDULER_STAGE_FILES_H_
#define RCNN_TRAINING_SCHEDULER_STAGE_FILES_H_

#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/optional.h"
#include "rcnn/base/file_io.h"
#include "rcnn/training/scheduler/stage_plan.h"
#include "rcnn/training/scheduler/stage_record.h"

namespace rcnn::training {

inline constexpr char kKeyFile[] = "key.txt";
inline constexpr char kDoneFile[] = "DONE";
inline constexpr char kCopiesFolder[] = "copies";

struct DamagedFile {
  std::string name;       // relative to the stage's directory
  std::string what;       // "…/model.safetensors is damaged: its checksum differs"
  std::string good_copy;  // path; empty if there is none
};

struct StageFiles {
  // With a digest of each file; measured now where the record had none.
  StageRecord record;
  std::vector<DamagedFile> damaged;
  // Names whose second copy is missing or damaged; their first one is whole.
  std::vector<std::string> without_copy;
  // Second copies that are there and damaged, in words.
  std::vector<std::string> damaged_copies;

  // Every file is whole, or can be made so from a copy.
  bool IsWhole() const;
  // IsWhole, and something is to be written: a repair, a copy, or the record.
  bool NeedsMending() const;
  // What is damaged for good, in words; empty if IsWhole.
  std::string Complaint() const;
  // What is damaged, and where the whole copy is, a line each.
  std::vector<std::string> Notices() const;
};

// The key of a begun stage, from key.txt or its second copy.
struct StageKey {
  // Not set if there is none, or none that is whole.
  absl::optional<RecordedKey> recorded;
  std::string text;       // of the whole one
  std::string complaint;  // key.txt is damaged: in words
  bool from_copy = false;
};

// Other errors than damage: it cannot be read now.
absl::StatusOr<StageKey> ReadStageKey(const std::string& directory);

// Compares the files of the finished stage in `directory`, which has a key, with its record.
// `elsewhere` are directories that may hold copies of the same names.
// kDataLoss if there is no record that can be read, or it is of another key. Other codes: a
// file cannot be read now, and nothing is known.
absl::StatusOr<StageFiles> CheckStageFiles(const std::string& directory,
                                           const std::vector<std::string>& elsewhere);

// Puts whole copies in the place of damaged files, writes second copies that are missing,
// and a sealed record where there was none. To be called if files.NeedsMending().
absl::Status MendStageFiles(const std::string& directory, const StageFiles& files);

// Makes `outputs` durable, writes their second copies, and then DONE, last and atomically.
// kNotFound if one is missing.
absl::Status RecordStageFiles(const std::string& directory, const std::string& key,
                              const std::vector<std::string>& outputs);

// Writes key.txt and its second copy.
absl::Status WriteKeyFile(const std::string& directory, const std::string& text);

// The digests of a finished stage's files, by name, from its record.
absl::StatusOr<std::map<std::string, FileDigest>> RecordedDigests(const std::string& directory);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_SCHEDULER_STAGE_FILES_H_
