#include "rcnn/base/start_environment.h"

#include <unistd.h>

#include <cstdlib>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/instruction_set.h"

namespace rcnn {
namespace {

using ::testing::Contains;
using ::testing::IsEmpty;
using ::testing::IsSupersetOf;
using ::testing::Key;
using ::testing::Not;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

class StartEnvironmentTest : public testing::Test {
 protected:
  void SetUp() override {
    for (const char* name :
         {"OPENBLAS_CORETYPE", "GOMP_SPINCOUNT", "OPENBLAS_THREAD_TIMEOUT", "OMP_WAIT_POLICY",
          "MALLOC_TOP_PAD_", "GLIBC_TUNABLES", "CUBLAS_WORKSPACE_CONFIG", "RCNN_REEXECUTED_PID",
          "RCNN_NO_REEXEC", "ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA",
          "MKL_ENABLE_INSTRUCTIONS", "TORCH_FR_BUFFER_SIZE", "TORCH_NCCL_TRACE_BUFFER_SIZE"}) {
      unsetenv(name);
    }
  }
};

TEST_F(StartEnvironmentTest, NamesWhatIsMissing) {
  const StartVariables missing = MissingVariables("");
  EXPECT_THAT(missing, Contains(Pair("GOMP_SPINCOUNT", "1000")));
  EXPECT_THAT(missing, Contains(Pair("OPENBLAS_THREAD_TIMEOUT", "6")));
  EXPECT_THAT(missing, Contains(Pair("MALLOC_TOP_PAD_", "67108864")));
  EXPECT_THAT(missing, Contains(Key("GLIBC_TUNABLES")));
  EXPECT_THAT(missing, Contains(Pair("CUBLAS_WORKSPACE_CONFIG", ":4096:8")));
  EXPECT_THAT(missing, Contains(Pair("TORCH_FR_BUFFER_SIZE", "0")));
}

TEST_F(StartEnvironmentTest, LeavesWhatTheUserHasSet) {
  setenv("MALLOC_TOP_PAD_", "1", 1);
  setenv("OMP_WAIT_POLICY", "active", 1);
  setenv("CUBLAS_WORKSPACE_CONFIG", ":16:8", 1);
  const StartVariables missing = MissingVariables("Prescott");
  EXPECT_THAT(missing, Not(Contains(Key("MALLOC_TOP_PAD_"))));
  EXPECT_THAT(missing, Not(Contains(Key("GOMP_SPINCOUNT"))));
  EXPECT_THAT(missing, Not(Contains(Key("CUBLAS_WORKSPACE_CONFIG"))));
  setenv("OPENBLAS_CORETYPE", "NEHALEM", 1);
  EXPECT_THAT(MissingVariables("Prescott"), Not(Contains(Key("OPENBLAS_CORETYPE"))));
  for (const char* name : {"TORCH_FR_BUFFER_SIZE", "TORCH_NCCL_TRACE_BUFFER_SIZE"}) {
    setenv(name, "2000", 1);
    EXPECT_THAT(MissingVariables(""), Not(Contains(Key("TORCH_FR_BUFFER_SIZE")))) << name;
    unsetenv(name);
  }
}

TEST_F(StartEnvironmentTest, ReplacesOnlyKernelsThatAreWorseThanTheCpu) {
  const std::string best = BestOpenBlasCore();
  if (best.empty()) GTEST_SKIP() << "a CPU without AVX2";
  const InstructionLevel level = SupportedInstructionLevel();
  EXPECT_THAT(MissingVariables("Prescott", level), Contains(Pair("OPENBLAS_CORETYPE", best)));
  for (const char* core : {"SkylakeX", "Cooperlake", "SapphireRapids", ""}) {
    EXPECT_THAT(MissingVariables(core, level), Not(Contains(Key("OPENBLAS_CORETYPE")))) << core;
  }
}

TEST_F(StartEnvironmentTest, TheLevelInForceIsTheDefault) {
  const InstructionLevel before = CurrentInstructionLevel();
  StoreInstructionLevel(InstructionLevel::kPortable);
  EXPECT_EQ(MissingVariables(""), MissingVariables("", InstructionLevel::kPortable));
  StoreInstructionLevel(before);
}

TEST_F(StartEnvironmentTest, ALowerLevelKeepsTheLibrariesFromNewerInstructions) {
  if (SupportedInstructionLevel() == InstructionLevel::kPortable) GTEST_SKIP() << "no AVX2";
  const auto portable = UnorderedElementsAre(
      Pair("ATEN_CPU_CAPABILITY", "default"), Pair("ONEDNN_MAX_CPU_ISA", "SSE41"),
      Pair("MKL_ENABLE_INSTRUCTIONS", "SSE4_2"), Pair("OPENBLAS_CORETYPE", "NEHALEM"));
  EXPECT_THAT(MissingLevelVariables(InstructionLevel::kPortable), portable);
  // Also where OpenBLAS's own choice is not known, or is a better one.
  for (const char* core : {"", "SkylakeX", "Haswell"}) {
    const StartVariables missing = MissingVariables(core, InstructionLevel::kPortable);
    EXPECT_THAT(missing, IsSupersetOf(MissingLevelVariables(InstructionLevel::kPortable))) << core;
    EXPECT_THAT(missing, Contains(Key("MALLOC_TOP_PAD_")));
  }
  if (SupportedInstructionLevel() == InstructionLevel::kAvx2) GTEST_SKIP() << "no AVX-512";
  EXPECT_THAT(MissingLevelVariables(InstructionLevel::kAvx2),
              UnorderedElementsAre(
                  Pair("ATEN_CPU_CAPABILITY", "avx2"), Pair("ONEDNN_MAX_CPU_ISA", "AVX2"),
                  Pair("MKL_ENABLE_INSTRUCTIONS", "AVX2"), Pair("OPENBLAS_CORETYPE", "HASWELL")));
}

TEST_F(StartEnvironmentTest, TheBestLevelLeavesTheChoiceToTheLibraries) {
  EXPECT_THAT(MissingLevelVariables(SupportedInstructionLevel()), IsEmpty());
  const StartVariables missing = MissingVariables("", SupportedInstructionLevel());
  EXPECT_THAT(missing, Not(Contains(Key("ATEN_CPU_CAPABILITY"))));
  EXPECT_THAT(missing, Not(Contains(Key("OPENBLAS_CORETYPE"))));
}

TEST_F(StartEnvironmentTest, ALowerLevelLeavesWhatTheUserHasSet) {
  setenv("DNNL_MAX_CPU_ISA", "AVX", 1);
  setenv("ATEN_CPU_CAPABILITY", "avx2", 1);
  setenv("OPENBLAS_CORETYPE", "PRESCOTT", 1);
  setenv("MKL_ENABLE_INSTRUCTIONS", "AVX", 1);
  EXPECT_THAT(MissingLevelVariables(InstructionLevel::kPortable), IsEmpty());
  unsetenv("DNNL_MAX_CPU_ISA");
  setenv("ONEDNN_MAX_CPU_ISA", "AVX", 1);
  EXPECT_THAT(MissingLevelVariables(InstructionLevel::kPortable), IsEmpty());
}

TEST_F(StartEnvironmentTest, TheMarkCountsOnceAndForItsProcessAlone) {
  EXPECT_FALSE(ConsumeExecutionMark());
  setenv("RCNN_REEXECUTED_PID", absl::StrCat(getpid()).c_str(), 1);
  EXPECT_TRUE(ConsumeExecutionMark());
  EXPECT_FALSE(ConsumeExecutionMark());
  setenv("RCNN_REEXECUTED_PID", "1", 1);
  EXPECT_FALSE(ConsumeExecutionMark());
}

TEST_F(StartEnvironmentTest, AFailedExecutionLeavesTheEnvironment) {
  char* argv[] = {nullptr};
  ExecuteWith({{"GOMP_SPINCOUNT", "7"}}, "/no/such/file", argv);
  EXPECT_EQ(std::getenv("GOMP_SPINCOUNT"), nullptr);
  EXPECT_EQ(std::getenv("RCNN_REEXECUTED_PID"), nullptr);
}

TEST_F(StartEnvironmentTest, TheUserCanForbidAnExecution) {
  EXPECT_TRUE(MayReexecute());
  setenv("RCNN_NO_REEXEC", "1", 1);
  EXPECT_FALSE(MayReexecute());
}

}  // namespace
}  // namespace rcnn
