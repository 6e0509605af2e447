// SIGINT and SIGTERM become a flag that loops poll.
//
// The first signal asks for an orderly end: a long loop that sees
// ShutdownRequested() saves what it has and returns. A second signal ends the
// process at once with the signal's usual status.
//
// Example:
//   InstallShutdownHandler();
//   for (int64_t i = 0; i < iterations; ++i) {
//     if (ShutdownRequested()) return SaveCheckpoint();
//     Train(i);
//   }

#ifndef RCNN_BASE_SHUTDOWN_H_
#define RCNN_BASE_SHUTDOWN_H_

namespace rcnn {

// Takes over SIGINT and SIGTERM. Calling it again changes nothing.
void InstallShutdownHandler();

// True once a signal has come (or RequestShutdown was called). Costs one relaxed
// atomic load.
bool ShutdownRequested();

// The signal's number, 0 if none has come. A program that ends because of it
// returns 128 + this from main.
int ShutdownSignal();

// Requests a shutdown from inside the program, as a first `signal` does.
void RequestShutdown(int signal);

// Forgets the request; for tests.
void ResetShutdownForTesting();

}  // namespace rcnn

#endif  // RCNN_BASE_SHUTDOWN_H_
