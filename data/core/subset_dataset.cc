#include "rcnn/data/core/subset_dataset.h"

#include <numeric>
#include <utility>

#include "glog/logging.h"
#include "rcnn/data/core/fingerprint.h"

namespace rcnn::data {

SubsetDataset::SubsetDataset(std::shared_ptr<const Dataset> whole, std::vector<int64_t> indices)
    : whole_(std::move(whole)), indices_(std::move(indices)) {
  Fingerprint fingerprint;
  fingerprint.Add("subset").Add(whole_->fingerprint());
  for (const int64_t index : indices_) {
    CHECK(index >= 0 && index < whole_->size()) << "image " << index << " of " << whole_->size();
    fingerprint.Add(index);
  }
  fingerprint_ = fingerprint.Hex();
}

int64_t SubsetDataset::Find(int64_t index) const {
  CHECK(index >= 0 && index < size()) << "image " << index << " of " << size();
  return indices_[static_cast<size_t>(index)];
}

std::shared_ptr<const Dataset> FirstImages(std::shared_ptr<const Dataset> dataset, int64_t count) {
  if (count <= 0 || count >= dataset->size()) return dataset;
  std::vector<int64_t> indices(static_cast<size_t>(count));
  std::iota(indices.begin(), indices.end(), 0);
  return std::make_shared<SubsetDataset>(std::move(dataset), std::move(indices));
}

}  // namespace rcnn::data
