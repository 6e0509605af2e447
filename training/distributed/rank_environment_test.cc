#include "rcnn/training/distributed/rank_environment.h"

#include <cstdlib>
#include <utility>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/status_matchers.h"

namespace rcnn::training {
namespace {

using ::testing::AllOf;
using ::testing::Field;
using ::testing::HasSubstr;

auto IsRank(int rank, int world_size, int local_rank) {
  return AllOf(Field("rank", &RankEnvironment::rank, rank),
               Field("world_size", &RankEnvironment::world_size, world_size),
               Field("local_rank", &RankEnvironment::local_rank, local_rank));
}

auto MeetsAt(const std::string& address, int port) {
  return AllOf(Field("master_address", &RankEnvironment::master_address, address),
               Field("master_port", &RankEnvironment::master_port, port));
}

// Torchrun's variables of rank 1 of 4 on two machines.
Variables Torchrun() {
  return {{"RANK", "1"},
          {"WORLD_SIZE", "4"},
          {"LOCAL_RANK", "1"},
          {"MASTER_ADDR", "node7"},
          {"MASTER_PORT", "29601"},
          {"LOCAL_WORLD_SIZE", "2"}};
}

Variables With(Variables variables, const std::string& name, const std::string& value) {
  variables[name] = value;
  return variables;
}

Variables Without(Variables variables, const std::string& name) {
  variables.erase(name);
  return variables;
}

TEST(RankEnvironmentTest, WithoutALauncherThereIsOneProcess) {
  EXPECT_THAT(ReadRankEnvironment({}), IsOkAndHolds(AllOf(IsRank(0, 1, 0), MeetsAt("", 0))));
  EXPECT_THAT(ReadRankEnvironment({{"MASTER_ADDR", "node7"}, {"HOME", "/root"}}),
              IsOkAndHolds(IsRank(0, 1, 0)));
}

TEST(RankEnvironmentTest, ReadsTorchrun) {
  EXPECT_THAT(ReadRankEnvironment(Torchrun()),
              IsOkAndHolds(AllOf(IsRank(1, 4, 1), MeetsAt("node7", 29601))));
}

TEST(RankEnvironmentTest, TorchrunListensInsteadOfRank0) {
  EXPECT_FALSE(ReadRankEnvironment(Torchrun())->launcher_listens);
  Variables variables = With(Torchrun(), "TORCHELASTIC_USE_AGENT_STORE", "False");
  EXPECT_FALSE(ReadRankEnvironment(variables)->launcher_listens);
  variables["TORCHELASTIC_USE_AGENT_STORE"] = "True";
  variables["TORCHELASTIC_RESTART_COUNT"] = "2";
  EXPECT_TRUE(ReadRankEnvironment(variables)->launcher_listens);
  EXPECT_EQ(ReadRankEnvironment(variables)->restarts, 2);
}

TEST(RankEnvironmentTest, ReadsOpenMpi) {
  const Variables variables = {{"OMPI_COMM_WORLD_RANK", "3"},
                               {"OMPI_COMM_WORLD_SIZE", "4"},
                               {"OMPI_COMM_WORLD_LOCAL_RANK", "1"},
                               {"OMPI_COMM_WORLD_LOCAL_SIZE", "2"},
                               {"MASTER_ADDR", "10.0.0.1"}};
  EXPECT_THAT(ReadRankEnvironment(variables),
              IsOkAndHolds(AllOf(IsRank(3, 4, 1), MeetsAt("10.0.0.1", kDefaultMasterPort))));
}

TEST(RankEnvironmentTest, ReadsMpich) {
  const Variables variables = {
      {"PMI_RANK", "1"}, {"PMI_SIZE", "2"}, {"MPI_LOCALRANKID", "1"}, {"MPI_LOCALNRANKS", "2"}};
  EXPECT_THAT(ReadRankEnvironment(variables),
              IsOkAndHolds(AllOf(IsRank(1, 2, 1), MeetsAt("127.0.0.1", kDefaultMasterPort))));
}

TEST(RankEnvironmentTest, ReadsSlurm) {
  const Variables variables = {{"SLURM_PROCID", "5"},
                               {"SLURM_STEP_NUM_TASKS", "8"},
                               {"SLURM_LOCALID", "1"},
                               {"SLURM_STEP_NUM_NODES", "2"},
                               {"MASTER_ADDR", "node1"}};
  EXPECT_THAT(ReadRankEnvironment(variables), IsOkAndHolds(IsRank(5, 8, 1)));
}

// The script of sbatch has the rank, and the number of tasks that srun would start.
TEST(RankEnvironmentTest, AScriptOfSbatchIsOneProcess) {
  EXPECT_THAT(ReadRankEnvironment({{"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "8"}}),
              IsOkAndHolds(IsRank(0, 1, 0)));
}

// Torchrun started by mpirun or srun, once on each machine.
TEST(RankEnvironmentTest, TheInnerLauncherCounts) {
  Variables variables = Torchrun();
  variables.insert({{"OMPI_COMM_WORLD_RANK", "0"}, {"OMPI_COMM_WORLD_SIZE", "2"}});
  EXPECT_THAT(ReadRankEnvironment(variables), IsOkAndHolds(IsRank(1, 4, 1)));
}

TEST(RankEnvironmentTest, OneProcessNeedsNoMaster) {
  EXPECT_THAT(ReadRankEnvironment({{"RANK", "0"}, {"WORLD_SIZE", "1"}}),
              IsOkAndHolds(AllOf(IsRank(0, 1, 0), MeetsAt("", 0))));
}

TEST(RankEnvironmentTest, RanksOfOneMachineNeedNoMaster) {
  for (const Variables& variables :
       {Without(With(Torchrun(), "LOCAL_WORLD_SIZE", "4"), "MASTER_ADDR"),
        Variables{
            {"SLURM_PROCID", "1"}, {"SLURM_STEP_NUM_TASKS", "4"}, {"SLURM_STEP_NUM_NODES", "1"}}}) {
    const auto ranks = ReadRankEnvironment(variables);
    ASSERT_THAT(ranks, IsOk());
    EXPECT_EQ(ranks->master_address, "127.0.0.1");
  }
}

TEST(RankEnvironmentTest, SaysWhatIsWrong) {
  const std::pair<Variables, const char*> cases[] = {
      {With(Torchrun(), "WORLD_SIZE", "0"), "WORLD_SIZE is 0; it must be in [1, 4096]"},
      {With(Torchrun(), "WORLD_SIZE", "-2"), "WORLD_SIZE is -2; it must be in [1, 4096]"},
      {With(Torchrun(), "WORLD_SIZE", "5000"), "WORLD_SIZE is 5000"},
      {With(Torchrun(), "WORLD_SIZE", "four"), "WORLD_SIZE: \"four\" is not a number"},
      {With(Torchrun(), "WORLD_SIZE", ""), "WORLD_SIZE: \"\" is not a number"},
      {With(Torchrun(), "RANK", "4"), "RANK is 4, but WORLD_SIZE is 4: ranks are from 0 to 3"},
      {With(Torchrun(), "RANK", "-1"), "RANK is -1; it must be in [0, 4095]"},
      {With(Torchrun(), "RANK", "99999999999"), "RANK: \"99999999999\" is not a number"},
      {With(Torchrun(), "LOCAL_RANK", "4"), "LOCAL_RANK is 4, but WORLD_SIZE is 4"},
      {With(Torchrun(), "LOCAL_RANK", "x"), "LOCAL_RANK: \"x\" is not a number"},
      {With(Torchrun(), "MASTER_PORT", "0"), "MASTER_PORT is 0; it must be in [1, 65535]"},
      {With(Torchrun(), "MASTER_PORT", "65536"), "MASTER_PORT is 65536"},
      {With(Torchrun(), "MASTER_PORT", "http"), "MASTER_PORT: \"http\" is not a number"},
      {With(Torchrun(), "MASTER_ADDR", ""), "MASTER_ADDR is not set"},
      {Without(Torchrun(), "MASTER_ADDR"), "MASTER_ADDR is not set"},
      {Without(Torchrun(), "WORLD_SIZE"), "RANK is set, but WORLD_SIZE is not"},
      {Without(Torchrun(), "RANK"), "WORLD_SIZE is set, but RANK is not"},
      {{{"PMI_RANK", "2"}, {"PMI_SIZE", "2"}}, "PMI_RANK is 2, but PMI_SIZE is 2"},
      {{{"PMI_SIZE", "2"}}, "PMI_SIZE is set, but PMI_RANK is not"},
      {{{"SLURM_PROCID", "0"}, {"SLURM_STEP_NUM_TASKS", "0"}}, "SLURM_STEP_NUM_TASKS is 0"},
      {{{"SLURM_STEP_NUM_TASKS", "4"}}, "SLURM_STEP_NUM_TASKS is set, but SLURM_PROCID is not"},
      {{{"OMPI_COMM_WORLD_RANK", "0"}, {"OMPI_COMM_WORLD_SIZE", "2"}},
       "MASTER_ADDR is not set: export the name or address of the machine of rank 0, as Open MPI "
       "does not"},
  };
  for (const auto& [variables, message] : cases) {
    EXPECT_THAT(ReadRankEnvironment(variables).status(),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(message)))
        << message;
  }
}

TEST(RankEnvironmentTest, ReadsTheEnvironment) {
  setenv("RCNN_RANK_ENVIRONMENT_TEST", "a=b", /*overwrite=*/1);
  EXPECT_EQ(EnvironmentVariables()["RCNN_RANK_ENVIRONMENT_TEST"], "a=b");
  unsetenv("RCNN_RANK_ENVIRONMENT_TEST");
}

}  // namespace
}  // namespace rcnn::training
