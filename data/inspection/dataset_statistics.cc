#include "rcnn/data/inspection/dataset_statistics.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "rcnn/data/core/sample.h"

namespace rcnn::data {
namespace {

constexpr int kBarWidth = 40;
constexpr size_t kLeastWidth = 24;
constexpr size_t kLongestName = 40;  // in code points, which take up to two columns

void AddObjects(const std::vector<Object>& objects, DatasetStatistics& statistics) {
  std::vector<bool> seen(statistics.classes.size(), false);
  for (const Object& object : objects) {
    ClassCounts& counts = statistics.classes[object.label - 1];
    ++counts.objects;
    counts.difficult += object.difficult ? 1 : 0;
    counts.crowd += object.crowd ? 1 : 0;
    if (!seen[object.label - 1]) ++counts.images;
    seen[object.label - 1] = true;
    statistics.sizes.Add(std::sqrt(object.xywh[2] * object.xywh[3]));
    statistics.aspects.Add(object.xywh[2] / object.xywh[3]);
  }
}

std::string RangeName(const Histogram& histogram, size_t i) {
  if (i == 0) return absl::StrCat("< ", histogram.edges[0]);
  if (i == histogram.edges.size()) return absl::StrCat(">= ", histogram.edges.back());
  return absl::StrCat(histogram.edges[i - 1], " to ", histogram.edges[i]);
}

std::string Bars(absl::string_view title, const Histogram& histogram) {
  const int64_t largest = *std::max_element(histogram.counts.begin(), histogram.counts.end());
  std::string text = absl::StrCat(title, "\n");
  for (size_t i = 0; i < histogram.counts.size(); ++i) {
    const int64_t count = histogram.counts[i];
    const int64_t length = largest == 0 ? 0 : (count * kBarWidth + largest - 1) / largest;
    absl::StrAppendFormat(&text, "  %12s %9d %s\n", RangeName(histogram, i), count,
                          std::string(static_cast<size_t>(length), '#'));
  }
  return text;
}

}  // namespace

void Histogram::Add(double value) {
  ++counts[std::upper_bound(edges.begin(), edges.end(), value) - edges.begin()];
}

DatasetStatistics ComputeStatistics(const Dataset& dataset) {
  DatasetStatistics statistics;
  statistics.images = dataset.size();
  statistics.classes.resize(static_cast<size_t>(dataset.classes().size()));
  for (int64_t i = 0; i < dataset.size(); ++i) {
    const std::vector<Object> objects = dataset.objects(i);
    statistics.objects += static_cast<int64_t>(objects.size());
    if (objects.empty()) ++statistics.images_without_objects;
    statistics.objects_per_image.Add(static_cast<double>(objects.size()));
    AddObjects(objects, statistics);
  }
  return statistics;
}

ClassColumn::ClassColumn(const ClassList& classes)
    : classes_(classes), width_(kLeastWidth, 2 * kLongestName) {
  for (const std::string& name : classes.names) width_.Add(ShortName(name, kLongestName));
}

std::string ClassColumn::Name(size_t k) const {
  return width_.Pad(ShortName(classes_.names[k], kLongestName));
}

std::string ToString(const DatasetStatistics& statistics, const ClassList& classes) {
  const ClassColumn column(classes);
  std::string text = absl::StrFormat("%s %9s %9s %9s %9s\n", column.Pad("class"), "objects",
                                     "images", "difficult", "crowd");
  for (size_t k = 0; k < statistics.classes.size(); ++k) {
    const ClassCounts& counts = statistics.classes[k];
    absl::StrAppendFormat(&text, "%s %9d %9d %9d %9d\n", column.Name(k), counts.objects,
                          counts.images, counts.difficult, counts.crowd);
  }
  absl::StrAppend(&text, "\n", Bars("size: sqrt(width * height), pixels", statistics.sizes), "\n",
                  Bars("aspect: width / height", statistics.aspects), "\n",
                  Bars("objects per image", statistics.objects_per_image));
  return text;
}

}  // namespace rcnn::data
