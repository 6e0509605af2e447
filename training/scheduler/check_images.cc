#include "rcnn/training/scheduler/check_images.h"

#include <cstdint>
#include <cstdio>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "rcnn/base/counted.h"
#include "rcnn/base/printable.h"
#include "rcnn/base/progress.h"
#include "rcnn/base/shutdown.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/base/stored_file.h"
#include "rcnn/data/core/image_check.h"
#include "rcnn/data/image/orientation.h"

namespace rcnn::training {
namespace {

constexpr size_t kNamed = 10;  // images named in the error; further ones are counted

// "data.train: 2 of 15 images cannot be read", the errors of the first ones, and the advice.
std::string Listed(configs::DatasetRole role, const data::Dataset& dataset,
                   const std::vector<absl::Status>& errors, absl::string_view when,
                   absl::string_view advice) {
  const std::string name = absl::AsciiStrToLower(configs::DatasetRole_Name(role));
  std::string text = absl::StrCat("data.", name, ": ", errors.size(), " of ",
                                  Counted(dataset.size(), "image"), " cannot be read", when, ":");
  for (size_t i = 0; i < errors.size() && i < kNamed; ++i) {
    absl::StrAppend(&text, "\n  ", errors[i].message());
  }
  if (errors.size() > kNamed) absl::StrAppend(&text, "\n  and ", errors.size() - kNamed, " more");
  return absl::StrCat(text, "\n", advice);
}

absl::Status Unreadable(configs::DatasetRole role, const data::Dataset& dataset,
                        const std::vector<data::UnreadableImage>& images) {
  std::vector<absl::Status> all, now;
  for (const data::UnreadableImage& image : images) {
    all.push_back(image.error);
    if (IsUnreadableNow(image.error)) now.push_back(image.error);
  }
  // These may be intact, and the others are named by the next run.
  if (!now.empty()) {
    return absl::Status(now.front().code(),
                        Listed(role, dataset, now, " now",
                               "They may be intact. Start the same command again once they can be "
                               "read"));
  }
  return absl::InvalidArgumentError(
      Listed(role, dataset, all, "",
             "Replace them with intact images, or remove them from the list of images; "
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
