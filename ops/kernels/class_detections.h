// The detections of a batch of images from the scores and deltas of their RoIs: the results of
// counted_detections.h, in tensors of a fixed number of rows with counts.
//
// A place is a pair of a class and a RoI, in the order of the classes. NMS has a row for each
// class; its boxes are those of all images, in groups by image. So scratch has one entry for each
// place, however the RoIs are divided among the images, and no step needs to know how.
//   MarkCandidate        the places whose score passes the threshold
//   ClassCandidates      or, with a limit, the best of them of each image and class
//   DecodeDetection      their boxes, clipped to the image; which are large enough
//   ChosenDetections     those of each class, in order
//   GatherDetection      puts them next to each other
//   SuppressRows         NMS of each class (nms_tiles.h)
//   MarkKeptDetection    the places that are left
//   KeptDetections       the best of them of each image, of equal ones the first RoI, then class
//   WriteDetection       their boxes in the frame of the result
// Nothing goes to the host: each step reads the counts of the one before from the device's memory.
//
// Scores are compared, not computed, so all decisions but those that follow from exp in a box are
// the CPU's. A value that is not finite makes the count of its image -1.
//
// Source: Girshick, arXiv:1504.08083, Sec. 3.

#ifndef RCNN_OPS_KERNELS_CLASS_DETECTIONS_H_
#define RCNN_OPS_KERNELS_CLASS_DETECTIONS_H_

#include <cstdint>

#include "rcnn/ops/kernels/box_coding.h"
#include "rcnn/ops/kernels/kernel.h"
#include "rcnn/ops/kernels/merge_sort.h"
#include "rcnn/ops/kernels/nms_tiles.h"
#include "rcnn/ops/kernels/select_smallest.h"
#include "rcnn/ops/kernels/top_scores.h"

namespace rcnn::ops {

// x - x is 0 unless x is NaN or infinite.
RCNN_HOST_DEVICE inline bool IsFiniteNumber(float value) { return value - value == 0; }

// What detections are made of: R RoIs of B images, K classes beside the background.
struct DetectionRows {
  static constexpr int64_t kFrameColumns = 5;

  const float* scores;  // [R, K + 1]
  const float* deltas;  // [R, K + 1, 4]
  const float* rois;    // [R, 5], (image, x1, y1, x2, y2)
  const float* frames;  // [B, 5], as in counted_detections.h
  int64_t num_rois;
  int64_t num_classes;
  int64_t num_images;
  BoxCoding<float> coding;
  float edge;  // 1 for inclusive boxes, 0 otherwise
  float min_score;
  float min_side;

  RCNN_HOST_DEVICE int64_t NumPlaces() const { return num_classes * num_rois; }
  // Of a place.
  RCNN_HOST_DEVICE int64_t Roi(int64_t place) const { return place % num_rois; }
  RCNN_HOST_DEVICE int64_t Label(int64_t place) const { return place / num_rois + 1; }

  // The image of a RoI, or -1 if that is none of the batch.
  RCNN_HOST_DEVICE int64_t Image(int64_t roi) const {
    const float image = rois[5 * roi];
    if (!(image >= 0 && image < static_cast<float>(num_images))) return -1;
    const auto index = static_cast<int64_t>(image);
    return static_cast<float>(index) == image ? index : -1;
  }

  RCNN_HOST_DEVICE float Score(int64_t roi, int64_t label) const {
    return scores[roi * (num_classes + 1) + label];
  }

  // Decodes the box of a RoI of the batch. False where a delta or a corner is not finite.
  RCNN_HOST_DEVICE bool Decode(int64_t roi, int64_t label, float* box) const {
    const float divisor = frames[kFrameColumns * Image(roi) + 2];
    const float* delta = deltas + 4 * (roi * (num_classes + 1) + label);
    float from[4];
    for (int c = 0; c < 4; ++c) from[c] = rois[5 * roi + 1 + c] / divisor;
    coding.Decode(from, delta, box);
    bool is_finite = true;
    for (int c = 0; c < 4; ++c) {
      is_finite = is_finite && IsFiniteNumber(delta[c]) && IsFiniteNumber(box[c]);
    }
    return is_finite;
  }

