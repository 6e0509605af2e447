// What every program does before it opens a file.
//
// A program may be started with standard input, output or error closed ("program >&-", and some
// daemons do so). The first file that it opens then has that number, and what it prints goes into
// that file. And a write beyond `ulimit -f` would end it by a signal, without a message.
//
// InitProgram (program.h) and the launchers call it.
//
// Example:
//   PrepareProcess();

#ifndef RCNN_BASE_PROCESS_START_H_
#define RCNN_BASE_PROCESS_START_H_

namespace rcnn {

// Gives each of the descriptors 0, 1 and 2 that is closed to a directory, so that no file gets its
// number: reading and writing there are errors as before. Ignores SIGXFSZ, so that a write beyond
// the limit is the error EFBIG. Calling it again changes nothing.
void PrepareProcess();

}  // namespace rcnn

#endif  // RCNN_BASE_PROCESS_START_H_
