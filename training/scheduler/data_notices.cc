#include "rcnn/training/scheduler/data_notices.h"

#include <cstddef>
#include <cstdint>
#include <numeric>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "rcnn/base/counted.h"
#include "rcnn/data/core/dataset.h"

namespace rcnn::training {
namespace {

// Countable objects of each class; index 0 is unused.
std::vector<int64_t> CountObjects(const data::Dataset& dataset) {
  std::vector<int64_t> counts(dataset.classes().names.size() + 1, 0);
  for (int64_t i = 0; i < dataset.size(); ++i) {
    for (const data::Object& object : dataset.objects(i)) {
      const auto label = static_cast<size_t>(object.label);
      if (!object.crowd && !object.difficult && label < counts.size()) ++counts[label];
    }
  }
  return counts;
}

void AddNotices(const std::string& name, const data::Dataset& dataset,
                const std::vector<int64_t>& trained, std::vector<std::string>& notices) {
  const std::vector<int64_t> counts = CountObjects(dataset);
  if (std::accumulate(counts.begin(), counts.end(), int64_t{0}) == 0) {
    notices.push_back(absl::StrCat(name, ": none of the images, ", dataset.size(),
                                   " in all, has an object; its metrics will be null"));
  }
  for (size_t k = 1; k < counts.size(); ++k) {
    if (counts[k] == 0 || (k < trained.size() && trained[k] > 0)) continue;
    notices.push_back(absl::StrCat(name, " has ", Counted(counts[k], "object"), " of the class ",
                                   dataset.classes().names[k - 1],
                                   ", but data.train has none: it cannot be learned"));
  }
}

}  // namespace

std::vector<std::string> DataNotices(const ExperimentRun& run) {
  std::vector<std::string> notices;
  const auto train = run.datasets.find(configs::TRAIN);
  if (train == run.datasets.end()) return notices;
  const std::vector<int64_t> trained = CountObjects(*train->second);
  for (const auto& [role, dataset] : run.datasets) {
    if (role == configs::TRAIN) continue;
    if (role == configs::VALIDATION && !run.config.data().has_validation()) continue;
    AddNotices(absl::StrCat("data.", absl::AsciiStrToLower(configs::DatasetRole_Name(role))),
               *dataset, trained, notices);
  }
  return notices;
}

}  // namespace rcnn::training
