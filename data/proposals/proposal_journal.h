// Proposals on their way to a proposal file, kept where a killed process leaves
// them.
//
// A journal is a file to which every image's proposals are appended as soon as
// they are known, with a checksum each. Who opens it again gets the complete ones
// back and goes on behind them; a record that was torn is cut off. It belongs to
// a key, which names everything that the proposals depend on: one of another key
// is begun anew. For work that takes hours; what takes minutes only needs
// ProposalWriter.
//
// One process at a time: the file is locked. A file of this machine's own, in its
// byte order.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(ProposalJournal journal, ProposalJournal::Open(path, key, replay));
//   for (...) RCNN_RETURN_IF_ERROR(journal.Append(boxes, scores));
//   ... Commit() of the proposal file ...
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
  // What is done with a record that is there already.
  using Replay =
      absl::FunctionRef<absl::Status(absl::Span<const Box> boxes, absl::Span<const float> scores)>;

  // Opens the journal at `path`, or begins one, and replays its records in order.
  // kUnavailable if another process has it open; the first error of `replay`; the
  // errors of opening a file.
  static absl::StatusOr<ProposalJournal> Open(const std::string& path, const std::string& key,
                                              Replay replay);

  ProposalJournal(ProposalJournal&& other) noexcept;
  ProposalJournal& operator=(ProposalJournal&&) = delete;
  ~ProposalJournal();

  // Adds the next image's: as many boxes as scores.
  absl::Status Append(absl::Span<const Box> boxes, absl::Span<const float> scores);

  // Deletes the file, when it is no longer needed.
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
