// float32: a radix sort of keys. The bits of a positive float, read as an integer, ascend with its
// value and those of a negative float descend, so DescendingKey gives a 32-bit key that is smaller
// for a higher score. If only `limit` are wanted, a histogram of the leading 11 bits drops most
// entries first. Each pass over 11 bits is stable and entries start in index order, so equal scores
// stay in it.
//
// float64: a sort by comparison.

#include "rcnn/ops/cpu/score_order.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

namespace rcnn::ops {
namespace {

constexpr int kDigitBits = 11;
constexpr int kBuckets = 1 << kDigitBits;
constexpr int kTopShift = 32 - kDigitBits;

// A smaller key is a higher score.
struct Entry {
  uint32_t key;
  uint32_t index;
};

using Histogram = std::array<uint32_t, kBuckets>;

uint32_t DescendingKey(float score) {
  const float unsigned_zero = score + 0.0f;
  uint32_t bits;
  std::memcpy(&bits, &unsigned_zero, sizeof(bits));
  return (bits >> 31) != 0 ? bits : ~(bits | 0x80000000u);
}

uint32_t Digit(uint32_t key, int shift) { return (key >> shift) & (kBuckets - 1); }

std::vector<Entry> AllEntries(const float* scores, int64_t count) {
  std::vector<Entry> entries(count);
  for (int64_t i = 0; i < count; ++i) {
    entries[i] = {DescendingKey(scores[i]), static_cast<uint32_t>(i)};
  }
  return entries;
}

// Keeps the entries whose top digit is at most that of the limit-th smallest key.
void DropBeyond(int64_t limit, std::vector<Entry>* entries) {
  Histogram histogram{};
  for (const Entry& entry : *entries) ++histogram[entry.key >> kTopShift];
  uint32_t last = 0;
  for (int64_t seen = histogram[0]; seen < limit; seen += histogram[last]) ++last;
  const auto beyond = [last](const Entry& entry) { return (entry.key >> kTopShift) > last; };
  entries->erase(std::remove_if(entries->begin(), entries->end(), beyond), entries->end());
}

// One stable pass of a least-significant-digit radix sort.
void SortByDigit(int shift, std::vector<Entry>* entries, std::vector<Entry>* scratch) {
  Histogram histogram{};
  for (const Entry& entry : *entries) ++histogram[Digit(entry.key, shift)];
  if (histogram[Digit(entries->front().key, shift)] == entries->size()) return;
  uint32_t begin = 0;
  for (uint32_t& bucket : histogram) begin += std::exchange(bucket, begin);
  for (const Entry& entry : *entries) (*scratch)[histogram[Digit(entry.key, shift)]++] = entry;
  entries->swap(*scratch);
}

void SortEntries(std::vector<Entry>* entries) {
  std::vector<Entry> scratch(entries->size());
  for (int shift = 0; shift < 32; shift += kDigitBits) SortByDigit(shift, entries, &scratch);
}

}  // namespace

std::vector<int64_t> BestFirst(const float* scores, int64_t count, int64_t limit) {
  limit = std::min(limit, count);
  if (limit <= 0) return {};
  std::vector<Entry> entries = AllEntries(scores, count);
  if (limit < count) DropBeyond(limit, &entries);
  SortEntries(&entries);
  std::vector<int64_t> order(limit);
  for (int64_t i = 0; i < limit; ++i) order[i] = entries[i].index;
  return order;
}

std::vector<int64_t> BestFirst(const double* scores, int64_t count, int64_t limit) {
  limit = std::max<int64_t>(0, std::min(limit, count));
  std::vector<int64_t> order(count);
  for (int64_t i = 0; i < count; ++i) order[i] = i;
  const auto better = [scores](int64_t a, int64_t b) {
    return scores[a] != scores[b] ? scores[a] > scores[b] : a < b;
  };
  if (limit < count) {
    std::nth_element(order.begin(), order.begin() + limit, order.end(), better);
    order.resize(limit);
  }
  std::sort(order.begin(), order.end(), better);
  return order;
}

}  // namespace rcnn::ops
