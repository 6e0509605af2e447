#include "rcnn/training/trainer/feature_cache.h"

#include <ATen/ops/equal.h>

#include <algorithm>
#include <cstddef>
#include <mutex>
#include <shared_mutex>

namespace rcnn::training {
namespace {

int64_t CountBytes(const std::vector<at::Tensor>& maps) {
  int64_t bytes = 0;
  for (const at::Tensor& map : maps) bytes += static_cast<int64_t>(map.nbytes());
  return bytes;
}

bool AreEqual(const std::vector<at::Tensor>& a, const std::vector<at::Tensor>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const at::Tensor& x, const at::Tensor& y) {
                      return x.device() == y.device() && at::equal(x, y);
                    });
}

}  // namespace

void FeatureCache::Claim(const std::vector<at::Tensor>& weights, const std::string& transform) {
  const std::lock_guard<std::shared_mutex> lock(mutex_);
  if (!MatchesLocked(weights, transform)) ClearLocked();
  weights_.clear();
  for (const at::Tensor& weight : weights) weights_.push_back(weight.detach());
  transform_ = transform;
}

bool FeatureCache::Matches(const std::vector<at::Tensor>& weights,
                           const std::string& transform) const {
  const std::shared_lock<std::shared_mutex> lock(mutex_);
  return MatchesLocked(weights, transform);
}

bool FeatureCache::MatchesLocked(const std::vector<at::Tensor>& weights,
                                 const std::string& transform) const {
  return !maps_.empty() && transform == transform_ && AreEqual(weights, weights_);
}

void FeatureCache::Clear() {
  const std::lock_guard<std::shared_mutex> lock(mutex_);
  ClearLocked();
}

void FeatureCache::ClearLocked() {
  weights_.clear();
  transform_.clear();
  maps_.clear();
  bytes_ = 0;
}

const std::vector<at::Tensor>* FeatureCache::Find(const Key& key) const {
  const std::shared_lock<std::shared_mutex> lock(mutex_);
  const auto found = maps_.find(key);
  return found == maps_.end() ? nullptr : &found->second;
}

void FeatureCache::Insert(const Key& key, const std::vector<at::Tensor>& maps, int64_t max_bytes) {
  const int64_t bytes = CountBytes(maps);
  const std::lock_guard<std::shared_mutex> lock(mutex_);
  if (bytes_ + bytes > max_bytes || !maps_.emplace(key, maps).second) return;
  bytes_ += bytes;
}

int64_t FeatureCache::bytes() const {
  const std::shared_lock<std::shared_mutex> lock(mutex_);
  return bytes_;
}

}  // namespace rcnn::training
