// A process between fork and exec may only call what is safe in a signal handler, because other
// threads may have held locks: everything that it needs (arguments, environment, descriptors) is
// made before.
//
//   a process       pipe       ends
//   running         open       waitpid says so; its pipe is then read to the end
//   ended           closed     nothing more happens
//
// One loop serves all: it reads pipes, collects what has ended, and sends signals that are due.

#include "rcnn/training/distributed/local_processes.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "rcnn/base/errno_status.h"
#include "rcnn/base/monotonic_time.h"
#include "rcnn/base/printable.h"
#include "rcnn/base/shutdown.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/training/distributed/free_port.h"
#include "rcnn/training/distributed/rank_environment.h"

namespace rcnn::training {
namespace {

constexpr int kPollMilliseconds = 50;

// A copy of strings as execve wants them.
class Words {
 public:
  explicit Words(std::vector<std::string> words) : words_(std::move(words)) {
    for (std::string& word : words_) pointers_.push_back(word.data());
    pointers_.push_back(nullptr);
  }
  Words(const Words&) = delete;
  Words& operator=(const Words&) = delete;

  char* const* get() const { return pointers_.data(); }

 private:
  std::vector<std::string> words_;
  std::vector<char*> pointers_;
};

std::vector<std::string> RankVariables(int rank, int processes, int port) {
  Variables variables = EnvironmentVariables();
  for (const auto& [name, value] : Variables{{"RANK", absl::StrCat(rank)},
                                             {"LOCAL_RANK", absl::StrCat(rank)},
                                             {"WORLD_SIZE", absl::StrCat(processes)},
                                             {"LOCAL_WORLD_SIZE", absl::StrCat(processes)},
                                             {"MASTER_ADDR", "127.0.0.1"},
                                             {"MASTER_PORT", absl::StrCat(port)},
                                             {kIsLocalProcess, "1"}}) {
    variables[name] = value;
  }
  std::vector<std::string> entries;
  for (const auto& [name, value] : variables) entries.push_back(absl::StrCat(name, "=", value));
  return entries;
}

// Runs in the new process. A process group of its own shields it from Ctrl-C, which comes as
// SIGTERM from the parent. The kernel sends SIGTERM if the parent dies. Output goes to `pipe`,
// unless that is -1. Exit code 127 if the program cannot be executed.
[[noreturn]] void Execute(char* const* command, char* const* variables, int pipe, pid_t parent) {
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (getppid() != parent) _exit(127);
  if (pipe >= 0) {
    const int nothing = open("/dev/null", O_RDONLY);
    if (nothing >= 0) dup2(nothing, STDIN_FILENO);
    dup2(pipe, STDOUT_FILENO);
    dup2(pipe, STDERR_FILENO);
  }
  execve(command[0], command, variables);
  constexpr char kMessage[] = "error: the program cannot be executed\n";
  if (write(STDERR_FILENO, kMessage, sizeof(kMessage) - 1) < 0) _exit(126);
  _exit(127);
}

class Process {
 public:
  explicit Process(int rank) : rank_(rank) {}
  Process(Process&& other) noexcept
      : rank_(other.rank_),
        pid_(std::exchange(other.pid_, -1)),
        pipe_(std::exchange(other.pipe_, -1)),
        code_(other.code_),
        line_(std::move(other.line_)) {}
  ~Process() {
    if (IsRunning()) {
      Send(SIGKILL);
      waitpid(pid_, nullptr, 0);
    }
    if (pipe_ >= 0) close(pipe_);
  }

  absl::Status Start(const Words& command, const Words& variables) {
    std::array<int, 2> ends = {-1, -1};
    if (rank_ > 0 && pipe2(ends.data(), O_CLOEXEC) != 0) {
      return ErrnoStatus("make a pipe for", absl::StrCat("rank ", rank_));
    }
    const pid_t parent = getpid();
    pid_ = fork();
    if (pid_ == 0) Execute(command.get(), variables.get(), ends[1], parent);
    const int error = errno;
    if (ends[1] >= 0) close(ends[1]);
    pipe_ = ends[0];
    if (pid_ < 0) return ErrorNumberStatus(error, "start", absl::StrCat("rank ", rank_));
    return absl::OkStatus();
  }

