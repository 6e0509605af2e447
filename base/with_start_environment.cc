// Executes a command in the environment that a program with tensors needs
// (start_environment.h), so that the program does not have to re-execute itself, and with stand-ins
// for libraries that nobody calls (stand_in.cc), so that it starts in half of the time.
//
//   with_start_environment COMMAND [ARGUMENT ...]
//
// `bazel test` starts every test with it (.bazelrc).

#include <dlfcn.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "rcnn/base/start_environment.h"

namespace {

// `self`: this program, beside which the stand-ins are.
void LoadStandIns(const char* self) {
  std::string folders = std::filesystem::absolute(self).parent_path() / "stand_ins";
  const char* others = std::getenv("LD_LIBRARY_PATH");
  if (others != nullptr && *others != '\0') folders = folders + ":" + others;
  setenv("LD_LIBRARY_PATH", folders.c_str(), /*overwrite=*/1);
}

void SetStartVariables() {
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

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: with_start_environment COMMAND [ARGUMENT ...]\n");
    return 2;
  }
  LoadStandIns(argv[0]);
  if (rcnn::MayReexecute()) SetStartVariables();
  execvp(argv[1], argv + 1);
  std::perror(argv[1]);
  return 127;
}
