// Starts //base:runtime_info, which does nothing but InitRuntime and print, in
// different environments.

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/instruction_set.h"
#include "rcnn/base/program.h"
#include "rcnn/base/start_environment.h"
#include "rcnn/base/testing_command.h"

namespace rcnn {
namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

// In the cleanest environment, with `variables` ("A=1 B=2") added.
CommandResult RunInfo(const std::string& variables = "", const std::string& arguments = "") {
  return RunCommand(absl::StrCat("env -i ", variables, " base/runtime_info ", arguments));
}

// A start takes about a second; most tests share one.
const CommandResult& DefaultRun() {
  static const CommandResult& result = *new CommandResult(RunInfo());
  return result;
}

// With settings of the user that do not exclude each other.
const CommandResult& UsersRun() {
  static const CommandResult& result =
      *new CommandResult(RunInfo("OPENBLAS_CORETYPE=NEHALEM MALLOC_TOP_PAD_=1048576 "
                                 "GLIBC_TUNABLES=glibc.malloc.check=0 GOMP_SPINCOUNT=7"));
  return result;
}

int AllowedCores() {
  cpu_set_t cores;
  CPU_ZERO(&cores);
  return sched_getaffinity(0, sizeof(cores), &cores) == 0 ? CPU_COUNT(&cores) : 0;
}

TEST(RuntimeTest, UsesEveryAllowedCore) {
  const CommandResult& result = DefaultRun();
  EXPECT_EQ(result.exit_code, 0) << result.output;
  EXPECT_THAT(result.output, ContainsRegex(absl::StrCat("threads +", AllowedCores(), "\n")));
}

TEST(RuntimeTest, FollowsTheAffinityMask) {
  const CommandResult result = RunCommand("env -i taskset -c 0 base/runtime_info");
  EXPECT_THAT(result.output, ContainsRegex("threads +1\nallowed cores +1\n"));
}

TEST(RuntimeTest, TheFlagOverridesTheMask) {
  EXPECT_THAT(RunInfo("", "--threads=3").output, ContainsRegex("threads +3\n"));
}

TEST(RuntimeTest, BlasRunsKernelsForTheCpu) {
  const std::string best = BestOpenBlasCore();
  const std::string& output = DefaultRun().output;
  if (best.empty() || output.find("not OpenBLAS") != std::string::npos) {
    GTEST_SKIP() << "no OpenBLAS, or a CPU without AVX2";
  }
  if (best == "SKYLAKEX") {
    EXPECT_THAT(output, ContainsRegex("blas core +(SkylakeX|Cooperlake|SapphireRapids)\n"));
  } else {
    EXPECT_THAT(output, ContainsRegex("blas core +(Haswell|Zen)\n"));
  }
}

TEST(RuntimeTest, KeepsTheUsersBlasCore) {
  const std::string& output = UsersRun().output;
  if (output.find("not OpenBLAS") != std::string::npos) GTEST_SKIP() << "no OpenBLAS";
  EXPECT_THAT(output, ContainsRegex("blas core +Nehalem\n"));
}

// By the launcher, which knows the flag; by the environment; and by the program, which executes
// itself again once it has read the flag.
TEST(RuntimeTest, ALowerLevelOfInstructionsHoldsForTheLibrariesToo) {
  if (SupportedInstructionLevel() == InstructionLevel::kPortable) GTEST_SKIP() << "no AVX2";
  for (const char* command : {"env -i base/runtime_info --instructions=portable",
                              "env -i RCNN_INSTRUCTIONS=portable base/runtime_info",
                              "env -i base/runtime_info_program --instructions=portable"}) {
    const CommandResult result = RunCommand(command);
    EXPECT_EQ(result.exit_code, 0) << command;
    EXPECT_THAT(result.output, HasSubstr("instructions   portable\n")) << command;
    EXPECT_THAT(result.output, ContainsRegex("aten kernels +(NO AVX|DEFAULT)\n")) << command;
    EXPECT_THAT(result.output, ContainsRegex("blas core +(Nehalem|not OpenBLAS)\n")) << command;
  }
}

TEST(RuntimeTest, WithoutASecondExecutionOnlyOurKernelsHaveALowerLevel) {
  const std::string output = RunInfo("RCNN_NO_REEXEC=1", "--instructions=portable").output;
  EXPECT_THAT(output, HasSubstr("instructions   portable\n"));
  if (SupportedInstructionLevel() == InstructionLevel::kPortable) return;
  EXPECT_THAT(output, ContainsRegex("aten kernels +AVX"));
}

TEST(RuntimeTest, KeepsTheHeap) {
  EXPECT_THAT(DefaultRun().output,
              HasSubstr("heap           mmap_threshold=4294967296 "
                        "trim_threshold=8589934592 top_pad=67108864 huge_pages=on"));
}

TEST(RuntimeTest, KeepsTheUsersHeapSettings) {
  const std::string& output = UsersRun().output;
  EXPECT_THAT(output, HasSubstr("mmap_threshold=4294967296"));
  EXPECT_THAT(output, HasSubstr("top_pad=1048576 huge_pages=off"));
}

TEST(RuntimeTest, IdleThreadsLeaveTheCoresToOthers) {
  EXPECT_THAT(DefaultRun().output,
              HasSubstr("idle spinning  GOMP_SPINCOUNT=1000 OPENBLAS_THREAD_TIMEOUT=6\n"));
}

TEST(RuntimeTest, KeepsTheUsersWaitSettings) {
  EXPECT_THAT(UsersRun().output,
              HasSubstr("idle spinning  GOMP_SPINCOUNT=7 OPENBLAS_THREAD_TIMEOUT=6\n"));
  EXPECT_THAT(RunInfo("OMP_WAIT_POLICY=active").output,
              HasSubstr("idle spinning  OMP_WAIT_POLICY=active\n"));
}

TEST(RuntimeTest, ASecondExecutionCanBeForbidden) {
  const CommandResult result = RunInfo("RCNN_NO_REEXEC=1");
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_THAT(result.output, HasSubstr("mmap_threshold=2147483647"));
  EXPECT_THAT(result.output, HasSubstr("huge_pages=off"));
}

TEST(RuntimeTest, RunsUnderTheDynamicLoader) {
  const char* loader = "/lib64/ld-linux-x86-64.so.2";
  if (access(loader, X_OK) != 0) GTEST_SKIP() << "no " << loader;
  const CommandResult result =
      RunCommand(absl::StrCat("env -i ", loader, " base/runtime_info --threads=2"));
  EXPECT_EQ(result.exit_code, 0) << result.output;
  EXPECT_THAT(result.output, ContainsRegex("threads +2\n"));
}

TEST(RuntimeTest, TheGuardOfAnotherProcessDoesNotCount) {
  EXPECT_THAT(RunInfo("RCNN_REEXECUTED_PID=1").output, HasSubstr("huge_pages=on"));
}

TEST(RuntimeTest, ArgumentsSurviveTheSecondExecution) {
  EXPECT_THAT(RunInfo("", "--threads 2 --log_dir='a b'").output, ContainsRegex("threads +2\n"));
}

TEST(ProgramTest, AnUnknownFlagNamesTheNearest) {
  const CommandResult result = RunInfo("", "--thread=2");
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.output, StartsWith("error: unknown flag --thread; did you mean --threads"));
}

