// Region proposals of all levels and images in one pass: the results of proposals.h, in tensors of
// a fixed number of rows with counts.
//
// A row is one level of one image, row = image * levels + level.
//   StoreKeys         the scores of all anchors, as keys
//   FindTopScores     the best pre_nms_top_n anchors of each row
//   DecodeCandidate   their boxes, clipped to the image, and which are large enough
//   SelectSmallest    the places of those, in order
//   GatherCandidate   puts them next to each other
//   SuppressRows      NMS of each row (nms_tiles.h)
//   RankKept, a sort  the kept ones of all levels of an image, best first
//   WriteProposal     the best post_nms_top_n of them
// Nothing goes to the host: each step reads the counts of the one before from the device's memory.
//
// Boxes and scores differ from the CPU's as exp does. The order is that of the logits, so it does
// not. Values are not checked: NaN makes a proposal NaN, and a box decoded to infinity is clipped
// to the image.
//
// Source: Ren et al., arXiv:1506.01497, Sec. 3.3; levels as in Lin et al., arXiv:1612.03144.

#ifndef RCNN_OPS_KERNELS_REGION_PROPOSALS_H_
#define RCNN_OPS_KERNELS_REGION_PROPOSALS_H_

#include <cmath>
#include <cstdint>

#include "rcnn/ops/kernels/box_coding.h"
#include "rcnn/ops/kernels/kernel.h"
#include "rcnn/ops/kernels/merge_sort.h"
#include "rcnn/ops/kernels/nms_tiles.h"
#include "rcnn/ops/kernels/select_smallest.h"
#include "rcnn/ops/kernels/stored_keys.h"
#include "rcnn/ops/kernels/top_scores.h"

namespace rcnn::ops {

constexpr int64_t kMaxProposalLevels = 8;

// A float32 tensor [images, channels, height, width] with any strides.
struct FloatMaps {
  const float* data;
  int64_t image_stride;
  int64_t channel_stride;
  int64_t row_stride;
  int64_t column_stride;
};

// One level: what the network says about each anchor.
struct ProposalMaps {
  int64_t height;
  int64_t width;
  int64_t kinds;         // anchors per cell
  FloatMaps logits;      // `kinds` channels, or twice as many for pairs
  FloatMaps deltas;      // 4 * kinds channels
  const float* anchors;  // [height * width * kinds, 4], in the order (row, column, kind)

  // Fewer than 2^32.
  RCNN_HOST_DEVICE int64_t NumAnchors() const { return height * width * kinds; }
  // Element `channel` of the anchor's cell.
  RCNN_HOST_DEVICE float Read(const FloatMaps& maps, int64_t image, int64_t channel,
                              int64_t cell) const {
    const int64_t row = Divide32(cell, width), column = Modulo32(cell, width);
    return maps.data[image * maps.image_stride + channel * maps.channel_stride +
                     row * maps.row_stride + column * maps.column_stride];
  }
};

// An image as the network sees it: its size and the least side of a proposal, in pixels.
struct ProposalImage {
  float height;
  float width;
  float min_side;
};

// images[i] from row i of `sizes` [num_images, 3]: height, width, and the scale of the image.
struct ReadProposalImage {
  RCNN_HOST_DEVICE void operator()(int64_t i) const {
    const float* size = sizes + 3 * i;
    images[i] = {size[0], size[1], static_cast<float>(min_side_px * static_cast<double>(size[2]))};
  }

  const float* sizes;
  double min_side_px;  // of the unscaled image
  ProposalImage* images;
};

// Rows of candidates, as sources and kernels read them.
struct ProposalRows {
  ProposalMaps levels[kMaxProposalLevels];
  int64_t num_levels;
  const ProposalImage* images;  // in the device's memory
  bool is_pair;                 // channels are background of all kinds, then foreground; the
                                // logit is their difference
  BoxCoding<float> coding;
  float edge;  // 1 for inclusive boxes, 0 otherwise
  int64_t pre_nms_top_n;
  bool drop_small_before_top_n;
  // Of AddLevel: where each level's anchors begin among those of an image, and their number.
  int64_t first_anchor[kMaxProposalLevels + 1];

  // Appends a level to those of a value that began as {}.
  void AddLevel(const ProposalMaps& maps) {
    levels[num_levels] = maps;
    first_anchor[num_levels + 1] = first_anchor[num_levels] + maps.NumAnchors();
    ++num_levels;
  }
  // Of a level, at most.
  int64_t MostAnchors() const {
    int64_t most = 0;
    for (int64_t i = 0; i < num_levels; ++i) most = Greater(most, levels[i].NumAnchors());
    return most;
  }

  RCNN_HOST_DEVICE int64_t LevelIndex(int64_t row) const { return Modulo32(row, num_levels); }
  RCNN_HOST_DEVICE const ProposalMaps& Level(int64_t row) const { return levels[LevelIndex(row)]; }
  RCNN_HOST_DEVICE int64_t Image(int64_t row) const { return Divide32(row, num_levels); }