  RCNN_HOST_DEVICE void Clip(int64_t roi, float* box) const {
    const float* frame = frames + kFrameColumns * Image(roi);
    for (int c = 0; c < 4; c += 2) {
      box[c] = Clamped(box[c], 0.0f, frame[1] - edge);
      box[c + 1] = Clamped(box[c + 1], 0.0f, frame[0] - edge);
    }
  }

  RCNN_HOST_DEVICE bool IsLarge(const float* box) const {
    return coding.Side(box, 0) >= min_side && coding.Side(box, 1) >= min_side;
  }
};

// Arguments, results and scratch. P = K R places, M = BestCapacity(), D = most.
template <int64_t kSlab>
struct DetectionWork {
  DetectionRows rows;
  int64_t max_per_class;      // 0: no limit
  int64_t most;               // detections of an image, at most P
  NmsWork<float, kSlab> nms;  // [K, R]; reads chosen_boxes, _scores, _images and _counts

  float* boxes;     // [B, D, 4]; 0 beyond the count
  float* scores;    // [B, D], likewise
  int64_t* labels;  // [B, D], likewise
  int64_t* counts;  // [B]

  // Scratch.
  uint32_t* not_finite;                      // [B], values that are not
  bool* is_candidate;                        // [P]
  int64_t* best;                             // [B, K, M], RoIs
  int64_t* best_counts;                      // [B, K]
  float* decoded;                            // [P, 4]
  int64_t* chosen;                           // [P], RoIs
  int64_t* chosen_counts;                    // [K]
  float* chosen_boxes;                       // [P, 4]
  float* chosen_scores;                      // [P]
  int64_t* chosen_images;                    // [P]
  bool* is_kept;                             // [R, K]
  SelectScratch best_select, chosen_select;  // of ClassLists() and Classes()
  TopScoresScratch top;                      // of Images(), with D

  RCNN_HOST_DEVICE int64_t BestCapacity() const { return Lesser(max_per_class, rows.num_rois); }
  // The rows of the three selections.
  RowParts ClassLists() const { return {rows.num_images * rows.num_classes, rows.num_rois}; }
  RowParts Classes() const { return {rows.num_classes, rows.num_rois}; }
  RowParts Images() const { return {rows.num_images, rows.NumPlaces()}; }
};

// Fills in the scratch that selections need. Its arrays come from arrays.Add(T** pointer, int64_t
// count), which sets *pointer before they are used.
template <int64_t kSlab, typename Arrays>
void PlanDetectionSelections(Arrays& arrays, DetectionWork<kSlab>* work) {
  if (work->max_per_class > 0) PlanSelection(work->ClassLists(), arrays, &work->best_select);
  PlanSelection(work->Classes(), arrays, &work->chosen_select);
  PlanTopScores(work->Images(), work->most, arrays, &work->top);
}

template <typename Work>
struct ClearNotFinite {
  RCNN_HOST_DEVICE void operator()(int64_t image) const { work.not_finite[image] = 0; }

  Work work;
};

template <typename Work>
struct MarkCandidate {
  RCNN_HOST_DEVICE void operator()(int64_t place) const {
    const int64_t roi = work.rows.Roi(place), label = work.rows.Label(place);
    work.is_candidate[place] = false;
    work.is_kept[roi * work.rows.num_classes + label - 1] = false;
    const int64_t image = work.rows.Image(roi);
    if (image < 0) return;
    const float score = work.rows.Score(roi, label);
    if (!IsFiniteNumber(score)) AtomicAdd(work.not_finite + image, 1);
    work.is_candidate[place] = work.max_per_class == 0 && score > work.rows.min_score;
  }

  Work work;
};

// The RoIs of image row / K that pass the threshold for class row % K + 1, as a source of
// SelectSmallest.
template <typename Work>
struct ClassCandidates {
  static constexpr bool kHasKeys = true;

