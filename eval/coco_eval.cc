// Each category runs on one thread. Its detections are sorted by score once, over
// all images, and visited from the best down:
//
//   the detections of one image come in descending order of score, so counting them
//   gives each its rank on its image, and matching them on arrival equals the
//   official matching of that image;
//   precision and recall accumulate in the same order.
//
// So there are no per-image lists. Besides four bytes per detection, a category
// needs memory only for its matches.

#include "rcnn/eval/coco_eval.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include "absl/strings/str_cat.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/eval/category_order.h"
#include "rcnn/eval/coco_accumulate.h"
#include "rcnn/eval/coco_matching.h"
#include "rcnn/eval/id_index.h"
#include "rcnn/eval/parallel_for.h"
#include "rcnn/eval/score_order.h"

namespace rcnn::eval {
namespace {

absl::Status Invalid(absl::string_view what) { return absl::InvalidArgumentError(what); }

absl::Status CheckDetections(const Detections& detections, const CategoryOrder& order) {
  for (int64_t i = 0; i < detections.size(); ++i) {
    if (order.images[i] < 0) {
      return Invalid(absl::StrCat("detection ", i, " (the first is 0): image_id ",
                                  detections.image_ids[i], " is not an image of the dataset"));
    }
    if (!std::isfinite(detections.scores[i])) {
      return Invalid(
          absl::StrCat("detection ", i, " (the first is 0): score is ", detections.scores[i]));
    }
  }
  return absl::OkStatus();
}

CategoryOrder OrderAnnotations(const GroundTruth& truth, const IdIndex& categories,
                               const IdIndex& images) {
  std::vector<int64_t> category_ids;
  std::vector<int64_t> image_ids;
  for (const Annotation& annotation : truth.annotations) {
    category_ids.push_back(annotation.category_id);
    image_ids.push_back(annotation.image_id);
  }
  return OrderByCategory(category_ids, image_ids, categories, images, /*threads=*/1);
}

// Evaluates categories, one after the other.
class CategoryEvaluator {
 public:
  CategoryEvaluator(const GroundTruth& truth, const Detections& detections,
                    const CocoSimilarity& similarity, const CategoryOrder& annotations,
                    CategoryOrder& order, CocoEvaluation& evaluation)
      : truth_(truth),
        detections_(detections),
        similarity_(similarity),
        annotation_order_(annotations),
        order_(order),
        evaluation_(evaluation),
        max_rank_(evaluation.options.max_detections.back()),
        matcher_(evaluation.options),
        accumulator_(evaluation.options),
        images_(truth.images.size()) {}

  void Run(int64_t k) {
    annotations_ = annotation_order_.OfCategory(k);
    StartAnnotations(k);
    const absl::Span<uint32_t> items =
        absl::MakeSpan(order_.items).subspan(order_.begin[k], order_.Count(k));
    sorter_.Sort(detections_.scores, items);
    accumulator_.StartCategory();
    for (uint32_t i : items) Add(i);
    accumulator_.Write(k, positives_, evaluation_);
    for (uint32_t i : items) images_[order_.images[i]] = {};
    for (uint32_t i : annotations_) images_[annotation_order_.images[i]] = {};
  }

 private:
  // The state of an image for the current category.
  struct Image {
    int32_t detections = 0;  // so far
    int32_t annotations_begin = 0;
    int32_t annotations_count = 0;
  };

  void StartAnnotations(int64_t k) {
    pointers_.clear();
    positives_.assign(evaluation_.A(), 0);
    for (size_t i = 0; i < annotations_.size(); ++i) {
      const Annotation& annotation = truth_.annotations[annotations_[i]];
      pointers_.push_back(&annotation);
      Image& image = images_[annotation_order_.images[annotations_[i]]];
      if (image.annotations_count++ == 0) image.annotations_begin = static_cast<int32_t>(i);
      evaluation_.annotation_counts[k] += !annotation.crowd && !annotation.ignored;
      for (int64_t a = 0; a < evaluation_.A(); ++a) {
        positives_[a] += !IsIgnored(annotation, evaluation_.options.areas[a]);
      }
    }
    matcher_.Start(pointers_);
  }

