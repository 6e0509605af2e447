#include "rcnn/training/scheduler/rehearse_once.h"

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "rcnn/base/monotonic_time.h"
#include "rcnn/base/progress.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/training/scheduler/check_images.h"
#include "rcnn/training/scheduler/rehearsal_record.h"
#include "rcnn/training/scheduler/run_record.h"

namespace rcnn::training {
namespace {

constexpr char kRehearsedFile[] = "rehearsed.txt";

std::string AllKeys(const std::vector<PlannedStage>& plan) {
  std::string keys;
  for (const PlannedStage& stage : plan) absl::StrAppend(&keys, stage.key, "\n");
  return keys;
}

// Rehearses all stages, with their progress.
absl::StatusOr<SecondsPerUnit> RehearseAll(const ExperimentRun& run,
                                           const std::string& run_directory, size_t num_stages,
                                           bool quiet) {
  ProgressOptions printed;
  printed.quiet = quiet;
  printed.unit = "stages";
  Progress progress("rehearsal", static_cast<int64_t>(num_stages), 0, printed);
  bool is_first = true;
  return Rehearse(run, absl::StrCat(run_directory, "/rehearsal"), [&](const std::string& stage) {
    if (!std::exchange(is_first, false)) progress.Add();
    progress.SetNote(stage);
    progress.Show();
  });
}

}  // namespace

absl::StatusOr<SecondsPerUnit> RehearseOnce(const ExperimentRun& run,
                                            const std::string& run_directory,
                                            const std::vector<PlannedStage>& plan,
                                            const RehearseOnceOptions& options) {
  const std::string record = absl::StrCat(run_directory, "/", kRehearsedFile);
  const std::string keys = AllKeys(plan);
  RCNN_ASSIGN_OR_RETURN(const std::string rehearsed, ReadRunRecord(record));
  if (auto known = ParseRehearsalRecord(rehearsed, keys)) return *std::move(known);
  if (!options.wanted) return SecondsPerUnit();
  RCNN_RETURN_IF_ERROR(CheckImages(run, options.quiet));
  const absl::Time start = MonotonicNow();
  RCNN_ASSIGN_OR_RETURN(const SecondsPerUnit seconds,
                        RehearseAll(run, run_directory, plan.size(), options.quiet));
  if (!options.quiet) {
    std::printf("rehearsed all stages in %s\n", HumanDuration(MonotonicNow() - start).c_str());
    std::fflush(stdout);
  }
  RCNN_RETURN_IF_ERROR(CheckMayWrite(run));
  RCNN_RETURN_IF_ERROR(WriteRunRecord(record, RehearsalRecordText(keys, seconds)));
  return seconds;
}

}  // namespace rcnn::training
