#include "rcnn/eval/image_errors.h"

#include <algorithm>
#include <iterator>

#include "rcnn/eval/coco_cells.h"
#include "rcnn/eval/coco_matching.h"

namespace rcnn::eval {
namespace {

class CellJudge {
 public:
  CellJudge(const GroundTruth& truth, const Detections& detections,
            const ImageErrorOptions& options, const CocoCells& cells)
      : truth_(truth), detections_(detections), options_(options), cells_(cells) {}

  void Judge(const CocoCell& cell, ImageErrors& errors) {
    const auto begin = cells_.detections.begin();
    std::vector<uint32_t> order;
    std::copy_if(begin + cell.dt_begin, begin + cell.dt_end, std::back_inserter(order),
                 [&](uint32_t d) { return detections_.scores[d] >= options_.min_score; });
    std::stable_sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
      return detections_.scores[a] > detections_.scores[b];
    });
    taken_.assign(cell.gt_end - cell.gt_begin, false);
    for (uint32_t d : order) JudgeDetection(d, cell, errors);
    for (int64_t i = cell.gt_begin; i < cell.gt_end; ++i) {
      const uint32_t a = cells_.annotations[i];
      if (Neutral(a)) {
        errors.neutral_annotations.push_back(a);
      } else if (!taken_[i - cell.gt_begin]) {
        errors.misses.push_back(a);
        errors.badness += 1;
      }
    }
  }

 private:
  bool Neutral(uint32_t a) const {
    return truth_.annotations[a].crowd || truth_.annotations[a].difficult;
  }

  // The free object of the highest IoU, ordinary ones first; -1 if none.
  int64_t Best(uint32_t d, const CocoCell& cell) const {
    int64_t best = -1;
    for (bool neutral : {false, true}) {
      double best_iou = options_.iou_threshold;
      for (int64_t i = cell.gt_begin; i < cell.gt_end; ++i) {
        const uint32_t a = cells_.annotations[i];
        if (Neutral(a) != neutral || (!neutral && taken_[i - cell.gt_begin])) continue;
        const Annotation& annotation = truth_.annotations[a];
        const double iou = CocoIou(detections_.boxes[d], annotation.box, annotation.crowd);
        if (!(iou >= best_iou) || (best >= 0 && iou == best_iou)) continue;
        best_iou = iou;
        best = i;
      }
      if (best >= 0) break;
    }
    return best;
  }

  void JudgeDetection(uint32_t d, const CocoCell& cell, ImageErrors& errors) {
    const int64_t best = Best(d, cell);
    if (best < 0) {
      errors.false_positives.push_back(d);
      errors.badness += detections_.scores[d];
      return;
    }
    const uint32_t a = cells_.annotations[best];
    if (Neutral(a)) {
      errors.neutral.push_back(d);
      return;
    }
    taken_[best - cell.gt_begin] = true;
    errors.hits.push_back(d);
    errors.found.push_back(a);
  }

  const GroundTruth& truth_;
  const Detections& detections_;
  const ImageErrorOptions& options_;
  const CocoCells& cells_;
  std::vector<bool> taken_;
};

}  // namespace

std::vector<ImageErrors> FindImageErrors(const GroundTruth& truth, const Detections& detections,
                                         const ImageErrorOptions& options) {
  std::vector<ImageErrors> errors(truth.images.size());
  for (size_t i = 0; i < errors.size(); ++i) errors[i].image_id = truth.images[i].id;
  const CocoCells cells = GroupByCell(truth, detections);
  CellJudge judge(truth, detections, options, cells);
  for (const CocoCell& cell : cells.cells) judge.Judge(cell, errors[cell.image]);
  return errors;
}

std::vector<int64_t> WorstImages(const std::vector<ImageErrors>& errors, int64_t count) {
  std::vector<int64_t> order;
  for (size_t i = 0; i < errors.size(); ++i) {
    if (errors[i].badness > 0) order.push_back(static_cast<int64_t>(i));
  }
  std::stable_sort(order.begin(), order.end(),
                   [&](int64_t a, int64_t b) { return errors[a].badness > errors[b].badness; });
  if (static_cast<int64_t>(order.size()) > count) order.resize(std::max<int64_t>(count, 0));
  return order;
}

}  // namespace rcnn::eval