  RCNN_HOST_DEVICE int64_t Entries(int64_t /*row*/) const { return work.rows.num_rois; }
  RCNN_HOST_DEVICE int64_t Limit(int64_t /*row*/) const { return work.max_per_class; }
  RCNN_HOST_DEVICE bool Load(int64_t row, int64_t roi, uint32_t* key) const {
    if (work.rows.Image(roi) != Divide32(row, work.rows.num_classes)) return false;
    const float score = work.rows.Score(roi, Modulo32(row, work.rows.num_classes) + 1);
    *key = ScoreKey(score);
    return score > work.rows.min_score;
  }

  Work work;
};

template <typename Work>
struct MarkBestOfClass {
  RCNN_HOST_DEVICE void operator()(int64_t i) const {
    const int64_t row = i / work.BestCapacity();
    if (i % work.BestCapacity() >= work.best_counts[row]) return;
    const int64_t first = row % work.rows.num_classes * work.rows.num_rois;
    work.is_candidate[first + work.best[i]] = true;
  }

  Work work;
};

// Leaves the candidates that are large enough.
template <typename Work>
struct DecodeDetection {
  RCNN_HOST_DEVICE void operator()(int64_t place) const {
    if (!work.is_candidate[place]) return;
    const int64_t roi = work.rows.Roi(place);
    float* box = work.decoded + 4 * place;
    if (!work.rows.Decode(roi, work.rows.Label(place), box)) {
      AtomicAdd(work.not_finite + work.rows.Image(roi), 1);
      work.is_candidate[place] = false;
      return;
    }
    work.rows.Clip(roi, box);
    work.is_candidate[place] = work.rows.IsLarge(box);
  }

  Work work;
};

// The candidates of class row + 1, in order, as a source of SelectSmallest.
template <typename Work>
struct ChosenDetections {
  static constexpr bool kHasKeys = false;

  RCNN_HOST_DEVICE int64_t Entries(int64_t /*row*/) const { return work.rows.num_rois; }
  RCNN_HOST_DEVICE int64_t Limit(int64_t /*row*/) const { return work.rows.num_rois; }
  RCNN_HOST_DEVICE bool Load(int64_t row, int64_t roi, uint32_t* key) const {
    *key = 0;
    return work.is_candidate[row * work.rows.num_rois + roi];
  }

  Work work;
};

template <typename Work>
struct GatherDetection {
  RCNN_HOST_DEVICE void operator()(int64_t i) const {
    const int64_t row = i / work.rows.num_rois;
    if (i % work.rows.num_rois >= work.chosen_counts[row]) return;
    const int64_t roi = work.chosen[i];
    const float* box = work.decoded + 4 * (row * work.rows.num_rois + roi);
    for (int c = 0; c < 4; ++c) work.chosen_boxes[4 * i + c] = box[c];
    work.chosen_scores[i] = work.rows.Score(roi, row + 1);
    work.chosen_images[i] = work.rows.Image(roi);
  }

  Work work;
};

template <typename Work>
struct MarkKeptDetection {
  RCNN_HOST_DEVICE void operator()(int64_t i) const {
    const int64_t row = i / work.nms.KeptCapacity();
    if (i % work.nms.KeptCapacity() >= work.nms.kept_count[row]) return;
    const int64_t roi = work.chosen[row * work.rows.num_rois + work.nms.kept[i]];
    work.is_kept[roi * work.rows.num_classes + row] = true;
  }

  Work work;
};

// The kept places of an image in the order of the RoIs, entry roi * K + label - 1, as a source of
// FindTopScores.
template <typename Work>
struct KeptDetections {
  static constexpr bool kHasKeys = true;

  RCNN_HOST_DEVICE int64_t Roi(int64_t i) const { return Divide32(i, work.rows.num_classes); }
  RCNN_HOST_DEVICE int64_t Label(int64_t i) const { return Modulo32(i, work.rows.num_classes) + 1; }

