#include "rcnn/training/plan/data_fingerprint.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <set>

namespace rcnn::training {
namespace {

// Sides and numbers of objects of all images.
struct ImageLists {
  std::vector<double> shortest;
  std::vector<double> longest;
  std::vector<double> elongation;
  std::vector<double> objects;
};

void AddSize(const data::ImageInfo& info, ImageLists& lists, DataFingerprint& data) {
  const auto [low, high] = std::minmax(info.width, info.height);
  lists.shortest.push_back(static_cast<double>(low));
  lists.longest.push_back(static_cast<double>(high));
  lists.elongation.push_back(static_cast<double>(high) /
                             static_cast<double>(std::max<int64_t>(low, 1)));
  data.decoded_bytes += 3 * info.width * info.height;
}

// Returns the number of objects.
int64_t AddObjects(const data::Dataset& dataset, int64_t image, DataFingerprint& data) {
  const data::ImageInfo info = dataset.image(image);
  std::set<int64_t> labels;
  int64_t count = 0;
  for (const data::Object& object : dataset.objects(image)) {
    if (object.crowd) continue;
    ++count;
    labels.insert(object.label);
    ++data.classes[static_cast<size_t>(object.label - 1)].objects;
    data.shapes.push_back(
        {object.box, static_cast<double>(info.width), static_cast<double>(info.height)});
  }
  for (const int64_t label : labels) ++data.classes[static_cast<size_t>(label - 1)].images;
  return count;
}

// Keeps an evenly spread sample of kMostShapes.
void Thin(std::vector<ObjectShape>& shapes) {
  if (shapes.size() <= kMostShapes) return;
  const size_t size = shapes.size();
  for (size_t i = 0; i < kMostShapes; ++i) shapes[i] = shapes[i * size / kMostShapes];
  shapes.resize(kMostShapes);
}

double SortedQuantile(std::vector<double>& values, double fraction) {
  std::sort(values.begin(), values.end());
  return Quantile(values, fraction);
}

}  // namespace

double Quantile(const std::vector<double>& sorted, double fraction) {
  if (sorted.empty()) return 0;
  const auto rank = static_cast<int64_t>(std::ceil(fraction * static_cast<double>(sorted.size())));
  return sorted[static_cast<size_t>(
      std::clamp<int64_t>(rank - 1, 0, static_cast<int64_t>(sorted.size()) - 1))];
}

DataFingerprint MeasureFingerprint(const data::Dataset& dataset) {
  DataFingerprint data;
  data.images = dataset.size();
  for (const std::string& name : dataset.classes().names) data.classes.push_back({name});
  ImageLists lists;
  for (int64_t i = 0; i < dataset.size(); ++i) {
    AddSize(dataset.image(i), lists, data);
    const int64_t objects = AddObjects(dataset, i, data);
    data.objects += objects;
    if (objects == 0) ++data.images_without_objects;
    if (objects > 0) lists.objects.push_back(static_cast<double>(objects));
  }
  Thin(data.shapes);
  data.shortest_side_px = SortedQuantile(lists.shortest, 0.5);
  data.longest_side_px = SortedQuantile(lists.longest, 0.5);
  data.elongation = std::max(1.0, SortedQuantile(lists.elongation, 0.95));
  data.objects_per_image = static_cast<int64_t>(SortedQuantile(lists.objects, 0.5));
  data.most_objects = static_cast<int64_t>(SortedQuantile(lists.objects, 1));
  return data;
}

double ScaleFactor(const ObjectShape& shape, const InputScale& scale) {
  const auto [low, high] = std::minmax(shape.image_width, shape.image_height);
  return std::min(scale.shortest_side_px / low, scale.longest_side_px / high);
}

std::vector<double> ObjectSizes(const DataFingerprint& data, const InputScale& scale) {
  std::vector<double> sizes;
  sizes.reserve(data.shapes.size());
  for (const ObjectShape& shape : data.shapes) {
    const double area = static_cast<double>(shape.box.width()) * shape.box.height();
    sizes.push_back(std::sqrt(area) * ScaleFactor(shape, scale));
  }
  std::sort(sizes.begin(), sizes.end());
  return sizes;
}

}  // namespace rcnn::training
