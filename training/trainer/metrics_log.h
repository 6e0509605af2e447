// Logs a running stage's measurements as JSON lines and for TensorBoard.
//
//   <stage>/metrics.jsonl   {"iteration":20,"time":1700000000.1,"loss":0.41,"learning_rate":0.002}
//   <run>/events.out.tfevents.*   the same under "<stage>/loss"
//
// A number that is not finite is null in the JSON.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(MetricsLog log, MetricsLog::Open(stage_path, run_path, "rpn1", first));
//   RCNN_RETURN_IF_ERROR(log.Log(20, {{"loss", 0.41}}));

#ifndef RCNN_TRAINING_TRAINER_METRICS_LOG_H_
#define RCNN_TRAINING_TRAINER_METRICS_LOG_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "rcnn/training/trainer/append_file.h"
#include "rcnn/training/trainer/event_file.h"

namespace rcnn::training {

// Of the lines that a checkpoint keeps: 300,000 lines, say.
inline constexpr size_t kMostKeptBytes = size_t{1} << 27;

// The fact of a checkpoint (checkpoint.h) that is MetricsLog::LinesToKeep.
inline constexpr char kMetricsFact[] = "metrics";

class MetricsLog {
 public:
  // Opens the stage's metrics.jsonl, creating it if missing, and removes what a run
  // resuming at `first_iteration` will write again: lines and events of that iteration
  // or later. The earlier lines become `covered`, the lines() that the checkpoint has kept, with
  // a warning if the file had others. A checkpoint of an older version, or of very many lines, has
  // kept none: then an unreadable line is removed with a warning, a torn last one without. A file
  // of more than 1 GiB is renamed (FreePathBeside) with a warning, as if it were missing. Both
  // directories must exist.
  static absl::StatusOr<MetricsLog> Open(const std::string& stage_directory,
                                         const std::string& events_directory,
                                         const std::string& stage_name, int64_t first_iteration,
                                         const std::optional<std::string>& covered = std::nullopt);

  // Appends a line and passes it to the operating system before it returns.
  // Iterations must not decrease; names must not be "iteration" or "time".
  absl::Status Log(int64_t iteration, const std::vector<std::pair<std::string, double>>& values);

  // Makes all lines and events durable. Call it before writing a checkpoint that covers them, and
  // before the stage is finished, because a run that resumes there does not write them again.
  absl::Status Sync();

  // All lines of the file.
  const std::string& lines() const { return lines_; }

  // The same for a checkpoint to keep; nullopt if they have more than kMostKeptBytes: its manifest
  // could not be read again.
  std::optional<std::string> LinesToKeep() const;

 private:
  MetricsLog(std::string lines, AppendFile file, std::string prefix, EventFile events)
      : lines_(std::move(lines)),
        file_(std::move(file)),
        prefix_(std::move(prefix)),
        events_(std::move(events)) {}

  std::string lines_;
  AppendFile file_;
  std::string prefix_;  // of tags, "rpn1/"
  EventFile events_;
};

// What is wrong with the metrics.jsonl of a stage that stopped after a checkpoint, which has kept
// `covered`, its first lines: a sentence with the path, and what a run that resumes does; empty if
// nothing is. Later lines may be of any kind. An error if the file cannot be read now.
absl::StatusOr<std::string> VerifyMetrics(const std::string& stage_directory,
                                          absl::string_view covered);

// Writes a log with a single line, replacing an existing log. It is durable on return.
absl::Status LogOnce(const std::string& stage_directory, const std::string& events_directory,
                     const std::string& stage_name, int64_t units,
                     const std::vector<std::pair<std::string, double>>& values);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_TRAINER_METRICS_LOG_H_
