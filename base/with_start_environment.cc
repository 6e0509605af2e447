// Executes a command in the environment that a program with tensors needs
// (start_environment.h), so that the program does not have to re-execute itself.
//
//   with_start_environment COMMAND [ARGUMENT ...]
//
// `bazel test` starts every test with it (.bazelrc).

#include <dlfcn.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "rcnn/base/start_environment.h"

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: with_start_environment COMMAND [ARGUMENT ...]\n");
    return 2;
  }
  if (rcnn::MayReexecute()) {
    if (std::getenv("OPENBLAS_CORETYPE") == nullptr) {
      // OpenBLAS's threads are not needed here.
      const bool set = std::getenv("OPENBLAS_NUM_THREADS") != nullptr;
      if (!set) setenv("OPENBLAS_NUM_THREADS", "1", 1);
      dlopen("libblas.so.3", RTLD_LAZY | RTLD_GLOBAL);
      if (!set) unsetenv("OPENBLAS_NUM_THREADS");
    }
    for (const auto& [name, value] : rcnn::MissingVariables(rcnn::OpenBlasCore())) {
      setenv(name.c_str(), value.c_str(), 1);
    }
  }
  execvp(argv[1], argv + 1);
  std::perror(argv[1]);
  return 127;
}
