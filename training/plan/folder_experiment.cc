#include "rcnn/training/plan/folder_experiment.h"

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "rcnn/base/absolute_path.h"
#include "rcnn/base/counted.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/monotonic_time.h"
#include "rcnn/base/printable.h"
#include "rcnn/base/progress.h"
#include "rcnn/base/shutdown.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/base/stored_file.h"
#include "rcnn/data/core/defect_report.h"
#include "rcnn/data/sources/folder_split.h"
#include "rcnn/data/sources/open_folder.h"
#include "rcnn/training/plan/plan_experiment.h"
#include "rcnn/training/plan/stored_plan.h"
#include "rcnn/training/scheduler/run_lock.h"
#include "rcnn/training/scheduler/run_owner.h"

namespace rcnn::training {
namespace {

namespace fs = std::filesystem;

constexpr size_t kLeaksShown = 10;
constexpr double kDefaultBudgetSeconds = 1800;
constexpr char kJoint[] = "joint";
constexpr char kAlternating[] = "alternating";

void PrintSplit(const data::FolderSplit& split, size_t notices_before) {
  for (size_t i = notices_before; i < split.notices.size(); ++i) {
    std::printf("  %s\n", PrintableMessage(split.notices[i]).c_str());
  }
  if (split.leaks.empty()) return;
  std::printf(
      "  warning: %s from the same source as an image in another part, so metrics "
      "will be too high:\n",
      Counted(split.leaks.size(), "image comes", "images come").c_str());
  for (size_t i = 0; i < split.leaks.size() && i < kLeaksShown; ++i) {
    std::printf("    %s\n", PrintableMessage(split.leaks[i]).c_str());
  }
  if (split.leaks.size() > kLeaksShown) {
    std::printf("    and %zu more (./bazelw run //data:inspect -- FOLDER)\n",
                split.leaks.size() - kLeaksShown);
  }
}

// `split` says where the lists are.
absl::StatusOr<data::FolderSplit> Split(const data::OpenedFolder& folder,
                                        const FolderExperimentOptions& options,
                                        data::FolderSplitOptions split) {
  int64_t images = 0;
  for (const data::OpenedPart& part : folder.parts) images += part.images->size();
  split.hashes.threads = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  split.hashes.cache_file = data::HashCacheFile(folder.folder);
  split.hashes.stop = [] { return ShutdownRequested(); };
  split.records_checksums = !options.dry_run;
  if (options.quiet) return data::SplitFolder(folder, split);
  Progress progress("images compared", images);
  split.hashes.progress = [&] { progress.Add(); };
  split.hashes.known = [&] { progress.Skip(); };
  absl::StatusOr<data::FolderSplit> result = data::SplitFolder(folder, split);
  progress.Finish();
  return result;
}

// The lock of a run directory that exists, so that neither the plan nor the split of a run that is
// going on are replaced. Nothing is locked for a dry run, which reads only.
absl::StatusOr<std::optional<RunLock>> LockExisting(const std::string& run_directory,
                                                    bool dry_run) {
  RCNN_RETURN_IF_ERROR(CheckUsableRunDirectory(run_directory));
  RCNN_ASSIGN_OR_RETURN(const bool is_there, PathExists(run_directory));
  if (!is_there || dry_run) return std::nullopt;
  RCNN_ASSIGN_OR_RETURN(RunLock lock, RunLock::Take(run_directory));
  return std::optional<RunLock>(std::move(lock));
}

// Where the lists of the split are. A dry run writes missing and grown ones to a temporary
// directory.
absl::StatusOr<data::FolderSplitOptions> PlaceSplit(FolderExperiment& experiment, bool dry_run) {
  data::FolderSplitOptions split;
  split.directory = absl::StrCat(experiment.run_directory, "/", kSplitFolder);
  if (!dry_run) return split;
  experiment.temporary = std::make_shared<TemporaryDirectory>("rcnn_split");
  RCNN_RETURN_IF_ERROR(experiment.temporary->status());
  const std::string temporary = experiment.temporary->path() + "/split";
  RCNN_ASSIGN_OR_RETURN(const bool is_there, PathExists(split.directory));
  (is_there ? split.growth_directory : split.directory) = temporary;
  return split;
}

// The same for a directory that was missing, before the first plan is made for it: once the lists
// of the split are there, another command may plan in it too.
absl::StatusOr<RunLock> LockNew(const std::string& run_directory) {
  RCNN_RETURN_IF_ERROR(CreateDirectories(run_directory), "--run_dir");
  RCNN_ASSIGN_OR_RETURN(RunLock lock, RunLock::Take(run_directory));
  RCNN_ASSIGN_OR_RETURN(const bool is_planned, PathExists(PlanPath(run_directory)));
  if (!is_planned) return lock;
  return absl::FailedPreconditionError(
      absl::StrCat(run_directory,
                   ": another command has made a plan in it meanwhile; start this "
                   "one again, or give another --run_dir"));
}

absl::Status CheckSameFolder(const FolderExperiment& experiment, const PlanBasis& stored) {
  if (stored.folder() == experiment.folder) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(experiment.run_directory, ": holds the run of ",
                                                    stored.folder(), ", not of ", experiment.folder,
                                                    "; give another --run_dir"));
}

// Checks the parts that the folder has, not those that the split has made of them.
absl::Status CheckDefects(const data::OpenedFolder& folder, bool allow) {
  for (const data::OpenedPart& part : folder.parts) {
    RCNN_RETURN_IF_ERROR(data::CheckLoss(part.images->defects(), allow), part.name);
  }
  return absl::OkStatus();
}

absl::StatusOr<double> BudgetSeconds(const std::string& text, const PlanBasis* stored) {
  if (text.empty()) return stored != nullptr ? stored->budget_seconds() : kDefaultBudgetSeconds;
  absl::Duration budget;
  const bool valid = absl::ParseDuration(text, &budget) && budget > absl::ZeroDuration() &&
                     budget < absl::InfiniteDuration();
  if (valid) return absl::ToDoubleSeconds(budget);
  return absl::InvalidArgumentError(
      absl::StrCat("--budget: \"", text, "\" is not a time; give for example 20m or 1h30m"));
}

absl::StatusOr<std::string> RecipeName(const std::string& text, const PlanBasis* stored) {
  if (text.empty()) return stored != nullptr ? stored->recipe() : std::string(kJoint);
  if (text == kJoint || text == kAlternating) return text;
  return absl::InvalidArgumentError(
      absl::StrCat("--recipe: \"", text, "\" is not a recipe; give joint or alternating"));
}

// Empty if there is none.
absl::StatusOr<std::string> WeightsDigest(const std::string& path) {
  if (path.empty()) return std::string();
  RCNN_ASSIGN_OR_RETURN(const MappedFile file, MappedFile::Open(path), "--pretrained");
  const FileDigest digest = Digest(file.bytes());
  return absl::StrFormat("%d bytes, CRC-32C %08x", digest.size, digest.crc32c);
}

std::string PartFingerprint(const data::FolderSplit& split, const char* part) {
  const data::OpenedPart* const found = split.FindPart(part);
  return found == nullptr ? "" : found->images->fingerprint();
}

// "" for "".
absl::StatusOr<std::string> Absolute(const std::string& path) {
  if (path.empty()) return path;
  RCNN_ASSIGN_OR_RETURN(const fs::path absolute, AbsolutePath(path));
  return absolute.lexically_normal().string();
}

// `stored`: what replaces flags that are not given; null: their defaults.
absl::StatusOr<PlanBasis> MakeBasis(const FolderExperimentOptions& options,
                                    const std::string& folder, const data::FolderSplit& split,
                                    const PlanBasis* stored) {
  PlanBasis basis;
  basis.set_folder(folder);
  RCNN_ASSIGN_OR_RETURN(const double budget, BudgetSeconds(options.budget, stored));
  RCNN_ASSIGN_OR_RETURN(const std::string recipe, RecipeName(options.recipe, stored));
  basis.set_budget_seconds(budget);
  basis.set_recipe(recipe);
  RCNN_ASSIGN_OR_RETURN(const std::string pretrained, Absolute(options.pretrained), "--pretrained");
  basis.set_pretrained(pretrained.empty() && stored != nullptr ? stored->pretrained() : pretrained);
  RCNN_ASSIGN_OR_RETURN(const std::string digest, WeightsDigest(basis.pretrained()));
  basis.set_pretrained_digest(digest);
  basis.set_train(PartFingerprint(split, "train"));
  basis.set_validation(PartFingerprint(split, "val"));
  basis.set_test(PartFingerprint(split, "test"));
  basis.set_threads(options.threads);
  return basis;
}

// When the command began, and what opening the folder has taken.
struct Clock {
  absl::Time start;
  absl::Duration opening;
};

PlanRequest MakeRequest(const FolderExperimentOptions& options, const std::string& name,
                        const PlanBasis& basis, const Clock& clock) {
  PlanRequest request;
  request.name = name;
  request.measure_speed = options.measure_speed;
  request.budget = absl::Seconds(basis.budget_seconds());
  request.start = clock.start;
  request.opening = clock.opening;
  request.recipe = basis.recipe() == kAlternating ? Recipe::kAlternating : Recipe::kJoint;
  request.pretrained_file = basis.pretrained();
  return request;
}

void UsePlan(const StoredPlan& plan, FolderExperiment& experiment) {
  experiment.config = plan.config;
  experiment.edited = plan.edited;
  experiment.explanation.assign(plan.basis.explanation().begin(), plan.basis.explanation().end());
}

// The stored plan if nothing that it was made from has changed, else a new one. `lock`: of the run
// directory; none in a dry run.
absl::Status FindPlan(const FolderExperimentOptions& options, const data::FolderSplit& split,
                      const std::optional<StoredPlan>& stored, const Clock& clock,
                      std::optional<RunLock>& lock, FolderExperiment& experiment) {
  const PlanBasis* const defaults = stored && !options.replan ? &stored->basis : nullptr;
  StoredPlan plan;
  RCNN_ASSIGN_OR_RETURN(plan.basis, MakeBasis(options, experiment.folder, split, defaults));
  if (stored) experiment.changes = PlanChanges(stored->basis, plan.basis);
  if (options.replan && stored) experiment.changes.push_back("--replan");
  if (stored && experiment.changes.empty()) {
    UsePlan(*stored, experiment);
    return absl::OkStatus();
  }
  if (!options.quiet) std::printf("measuring the speed of this machine ...\n");
  std::fflush(stdout);
  const std::string name = ExperimentName(experiment.folder);
  RCNN_ASSIGN_OR_RETURN(Plan made,
                        PlanExperiment(MakeRequest(options, name, plan.basis, clock), split));
  plan.config = std::move(made.config);
  for (const std::string& line : made.explanation) plan.basis.add_explanation(line);
  *plan.basis.mutable_time() = std::move(made.time);
  UsePlan(plan, experiment);
  if (options.dry_run) return absl::OkStatus();
  // Planning took long, and the directory may be another one by now.
  if (lock) RCNN_RETURN_IF_ERROR(lock->Check());
  RCNN_ASSIGN_OR_RETURN(experiment.kept_plan, WriteStoredPlan(experiment.run_directory, plan));
  return absl::OkStatus();
}

void PrintPlan(const FolderExperiment& experiment, bool dry_run) {
  if (!experiment.changes.empty()) {
    std::printf(
        "planned again because of: %s\nStages that differ rerun, as the table below says; their "
        "results stay until the new ones are done.\n",
        PrintableMessage(absl::StrJoin(experiment.changes, "; ")).c_str());
  }
  if (!experiment.kept_plan.empty()) {
    std::printf(
        "the plan before this one may have been edited, and is kept as %s; to use it, give it with "
        "--config\n",
        Printable(experiment.kept_plan).c_str());
  }
  const std::string path = Printable(PlanPath(experiment.run_directory));
  std::printf("plan%s%s%s\n", dry_run ? "" : " ", dry_run ? "" : path.c_str(),
              experiment.edited ? ", edited since it was made" : "");
  for (const std::string& line : experiment.explanation) {
    std::printf("  %s\n", PrintableMessage(line).c_str());
  }
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
  Clock clock = {MonotonicNow(), absl::ZeroDuration()};
  // Reading a large folder takes long, so first what can be wrong without it.
  RCNN_RETURN_IF_ERROR(BudgetSeconds(options.budget, nullptr).status());
  RCNN_RETURN_IF_ERROR(RecipeName(options.recipe, nullptr).status());
  RCNN_ASSIGN_OR_RETURN(
      const data::OpenedFolder folder,
      data::OpenFolder(options.folder, {.format = options.format,
                                        .follow_links = options.follow_links,
                                        .box_units = options.box_units,
                                        .exif_orientation = options.exif_orientation}),
      "--data_root");
  clock.opening = MonotonicNow() - clock.start;
  if (!options.quiet) std::printf("%s", PrintableLines(data::Describe(folder)).c_str());
  FolderExperiment experiment;
  experiment.folder = folder.folder;
  const std::string name = ExperimentName(folder.folder);
  experiment.run_directory =
      options.run_directory.empty() ? absl::StrCat("runs/", name) : options.run_directory;
  RCNN_ASSIGN_OR_RETURN(std::optional<RunLock> lock,
                        LockExisting(experiment.run_directory, options.dry_run));
  RCNN_ASSIGN_OR_RETURN(const std::optional<StoredPlan> stored,
                        ReadStoredPlan(experiment.run_directory));
  if (stored) RCNN_RETURN_IF_ERROR(CheckSameFolder(experiment, stored->basis));
  RCNN_ASSIGN_OR_RETURN(const data::FolderSplitOptions place,
                        PlaceSplit(experiment, options.dry_run));
  absl::StatusOr<data::FolderSplit> split = Split(folder, options, place);
  RCNN_RETURN_IF_ERROR(split.status());
  if (!options.quiet) PrintSplit(*split, folder.notices.size());
  RCNN_RETURN_IF_ERROR(CheckDefects(folder, options.allow_defects));
  if (!lock && !options.dry_run) {
    RCNN_ASSIGN_OR_RETURN(lock, LockNew(experiment.run_directory));
  }
  RCNN_RETURN_IF_ERROR(FindPlan(options, *split, stored, clock, lock, experiment));
  if (!options.quiet) PrintPlan(experiment, options.dry_run);
  return experiment;
}

}  // namespace rcnn::training
