#include "rcnn/training/distributed/lost_connection.h"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <mutex>
#include <system_error>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "rcnn/base/program.h"

namespace rcnn::training {
namespace {

struct Explanation {
  std::mutex mutex;
  std::string error;
  std::terminate_handler otherwise = nullptr;
};

// Never deleted: threads may end while the program does.
Explanation& TheExplanation() {
  static Explanation* const explanation = new Explanation;
  return *explanation;
}

bool IsLostConnection(const std::error_code& code) {
  for (const std::errc lost :
       {std::errc::connection_reset, std::errc::connection_aborted, std::errc::broken_pipe,
        std::errc::timed_out, std::errc::host_unreachable, std::errc::network_unreachable,
        std::errc::network_down, std::errc::network_reset}) {
    if (code == lost) return true;
  }
  return false;
}

// Other threads still run, so nothing is destroyed. If torchrun listens, rank 0 may end here too;
// its files are then as after a kill.
[[noreturn]] void EndWith(const std::error_code& code) {
  Explanation& explanation = TheExplanation();
  const std::lock_guard<std::mutex> lock(explanation.mutex);
  std::fflush(stdout);
  _exit(ExitCode(absl::UnavailableError(
      absl::StrCat(explanation.error, ": ", code.message(),
                   "; start all ranks again with the same command, which resumes from the last "
                   "checkpoint"))));
}

[[noreturn]] void HandleTerminate() {
  if (const std::exception_ptr thrown = std::current_exception()) {
    try {
      std::rethrow_exception(thrown);
    } catch (const std::system_error& error) {
      if (IsLostConnection(error.code())) EndWith(error.code());
    } catch (...) {
    }
  }
  // The exception is the current one again, which the default handler names.
  TheExplanation().otherwise();
  std::abort();
}

}  // namespace

void ExplainLostConnections(const std::string& error) {
  Explanation& explanation = TheExplanation();
  const std::lock_guard<std::mutex> lock(explanation.mutex);
  explanation.error = error;
  if (explanation.otherwise == nullptr) explanation.otherwise = std::set_terminate(HandleTerminate);
}

}  // namespace rcnn::training
