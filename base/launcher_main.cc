// main() of a launcher: parses the flags of a program with tensors, answers --help,
// --version and wrong flags, sets the environment that the program needs
// (start_environment.h), and executes it. LibTorch, which takes most of a second to load,
// is then loaded once, and for those answers not at all.
//
// The program is the file beside the launcher whose name ends in "_program". If the BLAS
// library that LibTorch uses is not known here (LIBTORCH_HOME), the program itself checks
// its environment.

#include <dlfcn.h>
#include <gflags/gflags.h>
#include <sys/auxv.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

#include "absl/strings/str_cat.h"
#include "rcnn/base/heap.h"
#include "rcnn/base/instruction_level.h"
#include "rcnn/base/instructions_flag.h"
#include "rcnn/base/process_start.h"
#include "rcnn/base/program.h"
#include "rcnn/base/runtime_description.h"
#include "rcnn/base/start_environment.h"
#include "rcnn/base/threads_flag.h"

namespace rcnn {
namespace {

// RCNN_LIBTORCH_VERSION and RCNN_SYSTEM_LIBTORCH come from the build.
constexpr bool kKnowsBlas = RCNN_SYSTEM_LIBTORCH != 0;

// This file. Under the dynamic loader it is the loader that runs.
std::filesystem::path Self(const char* name) {
  std::error_code error;
  if (getauxval(AT_BASE) == 0) return std::filesystem::canonical(name, error);
  return std::filesystem::read_symlink("/proc/self/exe", error);
}

// The BLAS that the system's LibTorch uses, so that OpenBlasCore() can tell its kernels.
// Its threads are not started.
void LoadBlas() {
  constexpr char kThreads[] = "OPENBLAS_NUM_THREADS";
  const bool set = std::getenv(kThreads) != nullptr;
  if (!set) setenv(kThreads, "1", /*overwrite=*/1);
  dlopen("libblas.so.3", RTLD_LAZY | RTLD_GLOBAL);
  if (!set) unsetenv(kThreads);
}

// "2.6.3"; "" where the library is not found.
std::string OneDnnVersion() {
  // dnnl_version_t begins with these.
  struct Version {
    int major, minor, patch;
  };
  for (const char* file : {"libdnnl.so.2", "libdnnl.so.3"}) {
    void* library = dlopen(file, RTLD_LAZY | RTLD_LOCAL);
    if (library == nullptr) continue;
    const auto version = reinterpret_cast<const Version* (*)()>(dlsym(library, "dnnl_version"));
    if (version == nullptr) continue;
    return absl::StrCat(version()->major, ".", version()->minor, ".", version()->patch);
  }
  return "";
}

class Launcher {
 public:
  Launcher(int argc, char** argv)
      : words_(argv, argv + argc + 1), program_(Self(argv[0]).string() + kProgramSuffix) {}

  // Parses the flags; exits where they ask for an answer or are wrong.
  void Parse(int argc, char** argv) {
    ProgramOptions options = DescribeProgram();
    options.version_lines = [this] { return DescribeVersion(); };
    ParseProgramFlags(options, &argc, &argv);
    CheckThreadsFlag();
    ApplyInstructionsFlag();
  }

  // Executes the program. Returns only if that fails, with the exit code.
  int Execute() {
    if (MayReexecute() && kKnowsBlas) ExecuteWith(Missing(), program_.c_str(), words_.data());
    if (MayReexecute()) {
      // The program itself sets the others, before it has read its flags.
      for (const auto& [name, value] : MissingLevelVariables(CurrentLevelOrBest())) {
        setenv(name.c_str(), value.c_str(), /*overwrite=*/1);
      }
    }
    execv(program_.c_str(), words_.data());
    std::fprintf(stderr, "error: %s cannot be executed: %s\n", program_.c_str(),
                 std::strerror(errno));
    return 1;
  }

 private:
  static StartVariables Missing() {
    LoadBlas();
    return MissingVariables(OpenBlasCore());
  }

  // Returns the lines of --version that the program would print in its environment, or
  // executes the program where this file cannot know them.
  std::vector<std::string> DescribeVersion() {
    ApplyInstructionsFlag();
    const bool marked = ConsumeExecutionMark();
    const StartVariables missing = kKnowsBlas ? Missing() : StartVariables();
    const std::string onednn = OneDnnVersion();
    if (!kKnowsBlas || onednn.empty()) _exit(Execute());
    if (!marked && MayReexecute() && !missing.empty()) {
      ExecuteWith(missing, Self(words_[0]).c_str(), words_.data());
    }
    KeepHeap();
    RuntimeInfo info;
    info.libtorch_version = RCNN_LIBTORCH_VERSION;
    info.onednn_version = onednn;
    info.blas_core = OpenBlasCore();
    info.cpu_features = CpuFeatures();
    info.instructions = std::string(InstructionLevelName(CurrentLevelOrBest()));
    info.allowed_cores = AllowedCores();
    info.threads = info.allowed_cores;
    info.heap = DescribeHeap();
    info.waiting = DescribeIdleThreads();
    return VersionLines(info);
  }

  std::vector<char*> words_;  // argv as it was, with the null at its end
  const std::string program_;
};

}  // namespace
}  // namespace rcnn

int main(int argc, char** argv) {
  rcnn::PrepareProcess();
  rcnn::Launcher launcher(argc, argv);
  launcher.Parse(argc, argv);
  return launcher.Execute();
}