// Where Bazel has built it, and not there.
TEST(ProgramTest, TheCommandForHelpIsTheUsersOwn) {
  const std::string made = absl::StrCat(::testing::TempDir(), "/made/bazel-out/k8-opt/bin/base");
  const std::string command = absl::StrCat("mkdir -p ", made, " && ln -sf $PWD/base/runtime_info ",
                                           made, " && ", made, "/runtime_info --thread=2");
  EXPECT_THAT(RunCommand("export BUILD_WORKING_DIRECTORY=$PWD; " + command).output,
              ::testing::EndsWith(" All flags: ./bazelw run //base:runtime_info -- --help\n"));
  EXPECT_THAT(RunCommand("unset BUILD_WORKING_DIRECTORY; " + command).output,
              ::testing::EndsWith(absl::StrCat(" All flags: ", made, "/runtime_info --help\n")));
}

TEST(ProgramTest, AWrongValueIsAnError) {
  for (const char* arguments : {"--threads=x", "--threads x", "--threads=", "--threads=1.5",
                                "--threads=9999999999", "--threads=-1", "--threads=99999",
                                "--threads", "--instructions=sse9", "--help=maybe", "--v=0x"}) {
    const CommandResult result = RunInfo("", arguments);
    EXPECT_EQ(result.exit_code, 2) << arguments;
    EXPECT_THAT(result.output, StartsWith("error: --")) << arguments;
    EXPECT_THAT(result.output, ::testing::EndsWith("\n")) << arguments;
    EXPECT_EQ(std::count(result.output.begin(), result.output.end(), '\n'), 1) << result.output;
  }
}

