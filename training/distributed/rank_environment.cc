#include "rcnn/training/distributed/rank_environment.h"

#include <unistd.h>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "rcnn/base/status_macros.h"

namespace rcnn::training {
namespace {

struct Launcher {
  const char* name;
  const char* rank;
  const char* world_size;
  const char* local_rank;
  // The number of ranks on this machine, or of machines; null: the launcher does not say.
  const char* local_size;
  const char* machines;
};

constexpr Launcher kLaunchers[] = {
    {"torchrun", "RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", nullptr},
    {"Open MPI", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK",
     "OMPI_COMM_WORLD_LOCAL_SIZE", nullptr},
    {"MPICH", "PMI_RANK", "PMI_SIZE", "MPI_LOCALRANKID", "MPI_LOCALNRANKS", nullptr},
    {"Slurm", "SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID", nullptr,
     "SLURM_STEP_NUM_NODES"},
};

const std::string* Find(const Variables& variables, const char* name) {
  const auto found = name == nullptr ? variables.end() : variables.find(name);
  return found == variables.end() ? nullptr : &found->second;
}

absl::StatusOr<int> Number(const Variables& variables, const char* name, int least, int most) {
  const std::string& text = *Find(variables, name);
  int value = 0;
  if (!absl::SimpleAtoi(text, &value)) {
    return absl::InvalidArgumentError(absl::StrCat(name, ": \"", text, "\" is not a number"));
  }
  if (value >= least && value <= most) return value;
  return absl::InvalidArgumentError(
      absl::StrCat(name, " is ", value, "; it must be in [", least, ", ", most, "]"));
}

// The launcher whose variables are set. SLURM_PROCID alone is set by sbatch too.
absl::StatusOr<const Launcher*> FindLauncher(const Variables& variables) {
  for (const Launcher& launcher : kLaunchers) {
    const bool has_rank = Find(variables, launcher.rank) != nullptr;
    const bool has_size = Find(variables, launcher.world_size) != nullptr;
    if (has_rank && has_size) return &launcher;
    if (!has_size && (!has_rank || absl::string_view(launcher.rank) == "SLURM_PROCID")) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        has_rank ? launcher.rank : launcher.world_size, " is set, but ",
        has_rank ? launcher.world_size : launcher.rank,
        " is not: a launcher of several processes sets both; unset it to run one process"));
  }
  return static_cast<const Launcher*>(nullptr);
}

absl::Status CheckRank(const Launcher& launcher, const char* name, int rank, int world_size) {
  if (rank < world_size) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(name, " is ", rank, ", but ", launcher.world_size,
                                                 " is ", world_size, ": ranks are from 0 to ",
                                                 world_size - 1));
}

bool AreOnOneMachine(const Launcher& launcher, const Variables& variables, int world_size) {
  const std::string* here = Find(variables, launcher.local_size);
  const std::string* machines = Find(variables, launcher.machines);
  return (here != nullptr && *here == absl::StrCat(world_size)) ||
         (machines != nullptr && *machines == "1");
}

absl::Status ReadMaster(const Launcher& launcher, const Variables& variables,
                        RankEnvironment& ranks) {
  ranks.master_port = kDefaultMasterPort;
  if (Find(variables, "MASTER_PORT") != nullptr) {
    RCNN_ASSIGN_OR_RETURN(ranks.master_port, Number(variables, "MASTER_PORT", 1, 65535));
  }
  const std::string* listens = Find(variables, "TORCHELASTIC_USE_AGENT_STORE");
  ranks.launcher_listens = listens != nullptr && *listens == "True";
  if (Find(variables, "TORCHELASTIC_RESTART_COUNT") != nullptr) {
    RCNN_ASSIGN_OR_RETURN(ranks.restarts,
                          Number(variables, "TORCHELASTIC_RESTART_COUNT", 0, 1 << 30));
  }
  const std::string* address = Find(variables, "MASTER_ADDR");
  if (address != nullptr && !address->empty()) {
    ranks.master_address = *address;
    return absl::OkStatus();
  }
  if (!AreOnOneMachine(launcher, variables, ranks.world_size)) {
    return absl::InvalidArgumentError(
        absl::StrCat("MASTER_ADDR is not set: export the name or address of the machine of rank 0, "
                     "as ",
                     launcher.name, " does not"));
  }
  ranks.master_address = "127.0.0.1";
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<RankEnvironment> ReadRankEnvironment(const Variables& variables) {
  RCNN_ASSIGN_OR_RETURN(const Launcher* const launcher, FindLauncher(variables));
  RankEnvironment ranks;
  if (launcher == nullptr) return ranks;
  ranks.launcher = launcher->name;
  RCNN_ASSIGN_OR_RETURN(ranks.world_size,
                        Number(variables, launcher->world_size, 1, kMaxWorldSize));
  RCNN_ASSIGN_OR_RETURN(ranks.rank, Number(variables, launcher->rank, 0, kMaxWorldSize - 1));
  RCNN_RETURN_IF_ERROR(CheckRank(*launcher, launcher->rank, ranks.rank, ranks.world_size));
  if (Find(variables, launcher->local_rank) != nullptr) {
    RCNN_ASSIGN_OR_RETURN(ranks.local_rank,
                          Number(variables, launcher->local_rank, 0, kMaxWorldSize - 1));
    RCNN_RETURN_IF_ERROR(
        CheckRank(*launcher, launcher->local_rank, ranks.local_rank, ranks.world_size));
  }
  if (ranks.world_size == 1) return ranks;
  RCNN_RETURN_IF_ERROR(ReadMaster(*launcher, variables, ranks));
  return ranks;
}

Variables EnvironmentVariables() {
  Variables variables;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string text = *entry;
    const size_t equals = text.find('=');
    if (equals != std::string::npos) {
      variables.emplace(text.substr(0, equals), text.substr(equals + 1));
    }
  }
  return variables;
}

}  // namespace rcnn::training
