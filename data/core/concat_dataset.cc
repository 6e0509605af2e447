#include "rcnn/data/core/concat_dataset.h"

#include <algorithm>

#include "absl/memory/memory.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "glog/logging.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/data/core/fingerprint.h"

namespace rcnn::data {
namespace {

void Renumber(int64_t part, ImageInfo& info) { info.id += part * ConcatDataset::kIdStep; }

void Renumber(int64_t part, std::vector<Object>& objects) {
  for (Object& object : objects) object.id += part * ConcatDataset::kIdStep;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Dataset>> ConcatDataset::Create(
    std::vector<std::unique_ptr<Dataset>> parts) {
  if (parts.empty()) return absl::InvalidArgumentError("concat: no parts");
  for (size_t i = 1; i < parts.size(); ++i) {
    if (parts[i]->classes().names != parts[0]->classes().names) {
      return absl::InvalidArgumentError(absl::StrCat(
          "concat: part ", i, " has the classes ", absl::StrJoin(parts[i]->classes().names, ", "),
          " and part 0 has ", absl::StrJoin(parts[0]->classes().names, ", "),
          "; name the classes in every part"));
    }
    if (parts[i]->inclusive_boxes() != parts[0]->inclusive_boxes()) {
      return absl::InvalidArgumentError(
          absl::StrCat("concat: part ", i,
                       " and part 0 differ in inclusive_boxes; set it in all parts or in none"));
    }
  }
  return absl::WrapUnique<Dataset>(new ConcatDataset(std::move(parts)));
}

ConcatDataset::ConcatDataset(std::vector<std::unique_ptr<Dataset>> parts)
    : parts_(std::move(parts)) {
  Fingerprint fingerprint;
  fingerprint.Add("concat");
  for (const std::unique_ptr<Dataset>& part : parts_) {
    first_.push_back(first_.back() + part->size());
    fingerprint.Add(part->fingerprint());
    defects_.Append(part->defects());
  }
  fingerprint_ = fingerprint.Hex();
}

std::pair<int64_t, int64_t> ConcatDataset::Find(int64_t index) const {
  CHECK(index >= 0 && index < size()) << index << " of " << size();
  const auto next = std::upper_bound(first_.begin(), first_.end(), index);
  const int64_t part = next - first_.begin() - 1;
  return {part, index - first_[part]};
}

ImageInfo ConcatDataset::image(int64_t index) const {
  const auto [part, place] = Find(index);
  ImageInfo info = parts_[part]->image(place);
  Renumber(part, info);
  return info;
}

std::vector<Object> ConcatDataset::objects(int64_t index) const {
  const auto [part, place] = Find(index);
  std::vector<Object> objects = parts_[part]->objects(place);
  Renumber(part, objects);
  return objects;
}

absl::StatusOr<std::shared_ptr<const Image>> ConcatDataset::LoadImage(int64_t index) const {
  const auto [part, place] = Find(index);
  return parts_[part]->LoadImage(place);
}

absl::StatusOr<std::string> ConcatDataset::ReadImageBytes(int64_t index) const {
  const auto [part, place] = Find(index);
  return parts_[part]->ReadImageBytes(place);
}

absl::StatusOr<Sample> ConcatDataset::Load(int64_t index) const {
  const auto [part, place] = Find(index);
  RCNN_ASSIGN_OR_RETURN(Sample sample, parts_[part]->Load(place));
  Renumber(part, sample.info);
  Renumber(part, sample.objects);
  return sample;
}

}  // namespace rcnn::data