// With and without the launcher; --help is still answered.
TEST(ProgramTest, AnUnknownInstructionLevelInTheEnvironmentIsAnError) {
  for (const char* program : {"base/runtime_info", "base/runtime_info_program"}) {
    const std::string command =
        absl::StrCat("env -i RCNN_INSTRUCTIONS=avx3 RCNN_NO_REEXEC=1 ", program);
    const CommandResult result = RunCommand(command);
    EXPECT_EQ(result.exit_code, 2) << program;
    EXPECT_EQ(result.output,
              "error: RCNN_INSTRUCTIONS=avx3: 'avx3' is not one of portable, avx2, avx512, "
              "avx512_bf16\n");
    EXPECT_EQ(RunCommand(command + " --help").exit_code, 0) << program;
  }
}

// In one start; an error would name the flag.
TEST(ProgramTest, AcceptsEveryValueThatGflagsAccepts) {
  const CommandResult result =
      RunInfo("",
              "--threads=0x2 --threads 2 -threads=2 --logtostderr=yes --nologtostderr "
              "--logtostderr=F --instructions=portable");
  EXPECT_EQ(result.exit_code, 0) << result.output;
}

TEST(ProgramTest, ExtraArgumentIsAnError) {
  const CommandResult result = RunInfo("", "--threads=1 stray");
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.output, HasSubstr("'stray' is not a flag"));
}

TEST(ProgramTest, OutputThatCannotBeWrittenIsAnError) {
  const CommandResult result = RunCommand("base/runtime_info > /dev/full");
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.output, HasSubstr("error: cannot write to standard output"));
}

TEST(ProgramTest, TheLimitOnTheSizeOfFilesIsAnError) {
  const CommandResult result =
      RunCommand("ulimit -f 0; base/runtime_info > \"$TEST_TMPDIR/limited\"");
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.output, HasSubstr("error: cannot write to standard output: File too large"));
}

TEST(ProgramTest, HelpShowsUsageAndOnlyOurFlags) {
  const CommandResult result = RunInfo("", "--help");
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_THAT(result.output, StartsWith("Prints LibTorch's settings"));
  EXPECT_THAT(result.output, HasSubstr("--threads  (int32, default: 0)"));
  for (absl::string_view line : absl::StrSplit(result.output, '\n')) EXPECT_LE(line.size(), 100u);
  EXPECT_THAT(result.output, Not(HasSubstr("--stderrthreshold")));
  EXPECT_THAT(result.output, Not(HasSubstr("caffe2")));
}

TEST(ProgramTest, VersionListsTheSettings) {
  const CommandResult result = RunInfo("", "--instructions=portable --version");
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_THAT(result.output, StartsWith(absl::StrCat("rcnn ", Version(), "\n")));
  for (const char* name : {"libtorch: ", "onednn: ", "blas core: ", "cpu features: ",
                           "instructions: portable\n", "heap: "}) {
    EXPECT_THAT(result.output, HasSubstr(name));
  }
}

TEST(ProgramTest, WritesNoLogFilesByDefault) {
  const CommandResult result = RunCommand(
      "mkdir -p tmp_logs && TMPDIR=$PWD/tmp_logs base/runtime_info && ls tmp_logs | wc -l");
  EXPECT_THAT(result.output, ::testing::EndsWith("0\n"));
}

}  // namespace
}  // namespace rcnn
