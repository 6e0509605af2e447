// A journal of proposals that survives a killed process, until the proposal file is
// written.
//
// Every image's proposals are appended to the journal file as soon as they are
// computed, each with a checksum. Opening the file again replays the complete
// records and resumes after them; a torn record is cut off. It belongs to a key,
// which names everything that the proposals depend on; a journal with another key
// is restarted. Meant for work that takes hours; for minutes ProposalWriter is
// enough.
//
// The file is locked: one process at a time. It is in the machine's byte order.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(ProposalJournal journal, ProposalJournal::Open(path, key, replay));
//   for (int64_t i = replayed; i < images; ++i) {
//     const auto [boxes, scores] = Detect(i);
//     RCNN_RETURN_IF_ERROR(journal.Append(boxes, scores));
//     RCNN_RETURN_IF_ERROR(writer.Append(boxes, scores));
//   }
//   RCNN_RETURN_IF_ERROR(writer.Commit().status());  // of the proposal file
//   RCNN_RETURN_IF_ERROR(journal.Remove());

#ifndef RCNN_DATA_PROPOSALS_PROPOSAL_JOURNAL_H_
#define RCNN_DATA_PROPOSALS_PROPOSAL_JOURNAL_H_

#include <string>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "rcnn/data/core/sample.h"

namespace rcnn::data {

class ProposalJournal {
 public:
  // Called with each existing record.
  using Replay =
      absl::FunctionRef<absl::Status(absl::Span<const Box> boxes, absl::Span<const float> scores)>;

  // Opens or creates the journal at `path` and replays its records in order.
  // kUnavailable if another process has it open, or if it cannot be locked, with the cause; also
  // the first error of `replay` and the errors of opening a file.
  static absl::StatusOr<ProposalJournal> Open(const std::string& path, const std::string& key,
                                              Replay replay);

  // Whether there is a journal of that key at `path`. Changes nothing. The errors of opening a
  // file, unless it is missing.
  static absl::StatusOr<bool> Exists(const std::string& path, const std::string& key);

  ProposalJournal(ProposalJournal&& other) noexcept;
  ProposalJournal& operator=(ProposalJournal&&) = delete;
  ~ProposalJournal();

  // Appends the next image's proposals: as many boxes as scores.
  absl::Status Append(absl::Span<const Box> boxes, absl::Span<const float> scores);

  // Deletes the file once it is no longer needed.
  absl::Status Remove();

 private:
  ProposalJournal(std::string path, int descriptor)
      : path_(std::move(path)), descriptor_(descriptor) {}

  absl::Status Lock();
  absl::Status ReplayOrBegin(const std::string& key, Replay replay);
  absl::Status Write(const std::string& bytes);

  std::string path_;
  int descriptor_ = -1;  // -1: moved from
};

}  // namespace rcnn::data

#endif  // RCNN_DATA_PROPOSALS_PROPOSAL_JOURNAL_H_
