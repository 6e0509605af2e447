#include "rcnn/base/process_start.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

namespace rcnn {

void PrepareProcess() {
  // open() returns the lowest free number. The programs that this one executes need them as well.
  for (int number = open("/", O_RDONLY | O_DIRECTORY); number >= 0;
       number = open("/", O_RDONLY | O_DIRECTORY)) {
    if (number <= STDERR_FILENO) continue;
    close(number);
    break;
  }
  signal(SIGXFSZ, SIG_IGN);
}

}  // namespace rcnn
