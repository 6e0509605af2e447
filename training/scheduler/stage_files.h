// The files of a finished stage: whole, damaged, or damaged with an intact copy elsewhere.
//
//   stages/<n>_<name>/DONE              the record: names, sizes, checksums (stage_record.h)
//   stages/<n>_<name>/<file>            the stage's results
//   stages/<n>_<name>/copies/<file>     a second copy of each file of at most 4 MiB, of
//                                       key.txt, and of DONE (record.json)
//
// A link in the place of copies/ is never followed, and is replaced by a folder when a copy is
// written: what it leads to may be anything of the user.
//
// Large files (weights, detections) have a second copy only if the top of the run directory
// has one. Checks read every byte. A file that is temporarily unreadable is never treated as
// damaged (base/stored_file.h).
//
// Example:
//   RCNN_RETURN_IF_ERROR(RecordStageFiles(directory, key, {"model.safetensors"}));
//   RCNN_ASSIGN_OR_RETURN(StageFiles files, CheckStageFiles(directory, {run_path}));
//   if (files.NeedsRepair()) RCNN_RETURN_IF_ERROR(RepairStageFiles(directory, files));

#ifndef RCNN_TRAINING_SCHEDULER_STAGE_FILES_H_
#define RCNN_TRAINING_SCHEDULER_STAGE_FILES_H_

#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/optional.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/stage_record.h"
#include "rcnn/training/scheduler/stage_plan.h"

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
  // Names whose digest was measured now.
  std::vector<std::string> unrecorded;
  // Names whose second copy is missing or damaged; their first one is whole.
  std::vector<std::string> without_copy;
  // Paths of second copies that are missing, or of their folder if that is.
  std::vector<std::string> missing_copies;
  // A sentence for each damaged second copy.
  std::vector<std::string> damaged_copies;

  // Every file is intact or can be restored from a copy.
  bool IsWhole() const;
  // IsWhole, and something must be written: a repair, a copy, or the record.
  bool NeedsRepair() const;
  // A sentence on the first damaged file without an intact copy; empty if IsWhole.
  std::string Problem() const;
  // Each damaged file, with its intact copy if there is one, and each damaged copy, a line each.
  std::vector<std::string> Notices() const;
};

// The key of a begun stage, from key.txt or its second copy, or else of a finished one from its
// sealed DONE or the second copy of that, which have the key without its parts.
struct StageKey {
  // Not set if there is no intact key.
  absl::optional<RecordedKey> recorded;
  std::string text;     // of the intact key.txt; empty if the key is from DONE
  std::string problem;  // what is wrong with key.txt; empty if nothing is
  std::string source;   // the path that the key is from; empty if there is none
};

// Damage is not an error here; other errors mean that it is temporarily unreadable.
absl::StatusOr<StageKey> ReadStageKey(const std::string& directory);

// Whether the stage in `directory` is finished: it has its DONE, or has lost it alone: its second
// copy is intact, and all files are or can be restored. Reads them only where DONE is missing.
// `elsewhere` as below. Errors: a file is temporarily unreadable.
absl::StatusOr<bool> IsStageFinished(const std::string& directory,
                                     const std::vector<std::string>& elsewhere);

// Deletes DONE and its second copy, before the stage runs again.
absl::Status RemoveStageRecord(const std::string& directory);

// Compares the files of the finished stage in `directory`, which has a key, with its record.
// `elsewhere` are directories that may hold copies of the same names.
// kDataLoss if the key or the record is missing or damaged in both copies, or the record belongs
// to another key. Other codes: a file is temporarily unreadable, and nothing is known.
absl::StatusOr<StageFiles> CheckStageFiles(const std::string& directory,
                                           const std::vector<std::string>& elsewhere);

// Replaces damaged files with intact copies, and writes missing second copies and a missing
// sealed record. Call it if files.NeedsRepair(). `key_text` is the text of a key.txt with the
// stage's key, for the case that only DONE has the key; without it key.txt is then left out.
absl::Status RepairStageFiles(const std::string& directory, const StageFiles& files,
                              const std::string& key_text = "");

// Makes `outputs` durable, writes their second copies, and then DONE, last and atomically.
// kNotFound if one is missing. `processes`: StageRecord::processes.
absl::Status RecordStageFiles(const std::string& directory, const std::string& key,
                              const std::vector<std::string>& outputs, int processes = 1);

// Writes key.txt and its second copy.
absl::Status WriteKeyFile(const std::string& directory, const std::string& text);

// Whether `directory` has a folder of second copies, which a link is not.
absl::StatusOr<bool> HasCopiesFolder(const std::string& directory);

// Makes that folder. A link or a file in its place is deleted, and not what the link leads to.
absl::Status MakeCopiesFolder(const std::string& directory);

// Whether a name in stages/ is that of a stage's directory, kept aside or not: "3_rpn2",
// "3_rpn2.previous".
bool IsStageDirectory(absl::string_view name);

// The digests of a finished stage's files, by name, from its record.
absl::StatusOr<std::map<std::string, FileDigest>> RecordedDigests(const std::string& directory);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_SCHEDULER_STAGE_FILES_H_