  RCNN_HOST_DEVICE float Score(int64_t /*image*/, int64_t i) const {
    return work.rows.Score(Roi(i), Label(i));
  }
  RCNN_HOST_DEVICE int64_t Entries(int64_t /*image*/) const { return work.rows.NumPlaces(); }
  RCNN_HOST_DEVICE int64_t Limit(int64_t /*image*/) const { return work.most; }
  RCNN_HOST_DEVICE bool Load(int64_t image, int64_t i, uint32_t* key) const {
    if (!work.is_kept[i] || work.rows.Image(Roi(i)) != image) return false;
    *key = ScoreKey(Score(image, i));
    return true;
  }

  Work work;
};

// Rank i % ranks of image i / ranks. An image has one rank at least, for its count.
template <typename Work>
struct WriteDetection {
  RCNN_HOST_DEVICE void operator()(int64_t i) const {
    const int64_t image = i / ranks, rank = i % ranks;
    const bool is_finite = work.not_finite[image] == 0;
    const int64_t count = is_finite ? work.top.counts[image] : 0;
    if (rank == 0) work.counts[image] = is_finite ? count : -1;
    if (rank >= work.most) return;
    const int64_t to = image * work.most + rank;
    for (int c = 0; c < 4; ++c) work.boxes[4 * to + c] = 0;
    work.scores[to] = 0;
    work.labels[to] = 0;
    if (rank >= count) return;
    const int64_t entry = sorted[to].index;
    const int64_t roi = entry / work.rows.num_classes, row = entry % work.rows.num_classes;
    const float* box = work.decoded + 4 * (row * work.rows.num_rois + roi);
    const float* frame = work.rows.frames + DetectionRows::kFrameColumns * image;
    for (int c = 0; c < 4; ++c) work.boxes[4 * to + c] = box[c] * frame[3 + c % 2];
    work.scores[to] = work.rows.Score(roi, row + 1);
    work.labels[to] = row + 1;
  }

  Work work;
  int64_t ranks;
  const Ranked* sorted;  // [B, D]
};

// work.nms.boxes, scores, groups and counts are chosen_boxes, _scores, _images and _counts, its
// rows and capacity K and R, and it keeps any number.
template <typename Launch, int64_t kSlab>
void FindDetections(Launch& launch, const DetectionWork<kSlab>& work) {
  using Work = DetectionWork<kSlab>;
  const DetectionRows& rows = work.rows;
  LaunchForEach(launch, rows.num_images, ClearNotFinite<Work>{work});
  LaunchForEach(launch, rows.NumPlaces(), MarkCandidate<Work>{work});
  if (work.max_per_class > 0) {
    const RowParts lists = work.ClassLists();
    SelectSmallest(launch, lists, ClassCandidates<Work>{work},
                   {work.BestCapacity(), work.best, work.best_counts}, work.best_select);
    LaunchForEach(launch, lists.rows * work.BestCapacity(), MarkBestOfClass<Work>{work});
  }
  LaunchForEach(launch, rows.NumPlaces(), DecodeDetection<Work>{work});
  SelectSmallest(launch, work.Classes(), ChosenDetections<Work>{work},
                 {rows.num_rois, work.chosen, work.chosen_counts}, work.chosen_select);
  LaunchForEach(launch, rows.NumPlaces(), GatherDetection<Work>{work});
  SuppressRows(launch, work.nms);
  LaunchForEach(launch, rows.num_classes * work.nms.KeptCapacity(), MarkKeptDetection<Work>{work});
  const Ranked* sorted =
      FindTopScores(launch, work.Images(), work.most, KeptDetections<Work>{work}, work.top);
  const int64_t ranks = Greater<int64_t>(work.most, 1);
  LaunchForEach(launch, rows.num_images * ranks, WriteDetection<Work>{work, ranks, sorted});
}

}  // namespace rcnn::ops

#endif  // RCNN_OPS_KERNELS_CLASS_DETECTIONS_H_
