#include "rcnn/eval/errors/errors_json.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <numeric>

#include "rcnn/base/json_string.h"

namespace rcnn::eval {
namespace {

using Json = nlohmann::ordered_json;

Json Costs(const std::array<double, kErrorKinds>& dap, const ErrorCounts& counts) {
  Json json = Json::object();
  for (int kind = 0; kind < kErrorKinds; ++kind) {
    json[ErrorName(kind)] = {{"dap", dap[kind]}, {"count", counts[kind]}};
  }
  return json;
}

Json Counts(const ErrorCounts& counts) {
  Json json = Json::object();
  for (int kind = 0; kind < kErrorKinds; ++kind) json[ErrorName(kind)] = counts[kind];
  return json;
}

int64_t Sum(const ErrorCounts& counts) {
  return std::accumulate(counts.begin(), counts.end(), int64_t{0});
}

}  // namespace

std::vector<int64_t> ImagesByErrors(const DetectionErrors& errors) {
  std::vector<int64_t> images;
  for (size_t i = 0; i < errors.image_counts.size(); ++i) {
    if (Sum(errors.image_counts[i]) > 0) images.push_back(static_cast<int64_t>(i));
  }
  std::stable_sort(images.begin(), images.end(), [&](int64_t a, int64_t b) {
    return Sum(errors.image_counts[a]) > Sum(errors.image_counts[b]);
  });
  return images;
}

std::string ErrorsToJson(const GroundTruth& truth, const DetectionErrors& errors,
                         const OracleFixes& fixes) {
  Json json = {{"ap50", fixes.ap},
               {"errors", Costs(fixes.dap, errors.counts)},
               {"false_positives", fixes.false_positives},
               {"false_negatives", fixes.false_negatives},
               {"sizes", Json::array()},
               {"classes", Json::array()},
               {"images", Json::array()}};
  for (int size = 0; size < kErrorSizes; ++size) {
    json["sizes"].push_back({{"size", ErrorSizeName(size)},
                             {"errors", Costs(fixes.size_dap[size], fixes.size_counts[size])}});
  }
  for (size_t k = 0; k < truth.categories.size(); ++k) {
    const ClassFixes& class_fixes = fixes.classes[k];
    json["classes"].push_back({{"id", truth.categories[k].id},
                               {"name", truth.categories[k].name},
                               {"objects", class_fixes.objects},
                               {"detections", class_fixes.detections},
                               {"ap50", class_fixes.ap},
                               {"errors", Costs(class_fixes.dap, errors.class_counts[k])}});
  }
  for (int64_t i : ImagesByErrors(errors)) {
    json["images"].push_back({{"id", truth.images[i].id},
                              {"file_name", truth.images[i].file},
                              {"errors", Counts(errors.image_counts[i])}});
  }
  return PrintableJson(json.dump(1, ' ', false, Json::error_handler_t::replace)) + "\n";
}

}  // namespace rcnn::eval
