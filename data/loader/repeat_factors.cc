#include "rcnn/data/loader/repeat_factors.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <set>

namespace rcnn::data {
namespace {

std::set<int64_t> Labels(const Dataset& dataset, int64_t image) {
  std::set<int64_t> labels;
  for (const Object& object : dataset.objects(image)) {
    if (!object.crowd) labels.insert(object.label);
  }
  return labels;
}

}  // namespace

std::vector<double> RepeatFactors(const Dataset& dataset, double share) {
  std::vector<double> images_with(static_cast<size_t>(dataset.classes().size()) + 1, 0);
  for (int64_t i = 0; i < dataset.size(); ++i) {
    for (const int64_t label : Labels(dataset, i)) ++images_with[static_cast<size_t>(label)];
  }
  const double wanted = share * static_cast<double>(dataset.size());
  std::vector<double> factors;
  factors.reserve(static_cast<size_t>(dataset.size()));
  for (int64_t i = 0; i < dataset.size(); ++i) {
    double factor = 1;
    for (const int64_t label : Labels(dataset, i)) {
      factor = std::max(factor, std::sqrt(wanted / images_with[static_cast<size_t>(label)]));
    }
    factors.push_back(factor);
  }
  return factors;
}

}  // namespace rcnn::data
