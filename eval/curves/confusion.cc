#include "rcnn/eval/curves/confusion.h"

#include <algorithm>
#include <mutex>
#include <numeric>

#include "absl/types/span.h"
#include "rcnn/eval/image_lists.h"
#include "rcnn/eval/parallel_for.h"

namespace rcnn::eval {
namespace {

struct Pair {
  double iou = 0;
  bool same_class = false;
  uint32_t detection = 0;  // positions in the lists of the image
  uint32_t object = 0;
};

bool BetterPair(const Pair& a, const Pair& b) {
  if (a.iou != b.iou) return a.iou > b.iou;
  if (a.same_class != b.same_class) return a.same_class;
  return a.detection != b.detection ? a.detection < b.detection : a.object < b.object;
}

class ImagePairing {
 public:
  ImagePairing(const GroundTruth& truth, const Detections& detections, const ImageLists& lists,
               const ConfusionOptions& options)
      : truth_(truth),
        detections_(detections),
        lists_(lists),
        options_(options),
        similarity_(truth, detections, options.shapes) {}

  // Appends a cell of count 1 for each pair and each item without one.
  void Count(int64_t image, std::vector<ConfusionCell>& cells) {
    Gather(image);
    FindPairs();
    const auto background = static_cast<int32_t>(truth_.categories.size());
    std::vector<bool> paired(found_.size());
    std::vector<bool> covered(objects_.size());
    for (const Pair& pair : pairs_) {
      if (paired[pair.detection] || covered[pair.object]) continue;
      paired[pair.detection] = covered[pair.object] = true;
      cells.push_back({ObjectClass(objects_[pair.object]), FoundClass(found_[pair.detection]), 1});
    }
    for (size_t i = 0; i < objects_.size(); ++i) {
      if (!covered[i]) cells.push_back({ObjectClass(objects_[i]), background, 1});
    }
    for (size_t i = 0; i < found_.size(); ++i) {
      if (!paired[i] && !LiesInRegion(found_[i])) {
        cells.push_back({background, FoundClass(found_[i]), 1});
      }
    }
  }

 private:
  int32_t ObjectClass(uint32_t g) const { return lists_.annotation_classes[g]; }
  int32_t FoundClass(uint32_t d) const { return lists_.detection_classes[d]; }

  void Gather(int64_t image) {
    found_.clear();
    objects_.clear();
    regions_.clear();
    for (uint32_t d : lists_.DetectionsAt(image)) {
      if (!(detections_.scores[d] >= options_.min_score)) break;
      found_.push_back(d);
    }
    for (uint32_t g : lists_.AnnotationsAt(image)) {
      const Annotation& a = truth_.annotations[g];
      const bool region = a.crowd || a.ignored || (options_.ignore_difficult && a.difficult);
      (region ? regions_ : objects_).push_back(g);
    }
  }

  void FindPairs() {
    pairs_.clear();
    for (uint32_t i = 0; i < found_.size(); ++i) {
      for (uint32_t j = 0; j < objects_.size(); ++j) {
        const double iou = similarity_.ToObject(found_[i], objects_[j]);
        if (iou < options_.iou_threshold) continue;
        pairs_.push_back({iou, FoundClass(found_[i]) == ObjectClass(objects_[j]), i, j});
      }
    }
    std::sort(pairs_.begin(), pairs_.end(), BetterPair);
  }

  bool LiesInRegion(uint32_t d) const {
    return std::any_of(regions_.begin(), regions_.end(), [&](uint32_t g) {
      return ObjectClass(g) == FoundClass(d) && similarity_.ToRegion(d, g) > options_.iou_threshold;
    });
  }

  const GroundTruth& truth_;
  const Detections& detections_;
  const ImageLists& lists_;
  const ConfusionOptions& options_;
  const ImageSimilarity similarity_;
  std::vector<uint32_t> found_;
  std::vector<uint32_t> objects_;
  std::vector<uint32_t> regions_;
  std::vector<Pair> pairs_;
};

bool Before(const ConfusionCell& a, const ConfusionCell& b) {
  return a.truth != b.truth ? a.truth < b.truth : a.found < b.found;
}

// Sorts cells and adds up equal ones.
void Merge(std::vector<ConfusionCell>& cells) {
  std::sort(cells.begin(), cells.end(), Before);
  size_t kept = 0;
  for (const ConfusionCell& cell : cells) {
    if (kept > 0 && !Before(cells[kept - 1], cell)) {
      cells[kept - 1].count += cell.count;
    } else {
      cells[kept++] = cell;
    }
  }
  cells.resize(kept);
}

}  // namespace

int64_t ConfusionMatrix::Count(int64_t truth, int64_t found) const {
  const ConfusionCell wanted = {static_cast<int32_t>(truth), static_cast<int32_t>(found), 0};
  const auto cell = std::lower_bound(cells.begin(), cells.end(), wanted, Before);
  return cell != cells.end() && !Before(wanted, *cell) ? cell->count : 0;
}

ConfusionMatrix MeasureConfusion(const GroundTruth& truth, const Detections& detections,
                                 const ConfusionOptions& options) {
  const ImageLists lists = GroupByImage(truth, detections, options.threads);
  ConfusionMatrix matrix;
  matrix.options = options;
  matrix.classes = static_cast<int64_t>(truth.categories.size());
  std::mutex mutex;
  constexpr int64_t kBlock = 128;
  ParallelFor((lists.images() + kBlock - 1) / kBlock, options.threads, [&](int64_t block) {
    ImagePairing pairing(truth, detections, lists, options);
    std::vector<ConfusionCell> cells;
    const int64_t end = std::min((block + 1) * kBlock, lists.images());
    for (int64_t i = block * kBlock; i < end; ++i) pairing.Count(i, cells);
    Merge(cells);
    const std::lock_guard<std::mutex> lock(mutex);
    matrix.cells.insert(matrix.cells.end(), cells.begin(), cells.end());
  });
  Merge(matrix.cells);
  return matrix;
}

std::vector<int32_t> MostConfusedClasses(const ConfusionMatrix& matrix, int64_t count) {
  std::vector<int64_t> mistakes(matrix.classes, 0);
  for (const ConfusionCell& cell : matrix.cells) {
    if (cell.truth == cell.found) continue;
    if (cell.truth < matrix.background()) mistakes[cell.truth] += cell.count;
    if (cell.found < matrix.background()) mistakes[cell.found] += cell.count;
  }
  std::vector<int32_t> order(matrix.classes);
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](int32_t a, int32_t b) { return mistakes[a] > mistakes[b]; });
  if (static_cast<int64_t>(order.size()) > count) order.resize(count);
  std::sort(order.begin(), order.end());
  return order;
}

}  // namespace rcnn::eval
