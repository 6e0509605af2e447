#include "rcnn/data/proposals/proposal_writer.h"

#include <errno.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "rcnn/base/counted.h"
#include "rcnn/base/errno_status.h"
#include "rcnn/base/retried_calls.h"
#include "rcnn/base/safetensors_writer.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/data/proposals/proposal_file.h"

namespace rcnn::data {
namespace {

template <typename T>
absl::string_view AsBytes(absl::Span<const T> values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

}  // namespace

ProposalWriter::Spool::~Spool() {
  if (descriptor_ >= 0) close(descriptor_);
}

absl::Status ProposalWriter::Spool::Append(absl::string_view bytes, const std::string& path) {
  if (WriteAllRetried(descriptor_, bytes)) return absl::OkStatus();
  return ErrnoStatus("write a temporary file for", path);
}

absl::Status ProposalWriter::Spool::CopyTo(absl::string_view name, SafetensorsWriter& writer,
                                           const std::string& path) {
  if (lseek(descriptor_, 0, SEEK_SET) != 0) {
    return ErrnoStatus("read a temporary file for", path);
  }
  std::string buffer(size_t{1} << 20, '\0');
  for (;;) {
    const ssize_t size = read(descriptor_, buffer.data(), buffer.size());
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return ErrnoStatus("read a temporary file for", path);
    if (size == 0) return absl::OkStatus();
    const auto piece = absl::string_view(buffer).substr(0, static_cast<size_t>(size));
    RCNN_RETURN_IF_ERROR(writer.Append(name, piece));
  }
}

absl::StatusOr<ProposalWriter> ProposalWriter::Create(const std::string& path,
                                                      const Dataset& dataset, std::string source) {
  ProposalWriter writer(path, &dataset, std::move(source));
  RCNN_ASSIGN_OR_RETURN(const int boxes, CreateUnnamedFile(path));
  writer.boxes_ = Spool(boxes);
  RCNN_ASSIGN_OR_RETURN(const int scores, CreateUnnamedFile(path));
  writer.scores_ = Spool(scores);
  return writer;
}

absl::Status ProposalWriter::Append(absl::Span<const Box> boxes, absl::Span<const float> scores) {
  if (size() == dataset_->size()) {
    return absl::FailedPreconditionError(
        absl::StrCat(path_, ": all proposals are already written, of ", Counted(size(), "image")));
  }
  RCNN_RETURN_IF_ERROR(CheckProposals(boxes, scores),
                       absl::StrCat("proposals of ", dataset_->image(size()).name));
  RCNN_RETURN_IF_ERROR(boxes_.Append(AsBytes(boxes), path_));
  RCNN_RETURN_IF_ERROR(scores_.Append(AsBytes(scores), path_));
  offsets_.push_back(offsets_.back() + static_cast<int64_t>(boxes.size()));
  return absl::OkStatus();
}

absl::StatusOr<FileDigest> ProposalWriter::Commit() {
  if (size() != dataset_->size()) {
    return absl::FailedPreconditionError(absl::StrCat(path_, ": has proposals for only ", size(),
                                                      " of ", Counted(dataset_->size(), "image")));
  }
  std::vector<int64_t> image_ids;
  for (int64_t i = 0; i < size(); ++i) image_ids.push_back(dataset_->image(i).id);
  const int64_t total = offsets_.back();
  RCNN_ASSIGN_OR_RETURN(SafetensorsWriter writer,
                        SafetensorsWriter::Create(path_,
                                                  {{"boxes", SafetensorsType::kF32, {total, 4}},
                                                   {"scores", SafetensorsType::kF32, {total}},
                                                   {"offsets", SafetensorsType::kI64, {size() + 1}},
                                                   {"image_ids", SafetensorsType::kI64, {size()}}},
                                                  {{"format", kProposalFormat},
                                                   {"dataset_fingerprint", dataset_->fingerprint()},
                                                   {"source", source_}}));
  RCNN_RETURN_IF_ERROR(writer.Append("image_ids", AsBytes(absl::MakeConstSpan(image_ids))));
  RCNN_RETURN_IF_ERROR(writer.Append("offsets", AsBytes(absl::MakeConstSpan(offsets_))));
  RCNN_RETURN_IF_ERROR(boxes_.CopyTo("boxes", writer, path_));
  RCNN_RETURN_IF_ERROR(scores_.CopyTo("scores", writer, path_));
  return writer.Commit();
}

}  // namespace rcnn::data
