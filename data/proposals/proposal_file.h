// Reads a proposal file: boxes and scores for every image of a dataset.
//
// The output of region proposal networks and selective search, for training and
// evaluating detectors; proposal_writer.h writes it. The file is memory-mapped, so
// that two thousand boxes for each of a hundred thousand images need no memory. It
// belongs to one dataset; using it with another is an error.
//
// Boxes are in pixels of the stored images, never scaled or mirrored, in the
// dataset's convention (Dataset::inclusive_boxes()).
//
// Format: safetensors with
//   boxes      F32 [T, 4]   x1, y1, x2, y2; of all images one after the other
//   scores     F32 [T]      not ascending within an image
//   offsets    I64 [N + 1]  image i has the rows offsets[i] .. offsets[i + 1] - 1
//   image_ids  I64 [N]      ImageInfo::id
// and the metadata "format", "dataset_fingerprint" and "source".
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(std::shared_ptr<const ProposalFile> file,
//                         ProposalFile::Open("proposals.safetensors", dataset));
//   RCNN_ASSIGN_OR_RETURN(ImageProposals proposals, file->Get(7));
//   for (const Box& box : proposals.boxes) Use(box);

#ifndef RCNN_DATA_PROPOSALS_PROPOSAL_FILE_H_
#define RCNN_DATA_PROPOSALS_PROPOSAL_FILE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/safetensors.h"
#include "rcnn/data/core/dataset.h"
#include "rcnn/data/core/sample.h"

namespace rcnn::data {

// Value of the metadata "format".
inline constexpr char kProposalFormat[] = "rcnn.proposals.1";

// The proposals of one image, best first, valid while the file is open.
struct ImageProposals {
  absl::Span<const Box> boxes;
  absl::Span<const float> scores;

  // The best `n`, or all if there are fewer.
  ImageProposals First(int64_t n) const {
    const size_t count = static_cast<size_t>(n < 0 ? 0 : n);
    return {boxes.subspan(0, count), scores.subspan(0, count)};
  }
};

class ProposalFile {
 public:
  // Opens the proposals of `dataset`. kFailedPrecondition if they were made for
  // another dataset; kInvalidArgument or kDataLoss, naming the file and the
  // problem, if it is not a proposal file; also the errors of MappedFile::Open.
  static absl::StatusOr<std::shared_ptr<const ProposalFile>> Open(const std::string& path,
                                                                  const Dataset& dataset);

  // The same for the bytes of a file, aligned to 8, which must outlive the result.
  static absl::StatusOr<std::shared_ptr<const ProposalFile>> Parse(absl::string_view bytes,
                                                                   const Dataset& dataset);

  // Number of images.
  int64_t size() const { return static_cast<int64_t>(offsets_.size()) - 1; }

  // Total number of boxes.
  int64_t total() const { return static_cast<int64_t>(scores_.size()); }

  // The source of the proposals, as given to the writer.
  const std::string& source() const { return source_; }

  // The proposals of image `index`, 0 <= index < size(). kInvalidArgument,
  // naming the box, if one is not finite or has x2 < x1 or y2 < y1, or the scores
  // rise. Thread-safe.
  absl::StatusOr<ImageProposals> Get(int64_t index) const;

 private:
  ProposalFile() = default;
  absl::Status Read(absl::string_view bytes, const Dataset& dataset);
  absl::Status FindArrays(const SafetensorsView& view);
  absl::Status CheckOffsets() const;
  absl::Status CheckDataset(const std::string& fingerprint, const Dataset& dataset) const;

  std::string path_;                // "" if parsed from bytes
  std::optional<MappedFile> file_;  // none if parsed from bytes
  std::string source_;
  absl::Span<const Box> boxes_;
  absl::Span<const float> scores_;
  absl::Span<const int64_t> offsets_;
  absl::Span<const int64_t> image_ids_;
};

// OK if boxes and scores are valid for a proposal file: equal in number, finite, x2
// >= x1, y2 >= y1, and scores that do not rise. Otherwise kInvalidArgument, naming
// the first offending box.
absl::Status CheckProposals(absl::Span<const Box> boxes, absl::Span<const float> scores);

}  // namespace rcnn::data

#endif  // RCNN_DATA_PROPOSALS_PROPOSAL_FILE_H_
