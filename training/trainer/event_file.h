// A TensorBoard event file: scalars, texts, images, histograms and curves by step.
//
// Each record is framed as in TFRecord files: length (uint64), masked CRC-32C of
// the length, the Event message, masked CRC-32C of it; integers little-endian. The
// mask rotates a checksum right by 15 bits and adds 0xa282ead8. Sources:
// tensorflow/core/lib/io/record_writer.h and tensorflow/core/util/event.proto,
// whose field numbers are in event.proto.
//
// Example:
//   const absl::Time now = absl::Now();
//   RCNN_ASSIGN_OR_RETURN(EventFile events, EventFile::Create(run_path, "rpn1", now));
//   RCNN_RETURN_IF_ERROR(events.AddScalars(step, now, {{"rpn1/loss", 0.4}}));

#ifndef RCNN_TRAINING_TRAINER_EVENT_FILE_H_
#define RCNN_TRAINING_TRAINER_EVENT_FILE_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "rcnn/training/trainer/append_file.h"

namespace rcnn::training {

// Counts at a threshold: detections that score at least this much, and missed objects.
struct ThresholdCounts {
  double true_positives = 0;
  double false_positives = 0;
  double false_negatives = 0;
};

// Tags are escaped as by Printable (base/printable.h).
class EventFile {
 public:
  // Creates events.out.tfevents.<seconds>.<host>.<process>.<n>.<label> in
  // `directory`, which exists, and makes its name durable; never writes to what is there, nor
  // through a link. TensorBoard reads all such files of a directory, in the order of their names,
  // as one.
  static absl::StatusOr<EventFile> Create(const std::string& directory, absl::string_view label,
                                          absl::Time now);

  const std::string& path() const { return file_.path(); }

  // Writes one record with all `values` to the file before it returns. NaN is kept.
  absl::Status AddScalars(int64_t step, absl::Time time,
                          const std::vector<std::pair<std::string, double>>& values);

  // Makes all records durable.
  absl::Status Sync() { return file_.Sync(); }

  // A text, shown as Markdown.
  absl::Status AddText(int64_t step, absl::Time time, absl::string_view tag,
                       absl::string_view text);

  // An image: the bytes of a JPEG or PNG file of height x width pixels.
  absl::Status AddImage(int64_t step, absl::Time time, absl::string_view tag, int64_t height,
                        int64_t width, absl::string_view file);

  // A histogram of values in 40 buckets of equal width; values that are not finite are
  // left out.
  absl::Status AddHistogram(int64_t step, absl::Time time, absl::string_view tag,
                            absl::Span<const double> values);

  // A curve of precision and recall over evenly spaced thresholds from 0 to 1, at least
  // two.
  absl::Status AddPrecisionRecall(int64_t step, absl::Time time, absl::string_view tag,
                                  const std::vector<ThresholdCounts>& thresholds);

 private:
  explicit EventFile(AppendFile file) : file_(std::move(file)) {}

  AppendFile file_;
};

// Removes the records of `first_step` or later from the event files of `label` in
// `directory`, for a run that resumes there and writes them again; empty files are
// deleted. A torn record, or one with a wrong checksum, is removed too, and no other. Links, and
// whatever else is not a regular file, stay: EventFile has not made them. So does a file of more
// than 1 GiB, with a warning.
absl::Status RemoveEvents(const std::string& directory, absl::string_view label,
                          int64_t first_step);

// A record of the file: frame and `payload`.
std::string FrameRecord(absl::string_view payload);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_TRAINER_EVENT_FILE_H_
