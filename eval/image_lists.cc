#include "rcnn/eval/image_lists.h"

#include <algorithm>

#include "rcnn/eval/id_index.h"
#include "rcnn/eval/parallel_for.h"

namespace rcnn::eval {
namespace {

// Stable counting sort of items by their image; those of image -1 are left out.
void SortByImage(const std::vector<int32_t>& image, int64_t images, std::vector<uint32_t>& begin,
                 std::vector<uint32_t>& sorted) {
  begin.assign(images + 1, 0);
  for (int32_t i : image) {
    if (i >= 0) ++begin[i + 1];
  }
  for (int64_t i = 0; i < images; ++i) begin[i + 1] += begin[i];
  std::vector<uint32_t> next(begin.begin(), begin.end() - 1);
  sorted.resize(begin.back());
  for (size_t item = 0; item < image.size(); ++item) {
    if (image[item] >= 0) sorted[next[image[item]]++] = static_cast<uint32_t>(item);
  }
}

}  // namespace

ImageLists GroupByImage(const GroundTruth& truth, const Detections& detections, int threads) {
  const IdIndex image_index(truth.images);
  const IdIndex class_index(truth.categories);
  const auto images = static_cast<int64_t>(truth.images.size());
  ImageLists lists;
  std::vector<int32_t> image(detections.size());
  lists.detection_classes.resize(detections.size());
  for (int64_t d = 0; d < detections.size(); ++d) {
    const auto k = static_cast<int32_t>(class_index.Find(detections.category_ids[d]));
    lists.detection_classes[d] = k;
    image[d] = k < 0 ? -1 : static_cast<int32_t>(image_index.Find(detections.image_ids[d]));
  }
  SortByImage(image, images, lists.detections_begin, lists.detections);
  image.resize(truth.annotations.size());
  lists.annotation_classes.resize(truth.annotations.size());
  for (size_t g = 0; g < truth.annotations.size(); ++g) {
    const Annotation& annotation = truth.annotations[g];
    const auto k = static_cast<int32_t>(class_index.Find(annotation.category_id));
    lists.annotation_classes[g] = k;
    image[g] = k < 0 ? -1 : static_cast<int32_t>(image_index.Find(annotation.image_id));
  }
  SortByImage(image, images, lists.annotations_begin, lists.annotations);
  const std::vector<double>& scores = detections.scores;
  ParallelFor(images, threads, [&](int64_t i) {
    // The counting sort was stable, so that indices ascend and break ties.
    std::sort(lists.detections.begin() + lists.detections_begin[i],
              lists.detections.begin() + lists.detections_begin[i + 1],
              [&](uint32_t a, uint32_t b) {
                return scores[a] != scores[b] ? scores[a] > scores[b] : a < b;
              });
  });
  return lists;
}

}  // namespace rcnn::eval
