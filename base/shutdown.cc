#include "rcnn/base/shutdown.h"

#include <signal.h>

#include <atomic>

namespace rcnn {
namespace {

std::atomic<int> requested_signal{0};
static_assert(std::atomic<int>::is_always_lock_free, "used in a signal handler");

void HandleSignal(int signal) {
  int none = 0;
  if (requested_signal.compare_exchange_strong(none, signal)) return;
  // On the second signal restore the default action.
  struct sigaction action = {};
  action.sa_handler = SIG_DFL;
  sigaction(signal, &action, nullptr);
  raise(signal);
}

}  // namespace

void InstallShutdownHandler() {
  struct sigaction action = {};
  action.sa_handler = &HandleSignal;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

bool ShutdownRequested() { return ShutdownSignal() != 0; }

int ShutdownSignal() { return requested_signal.load(std::memory_order_relaxed); }

void RequestShutdown(int signal) {
  int none = 0;
  requested_signal.compare_exchange_strong(none, signal);
}

void ResetShutdownForTesting() { requested_signal.store(0); }

}  // namespace rcnn
