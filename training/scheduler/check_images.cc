#include "rcnn/training/scheduler/check_images.h"

#include <cstdint>
#include <cstdio>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "rcnn/base/counted.h"
#include "rcnn/base/printable.h"
#include "rcnn/base/progress.h"
#include "rcnn/base/shutdown.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/data/core/image_check.h"
#include "rcnn/data/image/orientation.h"

namespace rcnn::training {
namespace {

constexpr size_t kNamed = 10;  // images named in the error; further ones are counted

absl::Status Unreadable(configs::DatasetRole role, const data::Dataset& dataset,
                        const std::vector<data::UnreadableImage>& images) {
  const std::string name = absl::AsciiStrToLower(configs::DatasetRole_Name(role));
  std::string text = absl::StrCat("data.", name, ": ", images.size(), " of ",
                                  Counted(dataset.size(), "image"), " cannot be read:");
  for (size_t i = 0; i < images.size() && i < kNamed; ++i) {
    absl::StrAppend(&text, "\n  ", images[i].error.message());
  }
  if (images.size() > kNamed) absl::StrAppend(&text, "\n  and ", images.size() - kNamed, " more");
  return absl::InvalidArgumentError(
      absl::StrCat(text,
                   "\nReplace them with intact images, or remove them from the list of images; "
                   "--norehearse skips this check, and training then stops at the first of them"));
}

// Images that viewers turn, in datasets that do not say which view their boxes refer to.
struct TurnedImages {
  int64_t count = 0;
  std::string first;
};

void PrintNotice(configs::DatasetRole role, const TurnedImages& turned) {
  const std::string name = absl::AsciiStrToLower(configs::DatasetRole_Name(role));
  std::printf(
      "data.%s: %d %s an EXIF orientation by which viewers turn it, such as %s. Boxes are assumed "
      "to refer to the images as stored. If they do, set the field exif_orientation: NOT_APPLIED; "
      "if they refer to the turned view, APPLIED\n",
      name.c_str(), static_cast<int>(turned.count), turned.count == 1 ? "image has" : "images have",
      Printable(turned.first).c_str());
}

const configs::DatasetConfig& FindConfig(const ExperimentRun& run, configs::DatasetRole role) {
  const configs::ExperimentData& data = run.config.data();
  if (role == configs::TRAIN) return data.train();
  return role == configs::TEST ? data.test() : data.validation();
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
  printed.unit = "images";
  Progress progress("checking the images", total, 0, printed);
  data::ImageCheckOptions options;
  options.progress = [&] { progress.Add(); };
  options.stop = ShutdownRequested;
  for (const auto& [role, dataset] : run.datasets) {
    if (left.erase(dataset.get()) == 0) continue;
    TurnedImages turned;
    options.found_turned = [&, images = dataset.get()](int64_t index, data::Orientation) {
      if (turned.count++ == 0) turned.first = images->image(index).name;
    };
    RCNN_ASSIGN_OR_RETURN(const std::vector<data::UnreadableImage> unreadable,
                          data::FindUnreadableImages(*dataset, options));
    if (turned.count > 0 && !quiet && !FindConfig(run, role).has_exif_orientation()) {
      PrintNotice(role, turned);
    }
    if (!unreadable.empty()) return Unreadable(role, *dataset, unreadable);
  }
  return absl::OkStatus();
}

}  // namespace rcnn::training
