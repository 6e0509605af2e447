// Shows the progress of long work: a bar on a terminal, a plain line every few seconds elsewhere.
//
// On a terminal one line is redrawn in place with a bar, the count, the rate and
// the time left. In a log file or a CI console a line is printed every few seconds.
// Work shorter than the first interval prints only the closing line. Thread-safe.
//
// Example:
//   ProgressOptions options;
//   options.unit = "images";
//   Progress progress("proposals", images.size(), /*already_done=*/0, options);
//   for (const Image& image : images) {
//     Use(image);
//     progress.Add();
//   }
//   progress.Finish();  // proposals 5011/5011 100 % 12.1 images/s in 6m54s

#ifndef RCNN_BASE_PROGRESS_H_
#define RCNN_BASE_PROGRESS_H_

#include <cstdint>
#include <cstdio>
#include <mutex>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "rcnn/base/monotonic_time.h"

namespace rcnn {

// A short form of `duration`: "850ms", "12.3s", "6m54s", "2h03m", "3d04h".
std::string HumanDuration(absl::Duration duration);

struct ProgressOptions {
  std::FILE* stream = stderr;
  // Unset: ask the stream whether it is a terminal.
  std::optional<bool> is_terminal;
  absl::Duration terminal_interval = absl::Milliseconds(100);
  absl::Duration plain_interval = absl::Seconds(5);
  // Prints nothing at all.
  bool quiet = false;
  // What is counted, in the plural: "images" prints the rate as "12.1 images/s", "" as "12.1/s".
  std::string unit = {};
  // Maximum line length on a terminal; a longer line would wrap and could not be redrawn. 0:
  // ask the terminal.
  int columns = 0;
  // A monotonic clock; replaced in tests.
  absl::Time (*now)() = &MonotonicNow;
};

class Progress {
 public:
  // The rate is the number of units done since this call, divided by the time since then. So a
  // Progress is made when the work begins, before its first unit.
  //
  // total: units of work; 0 if unknown, which omits the bar, the percentage and the time left.
  // already_done: units done before a resume; they count towards the percentage but not the rate.
  Progress(std::string label, int64_t total, int64_t already_done = 0,
           const ProgressOptions& options = {});

  // Ends the line on a terminal if Finish() was not called.
  ~Progress();

  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // Reports that `units` more units are done.
  void Add(int64_t units = 1);

  // Reports that an earlier run has done `units` more: they count towards the percentage but not
  // the rate. Until the first Add the time of the rate begins again, so that the time in which
  // earlier results were found and checked does not count either.
  void Skip(int64_t units = 1);

  // On a terminal, prints the line at once, for work whose first unit takes long.
  void Show();

  // Sets the text at the end of the line, e.g. "loss 0.412", from the next redraw on.
  void SetNote(std::string note);

  // Prints `text` on its own line, on a terminal above the progress line; not if `quiet`.
  // Characters that are not printable are escaped.
  void Message(absl::string_view text);

  // Prints the closing line, once.
  void Finish();

 private:
  void Print(bool last) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void PrintIfDue() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::string label_;
  const int64_t total_;
  const ProgressOptions options_;
  const bool is_terminal_;
  const absl::Time start_;

  std::mutex mutex_;
  int64_t done_ ABSL_GUARDED_BY(mutex_);
  int64_t done_before_ ABSL_GUARDED_BY(mutex_);    // of these by earlier runs
  absl::Time rate_start_ ABSL_GUARDED_BY(mutex_);  // of the others
  std::string note_ ABSL_GUARDED_BY(mutex_);
  absl::Time last_print_ ABSL_GUARDED_BY(mutex_);
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  bool line_open_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace rcnn

#endif  // RCNN_BASE_PROGRESS_H_
