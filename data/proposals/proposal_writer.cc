#include "rcnn/data/proposals/proposal_writer.h"

#include <stdlib.h>
#include <unistd.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "rcnn/base/counted.h"
#include "rcnn/base/errno_status.h"
#include "rcnn/base/safetensors_writer.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/data/proposals/proposal_file.h"

namespace rcnn::data {
namespace {

// In messages that begin with the path of the proposal file.
constexpr char kSpool[] = "a temporary file next to it";

template <typename T>
absl::string_view AsBytes(absl::Span<const T> values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

// An unnamed file in the directory of `path`, deleted when it is closed.
absl::StatusOr<std::FILE*> OpenNameless(const std::string& path) {
  std::string name = absl::StrCat(path, ".spool-XXXXXX");
  const int descriptor = mkstemp(name.data());
  if (descriptor < 0) return ErrnoStatus("create", name);
  unlink(name.c_str());
  std::FILE* file = fdopen(descriptor, "w+b");
  if (file != nullptr) return file;
  const absl::Status error = ErrnoStatus("open", name);
  close(descriptor);
  return error;
}

absl::Status Write(absl::string_view bytes, std::FILE* spool) {
  // Of an image without proposals; its pointer may be null, which fwrite does not allow.
  if (bytes.empty()) return absl::OkStatus();
  if (std::fwrite(bytes.data(), 1, bytes.size(), spool) == bytes.size()) return absl::OkStatus();
  return ErrnoStatus("write", kSpool);
}

// Copies all bytes of the spool to array `name`.
absl::Status Copy(std::FILE* spool, absl::string_view name, SafetensorsWriter& writer) {
  if (std::fflush(spool) != 0 || std::fseek(spool, 0, SEEK_SET) != 0) {
    return ErrnoStatus("write", kSpool);
  }
  std::string buffer(size_t{1} << 20, '\0');
  while (const size_t size = std::fread(buffer.data(), 1, buffer.size(), spool)) {
    RCNN_RETURN_IF_ERROR(writer.Append(name, absl::string_view(buffer).substr(0, size)));
  }
  if (std::ferror(spool) != 0) return ErrnoStatus("read", kSpool);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ProposalWriter> ProposalWriter::Create(const std::string& path,
                                                      const Dataset& dataset, std::string source) {
  ProposalWriter writer(path, &dataset, std::move(source));
  RCNN_ASSIGN_OR_RETURN(std::FILE* const boxes, OpenNameless(path));
  writer.boxes_.reset(boxes);
  RCNN_ASSIGN_OR_RETURN(std::FILE* const scores, OpenNameless(path));
  writer.scores_.reset(scores);
  return writer;
}

absl::Status ProposalWriter::Append(absl::Span<const Box> boxes, absl::Span<const float> scores) {
  if (size() == dataset_->size()) {
    return absl::FailedPreconditionError(
        absl::StrCat(path_, ": all proposals are already written, of ", Counted(size(), "image")));
  }
  RCNN_RETURN_IF_ERROR(CheckProposals(boxes, scores),
                       absl::StrCat("proposals of ", dataset_->image(size()).name));
  RCNN_RETURN_IF_ERROR(Write(AsBytes(boxes), boxes_.get()), path_);
  RCNN_RETURN_IF_ERROR(Write(AsBytes(scores), scores_.get()), path_);
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
  RCNN_RETURN_IF_ERROR(Copy(boxes_.get(), "boxes", writer), path_);
  RCNN_RETURN_IF_ERROR(Copy(scores_.get(), "scores", writer), path_);
  return writer.Commit();
}

}  // namespace rcnn::data
