#include "rcnn/training/scheduler/check_images.h"

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "rcnn/base/progress.h"
#include "rcnn/base/shutdown.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/data/core/image_check.h"

namespace rcnn::training {
namespace {

constexpr size_t kNamed = 10;  // more are counted

absl::Status Unreadable(configs::DatasetRole role, const data::Dataset& dataset,
                        const std::vector<data::UnreadableImage>& images) {
  const std::string name = absl::AsciiStrToLower(configs::DatasetRole_Name(role));
  std::string text = absl::StrCat("data.", name, ": ", images.size(), " of ", dataset.size(),
                                  " images cannot be read:");
  for (size_t i = 0; i < images.size() && i < kNamed; ++i) {
    absl::StrAppend(&text, "\n  ", images[i].error.message());
  }
  if (images.size() > kNamed) absl::StrAppend(&text, "\n  and ", images.size() - kNamed, " more");
  return absl::InvalidArgumentError(
      absl::StrCat(text,
                   "\nReplace them by intact images, or remove them from the list of images; "
                   "--norehearse skips this check, and training then stops at the first of them"));
}

// A dataset with two roles is checked once.
std::set<const data::Dataset*> ListDatasets(const ExperimentRun& run) {
  std::set<const data::Dataset*> datasets;
  for (const auto& [role, dataset] : run.datasets) datasets.insert(dataset.get());
  return datasets;
}

}  // namespace

absl::Status CheckImages(const ExperimentRun& run, bool quiet) {
  std::set<const data::Dataset*> left = ListDatasets(run);
  int64_t total = 0;
  for (const data::Dataset* dataset : left) total += dataset->size();
  ProgressOptions printed;
  printed.quiet = quiet;
  Progress progress("checking the images", total, 0, printed);
  data::ImageCheckOptions options;
  options.progress = [&] { progress.Add(); };
  options.stop = ShutdownRequested;
  for (const auto& [role, dataset] : run.datasets) {
    if (left.erase(dataset.get()) == 0) continue;
    RCNN_ASSIGN_OR_RETURN(const std::vector<data::UnreadableImage> unreadable,
                          data::FindUnreadableImages(*dataset, options));
    if (!unreadable.empty()) return Unreadable(role, *dataset, unreadable);
  }
  return absl::OkStatus();
}

}  // namespace rcnn::training