  int rank() const { return rank_; }
  int pipe() const { return pipe_; }
  bool IsRunning() const { return pid_ > 0 && !code_.has_value(); }
  void Send(int signal) const {
    if (IsRunning()) kill(pid_, signal);
  }

  // Prints the output that has arrived. Call it when there is something to read, or when the output
  // has ended.
  void Read() {
    std::array<char, 4096> buffer;
    const ssize_t count = read(pipe_, buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) return;
    if (count > 0) {
      line_.append(buffer.data(), static_cast<size_t>(count));
      PrintLines();
      return;
    }
    if (!line_.empty()) line_ += '\n';
    PrintLines();
    close(std::exchange(pipe_, -1));
  }

  // The exit code, once the process has just ended. A signal that has ended it is printed.
  std::optional<int> Collect() {
    int status = 0;
    if (!IsRunning() || waitpid(pid_, &status, WNOHANG) != pid_) return std::nullopt;
    code_ = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    if (WIFSIGNALED(status)) {
      std::fprintf(stderr, "rank %d was ended by signal %d (%s)\n", rank_, WTERMSIG(status),
                   strsignal(WTERMSIG(status)));
    }
    return code_;
  }

 private:
  void PrintLines() {
    size_t end = 0;
    while ((end = line_.find('\n')) != std::string::npos) {
      std::fprintf(stderr, "[%d] %s\n", rank_, Printable(line_.substr(0, end)).c_str());
      line_.erase(0, end + 1);
    }
  }

  int rank_;
  pid_t pid_ = -1;
  int pipe_ = -1;
  std::optional<int> code_;
  std::string line_;  // begun, without its end
};

class Supervisor {
 public:
  explicit Supervisor(const LocalProcessesOptions& options) : options_(options) {}

  absl::Status Start() {
    const int port = FreePort();
    if (port == 0) return absl::UnavailableError("no free port at 127.0.0.1 for the processes");
    const Words command(options_.command);
    for (int rank = 0; rank < options_.processes; ++rank) {
      const Words variables(RankVariables(rank, options_.processes, port));
      processes_.emplace_back(rank);
      RCNN_RETURN_IF_ERROR(processes_.back().Start(command, variables));
    }
    return absl::OkStatus();
  }

  int Wait() {
    while (IsAnyRunning()) {
      ReadPipes(kPollMilliseconds);
      CollectEnded();
      SendSignals();
    }
    for (Process& process : processes_) {
      while (process.pipe() >= 0) process.Read();
    }
    return first_failure_;
  }

 private:
  bool IsAnyRunning() const {
    for (const Process& process : processes_) {
      if (process.IsRunning()) return true;
    }
    return false;
  }

  void ReadPipes(int timeout_ms) {
    std::vector<pollfd> pipes;
    std::vector<Process*> owners;
    for (Process& process : processes_) {
      if (process.pipe() < 0) continue;
      pipes.push_back({process.pipe(), POLLIN, 0});
      owners.push_back(&process);
    }
    if (poll(pipes.data(), pipes.size(), timeout_ms) <= 0) return;
    for (size_t i = 0; i < pipes.size(); ++i) {
      if (pipes[i].revents != 0) owners[i]->Read();
    }
  }

  void CollectEnded() {
    for (Process& process : processes_) {
      const std::optional<int> code = process.Collect();
      if (code.value_or(0) == 0 || first_failure_ != 0) continue;
      first_failure_ = *code;
      failed_ = MonotonicNow();
    }
  }

  void SendSignals() {
    const absl::Time now = MonotonicNow();
    const bool is_over = first_failure_ != 0 && now - failed_ >= options_.grace;
    if (!told_.has_value() && (ShutdownRequested() || is_over)) {
      told_ = now;
      for (const Process& process : processes_) process.Send(SIGTERM);
    }
    if (told_.has_value() && now - *told_ >= options_.kill_after) {
      for (const Process& process : processes_) process.Send(SIGKILL);
    }
  }

  const LocalProcessesOptions& options_;
  std::vector<Process> processes_;
  int first_failure_ = 0;
  absl::Time failed_;
  std::optional<absl::Time> told_;  // when SIGTERM was sent
};

}  // namespace

absl::StatusOr<int> RunLocalProcesses(const LocalProcessesOptions& options) {
  Supervisor supervisor(options);
  RCNN_RETURN_IF_ERROR(supervisor.Start());
  return supervisor.Wait();
}

}  // namespace rcnn::training