  RCNN_HOST_DEVICE float Score(int64_t row, int64_t anchor) const {
    const ProposalMaps& level = Level(row);
    const int64_t cell = Divide32(anchor, level.kinds), kind = Modulo32(anchor, level.kinds);
    const float logit = level.Read(level.logits, Image(row), kind, cell);
    return is_pair ? level.Read(level.logits, Image(row), kind + level.kinds, cell) - logit : logit;
  }

  RCNN_HOST_DEVICE void Decode(int64_t row, int64_t anchor, float* box) const {
    const ProposalMaps& level = Level(row);
    const int64_t cell = Divide32(anchor, level.kinds);
    const int64_t first = 4 * Modulo32(anchor, level.kinds);
    float deltas[4];
    for (int c = 0; c < 4; ++c) deltas[c] = level.Read(level.deltas, Image(row), first + c, cell);
    coding.Decode(level.anchors + 4 * anchor, deltas, box);
    const ProposalImage& image = images[Image(row)];
    for (int i = 0; i < 4; i += 2) {
      box[i] = Clamped(box[i], 0.0f, image.width - edge);
      box[i + 1] = Clamped(box[i + 1], 0.0f, image.height - edge);
    }
  }

  // Also true for inclusive boxes smaller than a pixel, whose corners are swapped.
  RCNN_HOST_DEVICE bool IsSmall(int64_t row, const float* box) const {
    const float min_side = images[Image(row)].min_side;
    return coding.Side(box, 0) < min_side || coding.Side(box, 1) < min_side || box[2] < box[0] ||
           box[3] < box[1];
  }

  // As a source of StoreKeys.
  RCNN_HOST_DEVICE int64_t FirstEntry(int64_t row) const {
    return Image(row) * first_anchor[num_levels] + first_anchor[LevelIndex(row)];
  }
  RCNN_HOST_DEVICE int64_t Entries(int64_t row) const { return Level(row).NumAnchors(); }
  RCNN_HOST_DEVICE int64_t Limit(int64_t /*row*/) const { return pre_nms_top_n; }
  RCNN_HOST_DEVICE bool Load(int64_t row, int64_t anchor, uint32_t* key) const {
    *key = ScoreKey(Score(row, anchor));
    if (!drop_small_before_top_n) return true;
    float box[4];
    Decode(row, anchor, box);
    return !IsSmall(row, box);
  }
};

// Arguments, results and scratch. R = num_images * num_levels rows, N = capacity.
template <int64_t kSlab>
struct ProposalWork {
  ProposalRows rows;
  int64_t num_images;
  int64_t capacity;  // min(pre_nms_top_n, the most anchors of a level)
  int64_t post_nms_top_n;
  NmsWork<float, kSlab> nms;  // [R, N]; reads large_boxes, large_logits and large_counts

  float* rois;      // [num_images, post_nms_top_n, 5], (image, x1, y1, x2, y2); 0 beyond the count
  float* scores;    // [num_images, post_nms_top_n], likewise
  int64_t* counts;  // [num_images]

  // Scratch.
  KeyStore keys;               // of all anchors of all images
  TopScoresScratch top;        // of Anchors(), with N
  float* decoded;              // [R, N, 4]
  float* logits;               // [R, N]
  bool* is_large;              // [R, N]
  int64_t* large;              // [R, N]
  int64_t* large_counts;       // [R]
  SelectScratch large_select;  // of Candidates()
  float* large_boxes;          // [R, N, 4]
  float* large_logits;         // [R, N]
  Ranked* merged;              // [num_images, num_levels * nms.KeptCapacity()]
  Ranked* merge_scratch;       // likewise

  RCNN_HOST_DEVICE int64_t NumRows() const { return num_images * rows.num_levels; }
  RowParts Anchors() const { return {NumRows(), rows.MostAnchors()}; }
  RowParts Candidates() const { return {NumRows(), capacity}; }
  // Kept boxes of all levels of an image.
  RCNN_HOST_DEVICE int64_t MergedCapacity() const { return rows.num_levels * nms.KeptCapacity(); }
};

// Fills in the scratch that selections need. Its arrays come from arrays.Add(T** pointer, int64_t
// count), which sets *pointer before they are used.
template <int64_t kSlab, typename Arrays>
void PlanProposalSelections(Arrays& arrays, ProposalWork<kSlab>* work) {
  PlanKeys(work->num_images * work->rows.first_anchor[work->rows.num_levels], arrays, &work->keys);
  PlanTopScores(work->Anchors(), work->capacity, arrays, &work->top);
  PlanSelection(work->Candidates(), arrays, &work->large_select);
}

template <typename Work>
struct DecodeCandidate {
  RCNN_HOST_DEVICE void operator()(int64_t i) const {
    const int64_t row = i / work.capacity;
    work.is_large[i] = false;
    if (i % work.capacity >= work.top.counts[row]) return;
    const int64_t anchor = best[i].index;
    work.rows.Decode(row, anchor, work.decoded + 4 * i);
    work.logits[i] = work.rows.Score(row, anchor);
    work.is_large[i] = !work.rows.IsSmall(row, work.decoded + 4 * i);
  }

