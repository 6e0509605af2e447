#include "rcnn/training/plan/folder_experiment.h"

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <system_error>
#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "rcnn/base/progress.h"
#include "rcnn/base/shutdown.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/data/sources/folder_split.h"
#include "rcnn/data/sources/open_folder.h"
#include "rcnn/training/plan/plan_experiment.h"

namespace rcnn::training {
namespace {

namespace fs = std::filesystem;

constexpr size_t kLeaksShown = 10;

void PrintSplit(const data::FolderSplit& split, size_t notices_before) {
  for (size_t i = notices_before; i < split.notices.size(); ++i) {
    std::printf("  %s\n", split.notices[i].c_str());
  }
  if (split.leaks.empty()) return;
  std::printf(
      "  warning: %zu images have one of the same source in another part, so that its "
      "figures will be too good:\n",
      split.leaks.size());
  for (size_t i = 0; i < split.leaks.size() && i < kLeaksShown; ++i) {
    std::printf("    %s\n", split.leaks[i].c_str());
  }
  if (split.leaks.size() > kLeaksShown) {
    std::printf("    and %zu more (//data:inspect -- FOLDER)\n", split.leaks.size() - kLeaksShown);
  }
}

absl::StatusOr<data::FolderSplit> Split(const data::OpenedFolder& folder,
                                        const FolderExperimentOptions& options,
                                        const std::string& directory) {
  int64_t images = 0;
  for (const data::OpenedPart& part : folder.parts) images += part.images->size();
  data::FolderSplitOptions split;
  split.directory = directory;
  split.hashes.threads = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  split.hashes.cache_file = data::HashCacheFile(folder.folder);
  split.hashes.stop = [] { return ShutdownRequested(); };
  if (options.quiet) return data::SplitFolder(folder, split);
  Progress progress("images compared", images);
  split.hashes.progress = [&] { progress.Add(); };
  absl::StatusOr<data::FolderSplit> result = data::SplitFolder(folder, split);
  progress.Finish();
  return result;
}

}  // namespace

std::string ExperimentName(absl::string_view folder) {
  while (folder.size() > 1 && folder.back() == '/') folder.remove_suffix(1);
  std::error_code error;
  const fs::path path = fs::absolute(std::string(folder), error).lexically_normal();
  std::string name = path.filename().string();
  for (char& c : name) {
    if (!absl::ascii_isalnum(c) && c != '_' && c != '-' && c != '.') c = '_';
  }
  return name.empty() || name[0] == '.' ? absl::StrCat("data", name) : name;
}

absl::StatusOr<FolderExperiment> MakeFolderExperiment(const FolderExperimentOptions& options) {
  RCNN_ASSIGN_OR_RETURN(const data::OpenedFolder folder,
                        data::OpenFolder(options.folder, {.format = options.format,
                                                          .follow_links = options.follow_links}),
                        "--data_root");
  if (!options.quiet) std::printf("%s", data::Describe(folder).c_str());
  FolderExperiment experiment;
  experiment.folder = folder.folder;
  const std::string name = ExperimentName(folder.folder);
  experiment.run_directory =
      options.run_directory.empty() ? absl::StrCat("runs/", name) : options.run_directory;
  std::string directory = experiment.run_directory + "/split";
  std::error_code error;
  if (options.dry_run && !fs::exists(directory, error)) {
    experiment.temporary = std::make_shared<TemporaryDirectory>("rcnn_split");
    directory = experiment.temporary->path() + "/split";
  }
  absl::StatusOr<data::FolderSplit> split = Split(folder, options, directory);
  RCNN_RETURN_IF_ERROR(split.status());
  if (!options.quiet) PrintSplit(*split, folder.notices.size());
  RCNN_ASSIGN_OR_RETURN(experiment.config, PlanExperiment(name, *split));
  return experiment;
}

}  // namespace rcnn::training
