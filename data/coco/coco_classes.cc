#include "rcnn/data/coco/coco_classes.h"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/data/coco/coco_root_category.h"
#include "rcnn/data/core/class_index.h"

namespace rcnn::data {
namespace {

// True unless the config names the root and no other category has its name.
bool LeavesOutRoot(const configs::DatasetConfig& config,
                   const std::vector<CocoCategory>& categories, size_t root) {
  const auto& wanted = config.classes();
  if (std::find(wanted.begin(), wanted.end(), categories[root].name) == wanted.end()) return true;
  return std::count_if(categories.begin(), categories.end(), [&](const CocoCategory& category) {
           return category.name == categories[root].name;
         }) > 1;
}

// The categories by id, without a root; a notice if there was one.
std::vector<CocoCategory> Categories(const configs::DatasetConfig& config,
                                     const CocoInstances& instances, std::string& notice) {
  std::vector<CocoCategory> categories = instances.categories;
  const std::optional<size_t> root = FindRootCategory(instances);
  if (root && LeavesOutRoot(config, categories, *root)) {
    notice =
        absl::StrCat("category 0 (\"", categories[*root].name,
                     "\") is a root without objects of its own; it is left out of the classes");
    categories.erase(categories.begin() + static_cast<std::ptrdiff_t>(*root));
  }
  std::sort(categories.begin(), categories.end(),
            [](const CocoCategory& a, const CocoCategory& b) { return a.id < b.id; });
  return categories;
}

}  // namespace

absl::StatusOr<CocoClasses> ChooseCocoClasses(const configs::DatasetConfig& config,
                                              const CocoInstances& instances) {
  CocoClasses chosen;
  const std::vector<CocoCategory> categories = Categories(config, instances, chosen.notice);
  std::vector<std::string> names;
  for (const CocoCategory& category : categories) names.push_back(category.name);
  if (names.empty()) {
    return absl::InvalidArgumentError(
        "no classes: the list \"categories\" is empty; it holds {\"id\": …, \"name\": …} for each "
        "class");
  }
  std::vector<std::string> wanted(config.classes().begin(), config.classes().end());
  if (wanted.empty()) wanted = names;
  RCNN_ASSIGN_OR_RETURN(ClassIndex in_file, ClassIndex::Create(names), "categories");
  RCNN_ASSIGN_OR_RETURN(ClassIndex index, ClassIndex::Create(wanted), "classes of the config");
  for (const std::string& name : wanted) {
    const int64_t place = in_file.FindLabel(name);
    if (place == 0) {
      return absl::InvalidArgumentError(absl::StrCat(
          "the class \"", name,
          "\" of the config is not one of its categories: ", absl::StrJoin(names, ", ")));
    }
    chosen.classes.category_ids.push_back(categories[static_cast<size_t>(place - 1)].id);
  }
  for (const CocoCategory& category : categories) {
    chosen.labels[category.id] = index.FindLabel(category.name);
  }
  chosen.classes.names = std::move(wanted);
  return chosen;
}

}  // namespace rcnn::data
