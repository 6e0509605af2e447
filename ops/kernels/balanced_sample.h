// Samples examples of each image with a limited fraction of positives, by the rule of
// balanced_sampler.h but other draws: an example's random bits are a function of the key, its image
// and its row (philox.h), and the examples with the smallest bits are taken.
//
// So every subset of the right size is equally likely, the picks are the same on every device, and
// an image's picks do not depend on the batch or process it is in. (Two rows have equal bits with
// probability 2^-32; then the first counts as smaller.)
//
// Rows that were appended to a list of any length, as objects are to proposals, are numbered on
// their own: their bits do not depend on that length.
//
// On the CPU ops/cpu/counter_sample.h makes the same picks.

#ifndef RCNN_OPS_KERNELS_BALANCED_SAMPLE_H_
#define RCNN_OPS_KERNELS_BALANCED_SAMPLE_H_

#include <cstdint>

#include "rcnn/ops/kernels/kernel.h"
#include "rcnn/ops/kernels/philox.h"
#include "rcnn/ops/kernels/select_smallest.h"
#include "rcnn/ops/kernels/stored_keys.h"

namespace rcnn::ops {

// The number of the first appended row: beyond all rows, and the first of a Philox block.
constexpr int64_t kFirstAppended = int64_t{1} << 32;

struct SampleWork {
  int64_t images;
  int64_t rows;              // per image, < 2^32
  int64_t appended_from;     // rows from here on were appended; `rows`: none
  const int64_t* labels;     // [images, rows]: > 0 positive, 0 negative, < 0 never sampled
  const int64_t* image_ids;  // [images], of the dataset
  uint64_t key;
  int64_t count;         // examples per image
  int64_t max_positive;  // of them

  int64_t* positive;        // [images, max_positive], ascending; 0 beyond the count
  int64_t* positive_count;  // [images]
  int64_t* negative;        // [images, count], likewise
  int64_t* negative_count;  // [images]

  // Scratch of SampleExamples.
  KeyStore keys;
  SelectScratch select;

  RCNN_HOST_DEVICE RowParts Parts() const { return {images, rows}; }
  // The number of a row, from which its bits follow.
  RCNN_HOST_DEVICE int64_t DrawNumber(int64_t row) const {
    return row < appended_from ? row : kFirstAppended + (row - appended_from);
  }
};

// Fills in the scratch. Its arrays come from arrays.Add(T** pointer, int64_t count), which sets
// *pointer before they are used.
template <typename Arrays>
void PlanSample(Arrays& arrays, SampleWork* work) {
  PlanKeys(work->images * work->rows, arrays, &work->keys);
  PlanSelection(work->Parts(), arrays, &work->select);
}

// The examples of one sign, as a source of StoreKeys: each row has its bits computed once, since it
// has one sign.
template <bool kPositive>
struct RandomExamples {
  RCNN_HOST_DEVICE int64_t FirstEntry(int64_t image) const { return image * work.rows; }
  RCNN_HOST_DEVICE int64_t Entries(int64_t /*image*/) const { return work.rows; }
  RCNN_HOST_DEVICE bool Load(int64_t image, int64_t row, uint32_t* key) const {
    const int64_t label = work.labels[image * work.rows + row];
    if (kPositive ? label <= 0 : label != 0) return false;
    *key = RandomBits(work.key, work.image_ids[image], work.DrawNumber(row));
    return true;
  }
  // Negatives fill what positives leave.
  RCNN_HOST_DEVICE int64_t Limit(int64_t image) const {
    return kPositive ? work.max_positive : work.count - work.positive_count[image];
  }

  SampleWork work;
};

template <bool kPositive, typename Launch>
void SampleSign(Launch& launch, const SampleWork& work, const SelectedRows& selected) {
  const auto examples = StoreKeys(launch, work.Parts(), RandomExamples<kPositive>{work}, work.keys);
  SelectSmallest(launch, work.Parts(), examples, selected, work.select);
}

template <typename Launch>
void SampleExamples(Launch& launch, const SampleWork& work) {
  SampleSign<true>(launch, work, {work.max_positive, work.positive, work.positive_count});
  SampleSign<false>(launch, work, {work.count, work.negative, work.negative_count});
}

}  // namespace rcnn::ops

#endif  // RCNN_OPS_KERNELS_BALANCED_SAMPLE_H_
