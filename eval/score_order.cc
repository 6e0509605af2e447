#include "rcnn/eval/score_order.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

namespace rcnn::eval {
namespace {

// Fewer items are sorted by comparison.
constexpr size_t kFew = 256;

constexpr int kPasses = 3;
constexpr int kBits = 11;  // of a pass; 33 in all
constexpr uint32_t kBuckets = uint32_t{1} << kBits;

// Descends as the score ascends; equal for equal upper halves.
uint32_t Key(double score) {
  score += 0.0;  // -0 becomes 0
  uint64_t bits;
  std::memcpy(&bits, &score, sizeof(bits));
  constexpr uint64_t kSign = uint64_t{1} << 63;
  const uint64_t descending = bits & kSign ? bits : ~(bits | kSign);
  return static_cast<uint32_t>(descending >> 32);
}

uint32_t Digit(uint32_t key, int pass) { return (key >> (pass * kBits)) & (kBuckets - 1); }

}  // namespace

// From the lowest digit to the highest, each pass stable.
void ScoreSorter::SortByKey() {
  std::array<std::array<uint32_t, kBuckets>, kPasses> starts = {};
  for (const Keyed& keyed : keyed_) {
    for (int pass = 0; pass < kPasses; ++pass) ++starts[pass][Digit(keyed.key, pass)];
  }
  other_.resize(keyed_.size());
  for (int pass = 0; pass < kPasses; ++pass) {
    std::array<uint32_t, kBuckets>& start = starts[pass];
    if (start[Digit(keyed_[0].key, pass)] == keyed_.size()) continue;  // one digit for all
    uint32_t sum = 0;
    for (uint32_t& entry : start) sum += std::exchange(entry, sum);
    for (const Keyed& keyed : keyed_) other_[start[Digit(keyed.key, pass)]++] = keyed;
    keyed_.swap(other_);
  }
}

void ScoreSorter::Sort(absl::Span<const double> scores, absl::Span<uint32_t> items) {
  auto better = [scores](uint32_t a, uint32_t b) { return scores[a] > scores[b]; };
  if (items.size() < kFew) {
    std::stable_sort(items.begin(), items.end(), better);
    return;
  }
  keyed_.clear();
  for (uint32_t item : items) keyed_.push_back({Key(scores[item]), item});
  SortByKey();
  for (size_t i = 0; i < items.size(); ++i) items[i] = keyed_[i].item;
  for (size_t begin = 0; begin < items.size();) {
    size_t end = begin + 1;
    while (end < items.size() && keyed_[end].key == keyed_[begin].key) ++end;
    auto first = items.begin() + begin;
    auto last = items.begin() + end;
    if (end - begin > 1 && !std::is_sorted(first, last, better)) {
      std::stable_sort(first, last, better);
    }
    begin = end;
  }
}

}  // namespace rcnn::eval
