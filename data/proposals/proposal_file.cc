#include "rcnn/data/proposals/proposal_file.h"

#include <cmath>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "glog/logging.h"
#include "rcnn/base/counted.h"
#include "rcnn/base/status_macros.h"

namespace rcnn::data {
namespace {

static_assert(sizeof(Box) == 4 * sizeof(float), "a box is mapped as four floats");

// The array `name` as a span of T; one T is one element of the array's first dimension.
// -1 in `shape` allows any size.
template <typename T>
absl::StatusOr<absl::Span<const T>> MapArray(const SafetensorsView& view, absl::string_view name,
                                             SafetensorsType type,
                                             const std::vector<int64_t>& shape) {
  const SafetensorsArray* array = view.Find(name);
  if (array == nullptr) return absl::InvalidArgumentError(absl::StrCat("no array \"", name, "\""));
  const std::vector<int64_t>& actual = array->spec.shape;
  bool fits = array->spec.type == type && actual.size() == shape.size();
  for (size_t i = 0; fits && i < shape.size(); ++i) fits = shape[i] < 0 || shape[i] == actual[i];
  if (!fits) {
    return absl::InvalidArgumentError(
        absl::StrCat("array \"", name, "\" is ", SafetensorsTypeName(array->spec.type), " [",
                     absl::StrJoin(actual, ", "), "], not ", SafetensorsTypeName(type), " [",
                     absl::StrJoin(shape, ", "), "] (-1: any)"));
  }
  if (reinterpret_cast<uintptr_t>(array->bytes.data()) % alignof(T) != 0) {
    return absl::InvalidArgumentError(absl::StrCat("array \"", name, "\" is not aligned"));
  }
  return absl::MakeConstSpan(reinterpret_cast<const T*>(array->bytes.data()),
                             array->bytes.size() / sizeof(T));
}

std::string MetadataOr(const SafetensorsView& view, const std::string& key) {
  const auto found = view.metadata().find(key);
  return found == view.metadata().end() ? "" : found->second;
}

bool IsBox(const Box& box) {
  return std::isfinite(box.x1) && std::isfinite(box.y1) && std::isfinite(box.x2) &&
         std::isfinite(box.y2) && box.x2 >= box.x1 && box.y2 >= box.y1;
}

}  // namespace

absl::Status CheckProposals(absl::Span<const Box> boxes, absl::Span<const float> scores) {
  if (boxes.size() != scores.size()) {
    return absl::InvalidArgumentError(absl::StrCat(Counted(boxes.size(), "box", "boxes"), " with ",
                                                   Counted(scores.size(), "score")));
  }
  for (size_t i = 0; i < boxes.size(); ++i) {
    const Box& box = boxes[i];
    if (!IsBox(box)) {
      return absl::InvalidArgumentError(
          absl::StrCat("box ", i, " is (", box.x1, ", ", box.y1, ", ", box.x2, ", ", box.y2, ")"));
    }
    if (!std::isfinite(scores[i]) || (i > 0 && scores[i] > scores[i - 1])) {
      return absl::InvalidArgumentError(
          absl::StrCat("score ", i, " is ", scores[i], i > 0 ? " after " : "",
                       i > 0 ? absl::StrCat(scores[i - 1]) : "", "; scores must not rise"));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<const ProposalFile>> ProposalFile::Open(const std::string& path,
                                                                       const Dataset& dataset) {
  std::shared_ptr<ProposalFile> file(new ProposalFile());
  file->path_ = path;
  RCNN_ASSIGN_OR_RETURN(file->file_, MappedFile::Open(path));
  RCNN_RETURN_IF_ERROR(file->Read(file->file_->bytes(), dataset), path);
  return file;
}

absl::StatusOr<std::shared_ptr<const ProposalFile>> ProposalFile::Parse(absl::string_view bytes,
                                                                        const Dataset& dataset) {
  std::shared_ptr<ProposalFile> file(new ProposalFile());
  RCNN_RETURN_IF_ERROR(file->Read(bytes, dataset));
  return file;
}

absl::Status ProposalFile::Read(absl::string_view bytes, const Dataset& dataset) {
  RCNN_ASSIGN_OR_RETURN(const SafetensorsView view, SafetensorsView::Parse(bytes));
  RCNN_RETURN_IF_ERROR(FindArrays(view));
  RCNN_RETURN_IF_ERROR(CheckOffsets());
  return CheckDataset(MetadataOr(view, "dataset_fingerprint"), dataset);
}

absl::Status ProposalFile::FindArrays(const SafetensorsView& view) {
  if (const std::string format = MetadataOr(view, "format"); format != kProposalFormat) {
    return absl::InvalidArgumentError(absl::StrCat("not a proposal file: its format is \"", format,
                                                   "\", not \"", kProposalFormat, "\""));
  }
  source_ = MetadataOr(view, "source");
  RCNN_ASSIGN_OR_RETURN(boxes_, MapArray<Box>(view, "boxes", SafetensorsType::kF32, {-1, 4}));
  RCNN_ASSIGN_OR_RETURN(scores_, MapArray<float>(view, "scores", SafetensorsType::kF32,
                                                 {static_cast<int64_t>(boxes_.size())}));
  RCNN_ASSIGN_OR_RETURN(offsets_, MapArray<int64_t>(view, "offsets", SafetensorsType::kI64, {-1}));
  RCNN_ASSIGN_OR_RETURN(image_ids_, MapArray<int64_t>(view, "image_ids", SafetensorsType::kI64,
                                                      {static_cast<int64_t>(offsets_.size()) - 1}));
  return absl::OkStatus();
}

absl::Status ProposalFile::CheckOffsets() const {
  int64_t previous = 0;
  for (size_t i = 0; i < offsets_.size(); ++i) {
    if (offsets_[i] < previous || (i == 0 && offsets_[i] != 0) || offsets_[i] > total()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "offsets[", i, "] is ", offsets_[i], ", not in ", previous, "..", i == 0 ? 0 : total()));
    }
    previous = offsets_[i];
  }
  if (previous != total()) {
    return absl::InvalidArgumentError(absl::StrCat("the offsets end at ", previous, ", but there ",
                                                   Noun(total(), "is", "are"), " ",
                                                   Counted(total(), "box", "boxes")));
  }
  return absl::OkStatus();
}

absl::Status ProposalFile::CheckDataset(const std::string& fingerprint,
                                        const Dataset& dataset) const {
  if (fingerprint != dataset.fingerprint()) {
    return absl::FailedPreconditionError(
        absl::StrCat("these proposals were made for another dataset (fingerprint ", fingerprint,
                     "; this one's is ", dataset.fingerprint(), "): generate them again"));
  }
  if (size() != dataset.size()) {
    return absl::InvalidArgumentError(absl::StrCat("proposals for ", Counted(size(), "image"),
                                                   ", but the dataset has ", dataset.size(),
                                                   ": generate them again"));
  }
  for (int64_t i = 0; i < size(); ++i) {
    if (image_ids_[i] != dataset.image(i).id) {
      return absl::InvalidArgumentError(
          absl::StrCat("image_ids[", i, "] is ", image_ids_[i], ", not ", dataset.image(i).id));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<ImageProposals> ProposalFile::Get(int64_t index) const {
  CHECK(index >= 0 && index < size()) << "index " << index << " of " << size();
  const size_t begin = static_cast<size_t>(offsets_[index]);
  const size_t count = static_cast<size_t>(offsets_[index + 1]) - begin;
  const ImageProposals proposals = {boxes_.subspan(begin, count), scores_.subspan(begin, count)};
  RCNN_RETURN_IF_ERROR(CheckProposals(proposals.boxes, proposals.scores),
                       absl::StrCat(path_, path_.empty() ? "" : ": ", "image ", index));
  return proposals;
}

}  // namespace rcnn::data
