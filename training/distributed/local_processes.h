// Starts several processes of one program on this machine as ranks of a group, and ends with them.
//
// They get RANK, WORLD_SIZE, LOCAL_RANK, LOCAL_WORLD_SIZE, MASTER_ADDR=127.0.0.1 and MASTER_PORT
// (rank_environment.h). Rank 0 writes to this process's standard output and error. What another
// rank prints goes to standard error, each line with the rank's number: "[1] ...".
//
//   event                       what follows
//   all end with 0              0
//   one ends otherwise          the others end by themselves, since the group tells them; after
//                               `grace` they get SIGTERM
//   this process gets SIGINT    all get SIGTERM, once: it is theirs to make a checkpoint
//   or SIGTERM (shutdown.h)
//   `kill_after` SIGTERM        SIGKILL
//   this process is killed      all get SIGTERM from the kernel
//
// Only for launchers of processes: call it before this process has threads that matter.
//
// Example:
//   LocalProcessesOptions options;
//   options.command = command;
//   RCNN_ASSIGN_OR_RETURN(const int code, RunLocalProcesses(options));

#ifndef RCNN_TRAINING_DISTRIBUTED_LOCAL_PROCESSES_H_
#define RCNN_TRAINING_DISTRIBUTED_LOCAL_PROCESSES_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace rcnn::training {

// Set for the started processes, so that they do not start others.
inline constexpr char kIsLocalProcess[] = "RCNN_IS_LOCAL_PROCESS";

struct LocalProcessesOptions {
  int processes = 2;  // >= 1
  // The path of the program, and its arguments.
  std::vector<std::string> command;
  absl::Duration grace = absl::Seconds(15);
  absl::Duration kill_after = absl::Minutes(1);
};

// Returns 0 if all processes end with 0, else the exit code of the first that does not (128 +
// signal if a signal ended it, which is printed). An error if a process cannot be started; the
// others are then killed.
absl::StatusOr<int> RunLocalProcesses(const LocalProcessesOptions& options);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_DISTRIBUTED_LOCAL_PROCESSES_H_
