// Checks the files of a run against their checksums: `stage_scheduler --verify`.
//
// Reads everything, changes nothing, and needs neither the data nor the experiment file.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(RunVerification run, VerifyRun("runs/cells"));
//   std::printf("%s", run.ToString().c_str());

#ifndef RCNN_TRAINING_SCHEDULER_VERIFY_RUN_H_
#define RCNN_TRAINING_SCHEDULER_VERIFY_RUN_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace rcnn::training {

// A directory of the run, or a group of files in it.
struct VerifiedDirectory {
  std::string name;  // "stages/1_rpn1", "plan", "." (the files at the top)
  // "finished", "finished, checksums not yet recorded", "unfinished", "no key.txt", "results", …
  std::string state;
  int64_t files = 0;                // that were compared with a checksum
  std::vector<std::string> damage;  // sentences, each with the file's path
  // Sentences about what is not damage, such as an edited plan.
  std::vector<std::string> notices;
};

struct RunVerification {
  std::vector<VerifiedDirectory> directories;
  // Who worked in the directory meanwhile, as its LOCK says ("process 17 on host since ..."); empty
  // if nobody did.
  std::string scheduler;

  int64_t Damaged() const;
  // A line for each directory, and one for each damage and notice below it.
  std::string ToString() const;
};

// A check of what others than the scheduler leave in a run directory; verify_plan.h has one.
// Returns an element for each group of files that is there. Changes nothing, and is called again
// for another look.
using RunCheck =
    std::function<absl::StatusOr<std::vector<VerifiedDirectory>>(const std::string& run)>;

struct VerifyOptions {
  std::vector<RunCheck> also = {};
  // Called between two looks; null: waits a second.
  std::function<void()> pause = nullptr;
};

// Checks all stages, including those kept aside, the checkpoints of unfinished stages and the lines
// of metrics.jsonl that the newest one covers, the recorded experiment and the results at the top.
// Missing are damage too: second copies, a stage of the experiment after which another one has
// begun, and results of the last evaluation at the top, also if the run was stopped just before it
// copied them. Stages that have not run yet are not.
//
// A scheduler may work in the directory meanwhile. Then missing stages and the results at the top
// are left out, because it makes them, and what looks damaged is looked at again after a pause, and
// counts only if it looks so three times, or when the scheduler has ended.
//
// kNotFound if `path` is not a run directory: it has neither stages nor a recorded experiment, and
// no file that one of the other checks compares. Other errors if a file cannot be read now.
absl::StatusOr<RunVerification> VerifyRun(const std::string& path,
                                          const VerifyOptions& options = {});

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_SCHEDULER_VERIFY_RUN_H_
