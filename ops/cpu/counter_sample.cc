// The `limit` examples with the smallest random bits, in one pass and without sorting all of them.
//
//   bits   of kChunkRows rows at a time: a Philox block for four rows, in a loop that the compiler
//          vectorises
//   scan   an example below the bound of its sign is kept (Smallest). When twice as many as wanted
//          are kept, a selection drops the larger half and lowers the bound to the largest one left
//   merge  long lists are scanned in parts, whose kept examples then pass through the same filter
//
// Invariant: the kept examples include the `limit` smallest of those seen. The m-th example of a
// random order is among them with probability limit / m, so about limit (1 + ln(n / limit)) of n
// pass the bound: of 268,569 anchors 2,000 for a limit of 256. The others cost their bits and a
// comparison. Bits and row together are a number of 64 bits, different for each example, so neither
// the parts nor their order change the result.

#include "rcnn/ops/cpu/counter_sample.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <vector>

#include "rcnn/base/target_clones.h"
#include "rcnn/ops/kernels/kernel.h"
#include "rcnn/ops/kernels/philox.h"

namespace rcnn::ops {
namespace {

constexpr int64_t kChunkRows = 1024;
constexpr int64_t kPartRows = int64_t{1} << 15;

// The bits of `blocks` blocks from `first` on, one after another. A block's number is below 2^31.
RCNN_LOOP void FillBitsLoop(uint64_t key, int64_t image, uint32_t first, uint32_t blocks,
                            uint32_t* bits) {
  for (uint32_t b = 0; b < blocks; ++b) {
    const PhiloxBlock block = RandomBlock(key, image, first + b);
    for (int64_t w = 0; w < kPhiloxWords; ++w) bits[kPhiloxWords * b + w] = block.word[w];
  }
}
RCNN_TARGET_CLONES(void, FillBits, FillBitsLoop,
                   (uint64_t key, int64_t image, uint32_t first, uint32_t blocks, uint32_t* bits),
                   (key, image, first, blocks, bits));

// The `limit` smallest of the numbers that were added.
class Smallest {
 public:
  explicit Smallest(int64_t limit)
      : limit_(static_cast<size_t>(std::max<int64_t>(limit, 0))),
        bound_(limit > 0 ? std::numeric_limits<uint64_t>::max() : 0) {}

  void Add(uint64_t number) {
    if (number < bound_) Keep(number);
  }

  void Add(const Smallest& other) {
    for (const uint64_t number : other.kept_) Add(number);
  }

  void Lower(int64_t limit) {
    limit_ = static_cast<size_t>(std::max<int64_t>(limit, 0));
    Drop();
  }

  // Writes the rows of the numbers, ascending, and zeros up to `capacity`. Returns how many.
  int64_t Write(int64_t capacity, int64_t* rows) {
    Drop();
    std::transform(kept_.begin(), kept_.end(), rows, [](uint64_t number) {
      return static_cast<int64_t>(static_cast<uint32_t>(number));
    });
    const auto count = static_cast<int64_t>(kept_.size());
    std::sort(rows, rows + count);
    std::fill(rows + count, rows + capacity, 0);
    return count;
  }

 private:
  void Keep(uint64_t number) {
    kept_.push_back(number);
    if (kept_.size() >= 2 * limit_) Drop();
  }

  void Drop() {
    if (kept_.size() <= limit_) return;
    if (limit_ == 0) return kept_.clear();
    const auto last = kept_.begin() + static_cast<int64_t>(limit_) - 1;
    std::nth_element(kept_.begin(), last, kept_.end());
    bound_ = *last;
    kept_.resize(limit_);
  }

  size_t limit_;
  uint64_t bound_;  // a number that is not below it is none of the smallest
  std::vector<uint64_t> kept_;
};

// The examples of an image, or of some of its rows. There may be room for all negatives, as only
// all rows together tell how many positives there are.
struct Picks {
  explicit Picks(const SampleWork& work) : positive(work.max_positive), negative(work.count) {}

  Smallest positive;
  Smallest negative;
};

// Rows [begin, end) of an image, whose numbers (SampleWork::DrawNumber) follow one another.
void ScanRows(const SampleWork& work, int64_t image, int64_t begin, int64_t end, Picks& picks) {
  uint32_t bits[kChunkRows];
  for (int64_t row = begin; row < end;) {
    const int64_t number = work.DrawNumber(row), before = number % kPhiloxWords;
    const int64_t rows = std::min(kChunkRows - before, end - row);
    FillBits(work.key, work.image_ids[image], static_cast<uint32_t>(number / kPhiloxWords),
             static_cast<uint32_t>(CeilDivide(before + rows, kPhiloxWords)), bits);
    const int64_t* const labels = work.labels + image * work.rows + row;
    for (int64_t i = 0; i < rows; ++i) {
      if (labels[i] < 0) continue;
      const uint64_t random = uint64_t{bits[before + i]} << 32 | static_cast<uint32_t>(row + i);
      (labels[i] > 0 ? picks.positive : picks.negative).Add(random);
    }
    row += rows;
  }
}

Picks ScanPart(const SampleWork& work, int64_t image, int64_t begin, int64_t end) {
  Picks picks(work);
  const int64_t appended = std::clamp(work.appended_from, begin, end);
  ScanRows(work, image, begin, appended, picks);
  ScanRows(work, image, appended, end, picks);
  return picks;
}

void WriteImage(const SampleWork& work, int64_t image, Picks& picks) {
  const int64_t positives =
      picks.positive.Write(work.max_positive, work.positive + image * work.max_positive);
  picks.negative.Lower(work.count - positives);
  work.positive_count[image] = positives;
  work.negative_count[image] = picks.negative.Write(work.count, work.negative + image * work.count);
}

}  // namespace

void SampleWithSmallestBits(const SampleWork& work) {
  const int64_t parts = std::max<int64_t>(CeilDivide(work.rows, kPartRows), 1);
  std::vector<Picks> picks(static_cast<size_t>(work.images * parts), Picks(work));
  at::parallel_for(0, work.images * parts, 1, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) {
      const int64_t begin = i % parts * kPartRows;
      picks[static_cast<size_t>(i)] =
          ScanPart(work, i / parts, begin, std::min(begin + kPartRows, work.rows));
    }
  });
  for (int64_t image = 0; image < work.images; ++image) {
    Picks& all = picks[static_cast<size_t>(image * parts)];
    for (int64_t part = 1; part < parts; ++part) {
      const Picks& other = picks[static_cast<size_t>(image * parts + part)];
      all.positive.Add(other.positive);
      all.negative.Add(other.negative);
    }
    WriteImage(work, image, all);
  }
}

}  // namespace rcnn::ops
