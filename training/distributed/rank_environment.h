// Which of several processes this one is, from the environment that a launcher sets.
//
//   launcher                     rank                  number of ranks       rank on its machine
//   torchrun, local_processes.h  RANK                  WORLD_SIZE            LOCAL_RANK
//   Open MPI's mpirun            OMPI_COMM_WORLD_RANK  …_SIZE                …_LOCAL_RANK
//   MPICH, Intel MPI             PMI_RANK              PMI_SIZE              MPI_LOCALRANKID
//   Slurm's srun                 SLURM_PROCID          SLURM_STEP_NUM_TASKS  SLURM_LOCALID
//
// The first line that is set counts. The ranks meet at MASTER_ADDR:MASTER_PORT. torchrun and
// local_processes.h set both; the others set neither, so the user exports MASTER_ADDR unless all
// ranks are on one machine. A script that sbatch runs without srun is one process, although Slurm
// sets SLURM_PROCID for it: only srun sets SLURM_STEP_NUM_TASKS.
//
// A pure function of the variables; rank_group.h connects the ranks.
//
// Source: https://pytorch.org/docs/stable/elastic/run.html (environment variables);
// https://docs.open-mpi.org, section 11.2.5; MPICH's and Intel MPI's Hydra;
// https://slurm.schedmd.com/srun.html (output environment variables).
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(const auto ranks, ReadRankEnvironment(EnvironmentVariables()));
//   const bool distributed = ranks.world_size > 1;

#ifndef RCNN_TRAINING_DISTRIBUTED_RANK_ENVIRONMENT_H_
#define RCNN_TRAINING_DISTRIBUTED_RANK_ENVIRONMENT_H_

#include <map>
#include <string>

#include "absl/status/statusor.h"

namespace rcnn::training {

using Variables = std::map<std::string, std::string>;

// One process, unless a launcher says otherwise.
struct RankEnvironment {
  int rank = 0;        // in [0, world_size)
  int world_size = 1;  // number of ranks, in [1, kMaxWorldSize]
  int local_rank = 0;  // in [0, world_size): the rank among those of this machine
  // Where rank 0 listens; empty and 0 for one process.
  std::string master_address = {};
  int master_port = 0;
  // The launcher listens there instead of rank 0, as torchrun does.
  bool launcher_listens = false;
  // How often the launcher has started the ranks again after a failure.
  int restarts = 0;
  // The launcher, for messages: "torchrun"; empty if there is none.
  std::string launcher = {};
};

inline constexpr int kMaxWorldSize = 4096;

// Where rank 0 listens if MASTER_PORT is not set: PyTorch's default.
inline constexpr int kDefaultMasterPort = 29500;

// kInvalidArgument, naming the variable and its value: only one of rank and number of ranks is
// set; one is not a number; the number of ranks is not in [1, kMaxWorldSize]; a rank is not below
// it; MASTER_PORT is not in [1, 65535]; MASTER_ADDR is missing and the ranks are not known to be
// on one machine.
absl::StatusOr<RankEnvironment> ReadRankEnvironment(const Variables& variables);

// The variables of this process.
Variables EnvironmentVariables();

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_DISTRIBUTED_RANK_ENVIRONMENT_H_