  Work work;
  const Ranked* best;  // [R, N]
};

// The large candidates, in order, as a source of SelectSmallest.
template <typename Work>
struct LargeCandidates {
  static constexpr bool kHasKeys = false;

  RCNN_HOST_DEVICE int64_t Entries(int64_t /*row*/) const { return work.capacity; }
  RCNN_HOST_DEVICE int64_t Limit(int64_t /*row*/) const { return work.capacity; }
  RCNN_HOST_DEVICE bool Load(int64_t row, int64_t i, uint32_t* key) const {
    *key = 0;
    return work.is_large[row * work.capacity + i];
  }

  Work work;
};

template <typename Work>
struct GatherCandidate {
  RCNN_HOST_DEVICE void operator()(int64_t i) const {
    const int64_t row = i / work.capacity;
    if (i % work.capacity >= work.large_counts[row]) return;
    const int64_t from = row * work.capacity + work.large[i];
    for (int c = 0; c < 4; ++c) work.large_boxes[4 * i + c] = work.decoded[4 * from + c];
    work.large_logits[i] = work.logits[from];
  }

  Work work;
};

// merged[image * MergedCapacity() + level * KeptCapacity() + rank]: kept candidate `rank`.
template <typename Work>
struct RankKept {
  RCNN_HOST_DEVICE void operator()(int64_t i) const {
    const int64_t kept_capacity = work.nms.KeptCapacity();
    const int64_t row = i / kept_capacity;
    const int64_t index = i % work.MergedCapacity();
    if (i % kept_capacity < work.nms.kept_count[row]) {
      const float logit = work.large_logits[row * work.capacity + work.nms.kept[i]];
      work.merged[i] = {DescendingKey(logit), index};
    } else {
      work.merged[i] = {kLastKey, index};
    }
  }

  Work work;
};

template <typename Work>
struct WriteProposal {
  RCNN_HOST_DEVICE void operator()(int64_t i) const {
    const int64_t image = i / work.post_nms_top_n, rank = i % work.post_nms_top_n;
    int64_t total = 0;
    for (int64_t level = 0; level < work.rows.num_levels; ++level) {
      total += work.nms.kept_count[image * work.rows.num_levels + level];
    }
    const int64_t count = Lesser(total, work.post_nms_top_n);
    if (rank == 0) work.counts[image] = count;
    float* roi = work.rois + 5 * i;
    for (int c = 0; c < 5; ++c) roi[c] = 0;
    work.scores[i] = 0;
    if (rank >= count) return;
    const int64_t kept =
        image * work.MergedCapacity() + sorted[image * work.MergedCapacity() + rank].index;
    const int64_t row = kept / work.nms.KeptCapacity();
    const int64_t from = row * work.capacity + work.nms.kept[kept];
    roi[0] = static_cast<float>(image);
    for (int c = 0; c < 4; ++c) roi[c + 1] = work.large_boxes[4 * from + c];
    work.scores[i] = 1 / (1 + std::exp(-work.large_logits[from]));
  }

  Work work;
  const Ranked* sorted;
};

// work.nms.boxes, scores and counts are large_boxes, large_logits and large_counts, its rows and
// capacity those of the work, its max_keep post_nms_top_n.
template <typename Launch, int64_t kSlab>
void ProposeRegions(Launch& launch, const ProposalWork<kSlab>& work) {
  using Work = ProposalWork<kSlab>;
  const int64_t all = work.NumRows() * work.capacity;
  const auto anchors = StoreKeys(launch, work.Anchors(), work.rows, work.keys);
  const Ranked* best = FindTopScores(launch, work.Anchors(), work.capacity, anchors, work.top);
  LaunchForEach(launch, all, DecodeCandidate<Work>{work, best});
  SelectSmallest(launch, work.Candidates(), LargeCandidates<Work>{work},
                 {work.capacity, work.large, work.large_counts}, work.large_select);
  LaunchForEach(launch, all, GatherCandidate<Work>{work});
  SuppressRows(launch, work.nms);
  LaunchForEach(launch, work.num_images * work.MergedCapacity(), RankKept<Work>{work});
  const Ranked* sorted =
      SortRows(launch, work.num_images, work.MergedCapacity(), work.merged, work.merge_scratch);
  LaunchForEach(launch, work.num_images * work.post_nms_top_n, WriteProposal<Work>{work, sorted});
}

}  // namespace rcnn::ops

#endif  // RCNN_OPS_KERNELS_REGION_PROPOSALS_H_
