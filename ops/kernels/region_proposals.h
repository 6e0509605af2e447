// Region proposals of all levels and images in one pass: the results of proposals.h, in tensors of
// a fixed number of rows with counts.
//
// A row is one level of one image, row = image * levels + level.
//   FindTopScores     the best pre_nms_top_n anchors of each row
//   DecodeCandidate   their boxes, clipped to the image, and which are large enough
//   Select            the places of those, in order
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

  RCNN_HOST_DEVICE int64_t NumAnchors() const { return height * width * kinds; }
  // Element `channel` of the anchor's cell.
  RCNN_HOST_DEVICE float Read(const FloatMaps& maps, int64_t image, int64_t channel,
                              int64_t cell) const {
    return maps.data[image * maps.image_stride + channel * maps.channel_stride +
                     cell / width * maps.row_stride + cell % width * maps.column_stride];
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

  RCNN_HOST_DEVICE const ProposalMaps& Level(int64_t row) const { return levels[row % num_levels]; }
  RCNN_HOST_DEVICE int64_t Image(int64_t row) const { return row / num_levels; }

  RCNN_HOST_DEVICE float Score(int64_t row, int64_t anchor) const {
    const ProposalMaps& level = Level(row);
    const int64_t cell = anchor / level.kinds, kind = anchor % level.kinds;
    const float logit = level.Read(level.logits, Image(row), kind, cell);
    return is_pair ? level.Read(level.logits, Image(row), kind + level.kinds, cell) - logit : logit;
  }

  RCNN_HOST_DEVICE void Decode(int64_t row, int64_t anchor, float* box) const {
    const ProposalMaps& level = Level(row);
    const int64_t cell = anchor / level.kinds, first = 4 * (anchor % level.kinds);
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

  // As a source of SelectSmallestKernel.
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
  TopScoresScratch top;   // [R, N]
  float* decoded;         // [R, N, 4]
  float* logits;          // [R, N]
  bool* is_large;         // [R, N]
  int64_t* large;         // [R, N]
  int64_t* large_counts;  // [R]
  float* large_boxes;     // [R, N, 4]
  float* large_logits;    // [R, N]
  Ranked* merged;         // [num_images, num_levels * nms.KeptCapacity()]
  Ranked* merge_scratch;  // likewise

  RCNN_HOST_DEVICE int64_t NumRows() const { return num_images * rows.num_levels; }
  // Kept boxes of all levels of an image.
  RCNN_HOST_DEVICE int64_t MergedCapacity() const { return rows.num_levels * nms.KeptCapacity(); }
};

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

// The large candidates, in order, as a source of SelectSmallestKernel.
template <typename Work>
struct LargeCandidates {
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
  const Ranked* best = FindTopScores(launch, work.NumRows(), work.capacity, work.rows, work.top);
  LaunchForEach(launch, all, DecodeCandidate<Work>{work, best});
  launch(SelectSmallestKernel<LargeCandidates<Work>>{
      {work}, work.NumRows(), work.capacity, work.large, work.large_counts});
  LaunchForEach(launch, all, GatherCandidate<Work>{work});
  SuppressRows(launch, work.nms);
  LaunchForEach(launch, work.num_images * work.MergedCapacity(), RankKept<Work>{work});
  const Ranked* sorted =
      SortRows(launch, work.num_images, work.MergedCapacity(), work.merged, work.merge_scratch);
  LaunchForEach(launch, work.num_images * work.post_nms_top_n, WriteProposal<Work>{work, sorted});
}

}  // namespace rcnn::ops

#endif  // RCNN_OPS_KERNELS_REGION_PROPOSALS_H_