  void Add(uint32_t i) {
    Image& image = images_[order_.images[i]];
    const int64_t rank = image.detections++;
    if (rank >= max_rank_) return;
    accumulator_.AddDetection(detections_.scores[i], rank, similarity_.Area(i));
    if (image.annotations_count == 0) return;
    const int64_t first = image.annotations_begin;
    similarities_.resize(image.annotations_count);
    similarity_.Compare(i, annotations_.subspan(first, similarities_.size()), similarities_.data());
    if (!matcher_.Match(first, similarities_)) return;
    accumulator_.AddMatch(matcher_.true_positives(), matcher_.ignored_matches());
  }

  const GroundTruth& truth_;
  const Detections& detections_;
  const CocoSimilarity& similarity_;
  const CategoryOrder& annotation_order_;
  CategoryOrder& order_;
  CocoEvaluation& evaluation_;
  const int64_t max_rank_;
  ScoreSorter sorter_;
  GreedyMatcher matcher_;
  CategoryAccumulator accumulator_;
  std::vector<Image> images_;               // all zero between categories
  absl::Span<const uint32_t> annotations_;  // of the category
  std::vector<const Annotation*> pointers_;
  std::vector<int64_t> positives_;  // [A]
  std::vector<double> similarities_;
};

// Largest category first, so that no thread works on it alone at the end.
std::vector<int64_t> LargestFirst(const CategoryOrder& order) {
  std::vector<int64_t> categories(order.begin.size() - 1);
  std::iota(categories.begin(), categories.end(), 0);
  std::stable_sort(categories.begin(), categories.end(),
                   [&](int64_t a, int64_t b) { return order.Count(a) > order.Count(b); });
  return categories;
}

CocoEvaluation StartEvaluation(const GroundTruth& truth, const CocoEvalOptions& options) {
  CocoEvaluation evaluation;
  evaluation.options = options;
  std::sort(evaluation.options.max_detections.begin(), evaluation.options.max_detections.end());
  evaluation.categories = truth.categories;
  evaluation.curves.resize(evaluation.K());
  evaluation.recall.assign(evaluation.T() * evaluation.K() * evaluation.A() * evaluation.M(), -1.0);
  evaluation.annotation_counts.assign(evaluation.K(), 0);
  return evaluation;
}

}  // namespace

absl::StatusOr<CocoEvaluation> EvaluateCoco(const GroundTruth& truth, const Detections& detections,
                                            const CocoEvalOptions& options) {
  return EvaluateCoco(truth, detections, BoxSimilarity(truth, detections), options);
}

absl::StatusOr<CocoEvaluation> EvaluateCoco(const GroundTruth& truth, const Detections& detections,
                                            const CocoSimilarity& similarity,
                                            const CocoEvalOptions& options) {
  RCNN_RETURN_IF_ERROR(CheckOptions(options));
  if (detections.size() > std::numeric_limits<uint32_t>::max()) {
    return Invalid(absl::StrCat(detections.size(), " detections: the limit is 2^32 - 1"));
  }
  const IdIndex categories(truth.categories);
  const IdIndex images(truth.images);
  CategoryOrder order = OrderByCategory(detections.category_ids, detections.image_ids, categories,
                                        images, options.threads);
  RCNN_RETURN_IF_ERROR(CheckDetections(detections, order));
  const CategoryOrder annotations = OrderAnnotations(truth, categories, images);
  CocoEvaluation evaluation = StartEvaluation(truth, options);
  const std::vector<int64_t> queue = LargestFirst(order);
  for (int64_t k = 0; k < evaluation.K(); ++k) {
    evaluation.detection_counts.push_back(order.Count(k));
  }
  std::atomic<size_t> next{0};
  const int threads = options.threads > 0 ? options.threads : AllowedCores();
  ParallelFor(std::min<int64_t>(threads, evaluation.K()), threads, [&](int64_t) {
    CategoryEvaluator evaluator(truth, detections, similarity, annotations, order, evaluation);
    for (size_t i = next.fetch_add(1); i < queue.size(); i = next.fetch_add(1)) {
      evaluator.Run(queue[i]);
    }
  });
  return evaluation;
}

}  // namespace rcnn::eval
