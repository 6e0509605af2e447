// Announcements of rank 0, in order: the run directory, the indices of stages as decimal numbers,
// kEnd.

#include "rcnn/training/scheduler/rank_steps.h"

#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <system_error>

#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "rcnn/base/absolute_path.h"
#include "rcnn/base/device_probe.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/host_name.h"
#include "rcnn/base/monotonic_time.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/base/stored_file.h"
#include "rcnn/training/distributed/agreement.h"
#include "rcnn/training/stages/stage_device.h"
#include "rcnn/training/stages/stage_runner.h"

namespace rcnn::training {
namespace {

constexpr char kEnd[] = "end";
constexpr char kTokenFile[] = "ranks.txt";
constexpr int64_t kMaxTokenBytes = 4096;

// Unlike any token that an earlier run has left.
std::string MakeToken() {
  return absl::StrCat("process ", getpid(), " on ", HostName(), ", ",
                      absl::ToUnixNanos(absl::Now()), "\n");
}

absl::Status WaitForToken(const std::string& path, const std::string& token, absl::Duration wait) {
  const absl::Time deadline = MonotonicNow() + wait;
  while (true) {
    const absl::StatusOr<std::string> text = ReadFile(path, {.max_bytes = kMaxTokenBytes});
    if (text.ok() && *text == token) return absl::OkStatus();
    if (MonotonicNow() >= deadline) {
      if (IsUnreadableNow(text.status())) return Annotate(text.status(), "on " + HostName());
      break;
    }
    absl::SleepFor(absl::Milliseconds(100));
  }
  return absl::FailedPreconditionError(absl::StrCat(
      "on ", HostName(), ", ", path,
      ", which rank 0 has written, is missing or another file; all "
      "machines need the run directory: choose one on a shared file system with --run_dir"));
}

// Every part of the keys, including those at their defaults, so that two ranks have the same names.
Facts MakeFacts(const std::vector<PlannedStage>& plan) {
  Facts facts;
  for (const PlannedStage& stage : plan) {
    FieldMap fields = stage.parts;
    fields.insert(stage.defaults.begin(), stage.defaults.end());
    for (const auto& [name, value] : fields) {
      facts.emplace_back(absl::StrCat(name, " of stage ", stage.name), value);
    }
  }
  return facts;
}

absl::Status RunNamedStage(const ExperimentRun& run, const std::string& announced) {
  int index = 0;
  if (!absl::SimpleAtoi(announced, &index) || index < 0 || index >= run.config.stages_size()) {
    return absl::InternalError(absl::StrCat("rank 0 has named no stage, but ", announced));
  }
  const configs::StageConfig& stage = run.config.stages(index);
  RCNN_RETURN_IF_ERROR(RunStage(run, stage).status(), absl::StrCat("stage ", stage.name()));
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckSameRun(RankGroup& ranks, const std::vector<PlannedStage>& plan) {
  return ranks.CheckSame(MakeFacts(plan));
}

absl::Status ConnectDevices(ExperimentRun& run) {
  RankGroup& ranks = *run.ranks;
  const Facts facts = {{"resources.device", run.device.is_cpu() ? "CPU" : "CUDA"}};
  RCNN_RETURN_IF_ERROR(ranks.CheckSame(facts));
  if (run.device.is_cpu()) return absl::OkStatus();
  RCNN_ASSIGN_OR_RETURN(run.device, DeviceOfRank(run.device, ranks.local_rank(), ProbeDevices()));
  return ranks.ConnectDevice(run.device);
}

absl::Status CheckSharedDirectory(RankGroup& ranks, const std::string& directory,
                                  absl::Duration wait) {
  const std::string path = absl::StrCat(directory, "/", kTokenFile);
  absl::StatusOr<std::string> token = MakeToken();
  if (ranks.rank() == 0) {
    const absl::Status written = WriteFileAtomically(path, *token).status();
    if (!written.ok()) token = written;
  }
  RCNN_ASSIGN_OR_RETURN(const std::string expected, ResultOfFirst(ranks, token));
  const absl::Status agreed =
      Agree(ranks, ranks.rank() == 0 ? absl::OkStatus() : WaitForToken(path, expected, wait));
  std::error_code ignored;
  if (ranks.rank() == 0) std::filesystem::remove(path, ignored);
  return agreed;
}

absl::Status LeadRanks(RankGroup& ranks, const std::string& run_directory) {
  RCNN_ASSIGN_OR_RETURN(const std::string path, AbsolutePath(run_directory), "--run_dir");
  RCNN_RETURN_IF_ERROR(ranks.Announce(path));
  return CheckSharedDirectory(ranks, run_directory);
}

absl::Status StartStage(RankGroup& ranks, size_t index) {
  return ranks.Announce(absl::StrCat(index));
}

absl::Status DismissRanks(RankGroup& ranks) { return ranks.Announce(kEnd); }

absl::Status FollowRankZero(ExperimentRun run, const std::vector<PlannedStage>& plan) {
  RankGroup& ranks = *run.ranks;
  RCNN_ASSIGN_OR_RETURN(const std::string directory, ranks.Await());
  RCNN_RETURN_IF_ERROR(CheckSharedDirectory(ranks, directory));
  run.events_directory = directory;
  for (const PlannedStage& stage : plan) {
    run.directories[stage.name] = absl::StrCat(directory, "/", stage.directory);
    run.keys[stage.name] = stage.key;
  }
  while (true) {
    RCNN_ASSIGN_OR_RETURN(const std::string announced, ranks.Await());
    if (announced == kEnd) return absl::OkStatus();
    RCNN_RETURN_IF_ERROR(RunNamedStage(run, announced));
  }
}

}  // namespace rcnn::training
