// Writes a proposal file (see proposal_file.h), atomically.
//
// Images are appended one at a time in the order of the dataset. Their boxes are
// kept in temporary files without names next to the target, so that memory use is small
// for any number of boxes.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(ProposalWriter writer, ProposalWriter::Create(path, dataset, "rpn1"));
//   for (int64_t i = 0; i < dataset.size(); ++i) {
//     RCNN_RETURN_IF_ERROR(writer.Append(boxes[i], scores[i]));
//   }
//   RCNN_RETURN_IF_ERROR(writer.Commit().status());

#ifndef RCNN_DATA_PROPOSALS_PROPOSAL_WRITER_H_
#define RCNN_DATA_PROPOSALS_PROPOSAL_WRITER_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/safetensors_writer.h"
#include "rcnn/data/core/dataset.h"
#include "rcnn/data/core/sample.h"

namespace rcnn::data {

class ProposalWriter {
 public:
  // `dataset` must outlive the writer. `source` describes for readers how the
  // proposals were made. The directory of `path` must exist. Errors: those of creating a
  // file there.
  static absl::StatusOr<ProposalWriter> Create(const std::string& path, const Dataset& dataset,
                                               std::string source);

  // Appends the proposals of the next image, best first; there may be none.
  // kInvalidArgument as in CheckProposals; kFailedPrecondition after the last
  // image.
  absl::Status Append(absl::Span<const Box> boxes, absl::Span<const float> scores);

  // Number of images appended.
  int64_t size() const { return static_cast<int64_t>(offsets_.size()) - 1; }

  // Replaces the file at the path. kFailedPrecondition if images are missing.
  absl::StatusOr<FileDigest> Commit();

 private:
  // A temporary file without a name. Errors name `path`, that of the proposals.
  class Spool {
   public:
    Spool() = default;
    explicit Spool(int descriptor) : descriptor_(descriptor) {}
    Spool(Spool&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
    Spool& operator=(Spool&& other) noexcept {
      std::swap(descriptor_, other.descriptor_);
      return *this;
    }
    ~Spool();

    absl::Status Append(absl::string_view bytes, const std::string& path);
    // Appends all bytes to array `name`.
    absl::Status CopyTo(absl::string_view name, SafetensorsWriter& writer, const std::string& path);

   private:
    int descriptor_ = -1;
  };

  ProposalWriter(std::string path, const Dataset* dataset, std::string source)
      : path_(std::move(path)), dataset_(dataset), source_(std::move(source)) {}

  std::string path_;
  const Dataset* dataset_;
  std::string source_;
  Spool boxes_;
  Spool scores_;
  std::vector<int64_t> offsets_ = {0};
};

}  // namespace rcnn::data

#endif  // RCNN_DATA_PROPOSALS_PROPOSAL_WRITER_H_
