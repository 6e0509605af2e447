#include "rcnn/training/config/experiments_folder.h"

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/training/config/experiment.h"

namespace rcnn::training {
namespace {

constexpr char kFolder[] = "configs";

}  // namespace

std::vector<std::string> ExperimentNames() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(kFolder)) {
    if (entry.path().extension() == ".textproto") names.push_back(entry.path().stem());
  }
  return names;
}

configs::ExperimentConfig LoadNamedExperiment(const std::string& name) {
  const auto config = LoadExperiment(absl::StrCat(kFolder, "/", name, ".textproto"));
  EXPECT_THAT(config, IsOk());
  return config.value_or(configs::ExperimentConfig());
}

}  // namespace rcnn::training
