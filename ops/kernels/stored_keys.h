// Keys that are computed once and stored, for sources of SelectSmallest whose Load computes much:
// random bits, or a score and the box beside it.
//
// A source says also where the entries of a row begin, when those of all rows follow one another:
//   // Entries of earlier rows; of the number of rows: all entries.
//   RCNN_HOST_DEVICE int64_t FirstEntry(int64_t row) const;

#ifndef RCNN_OPS_KERNELS_STORED_KEYS_H_
#define RCNN_OPS_KERNELS_STORED_KEYS_H_

#include <cstdint>

#include "rcnn/ops/kernels/kernel.h"
#include "rcnn/ops/kernels/select_smallest.h"

namespace rcnn::ops {

// Of all entries of all rows.
struct KeyStore {
  uint32_t* keys;
  bool* is_candidate;
};

// Fills in `store`. Its arrays come from arrays.Add(T** pointer, int64_t count), which sets
// *pointer before they are used.
template <typename Arrays>
void PlanKeys(int64_t entries, Arrays& arrays, KeyStore* store) {
  arrays.Add(&store->keys, entries);
  arrays.Add(&store->is_candidate, entries);
}

// The source with the keys that StoreKeys has written.
template <typename Source>
struct StoredKeys {
  static constexpr bool kHasKeys = true;

  RCNN_HOST_DEVICE int64_t Entries(int64_t row) const { return source.Entries(row); }
  RCNN_HOST_DEVICE int64_t Limit(int64_t row) const { return source.Limit(row); }
  RCNN_HOST_DEVICE bool Load(int64_t row, int64_t i, uint32_t* key) const {
    const int64_t at = source.FirstEntry(row) + i;
    *key = store.keys[at];
    return store.is_candidate[at];
  }
  // For sources of FindTopScores.
  RCNN_HOST_DEVICE float Score(int64_t row, int64_t i) const { return source.Score(row, i); }

  Source source;
  KeyStore store;
};

template <typename Source>
struct StoreKeysKernel {
  static constexpr int kThreads = RowParts::kThreads;
  using Shared = None;
  using Private = None;

  int64_t Blocks() const { return parts.Blocks(); }
  RCNN_HOST_DEVICE int64_t Phases(int64_t /*block*/) const { return 1; }

  RCNN_HOST_DEVICE void Run(int64_t /*phase*/, const Place& place, None& /*shared*/,
                            None& /*private_values*/) const {
    const int64_t row = parts.Row(place.block), first = source.FirstEntry(row);
    parts.ForEntries(place, source.Entries(row), [&](int64_t i) {
      uint32_t key = 0;
      store.is_candidate[first + i] = source.Load(row, i, &key);
      store.keys[first + i] = key;
    });
  }

  RowParts parts;
  Source source;
  KeyStore store;
};

// Stores the keys of all rows of `parts`, and returns the source that reads them.
template <typename Launch, typename Source>
StoredKeys<Source> StoreKeys(Launch& launch, const RowParts& parts, const Source& source,
                             const KeyStore& store) {
  launch(StoreKeysKernel<Source>{parts, source, store});
  return {source, store};
}

}  // namespace rcnn::ops

#endif  // RCNN_OPS_KERNELS_STORED_KEYS_H_
