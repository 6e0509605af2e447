#include "rcnn/training/trainer/checkpoint.h"

#include <ATen/ATen.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/stream_key.h"
#include "rcnn/base/testing/fresh_directory.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/ops/testing/far_device.h"

namespace rcnn::training {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr char kKey[] = "0123456789abcdef0123456789abcdef";

// Every tensor is filled with the iteration's number.
Checkpoint MakeCheckpoint(int64_t iteration, int64_t elements = 100) {
  Checkpoint checkpoint;
  checkpoint.iteration = iteration;
  checkpoint.model.Add("head.weight", at::full({elements, 3}, iteration, at::kFloat));
  checkpoint.model.Add("head.count", at::full({}, iteration, at::kLong));
  checkpoint.solver.Add("momentum.head.weight", at::full({elements, 3}, -iteration, at::kFloat));
  checkpoint.facts = {{"best", absl::StrCat(iteration)}, {"note", "caf\xc3\xa9"}};
  return checkpoint;
}

class CheckpointStoreTest : public testing::Test {
 protected:
  CheckpointStoreTest() : directory_(FreshDirectory()), store_(directory_, kKey) {}

  void Write(int64_t iteration) {
    const absl::Status status = store_.Write(MakeCheckpoint(iteration));
    ASSERT_THAT(status, IsOk());
  }

  // The iteration of the newest usable checkpoint, -1 if there is none, after
  // checking that its contents are that iteration's.
  int64_t Latest() {
    problems_.clear();
    const auto latest = store_.ReadLatest(&problems_);
    EXPECT_THAT(latest, IsOk());
    if (!latest.ok() || !latest->has_value()) return -1;
    const Checkpoint& checkpoint = **latest;
    const Checkpoint expected = MakeCheckpoint(checkpoint.iteration);
    for (const auto& [name, tensor] : expected.model) {
      const at::Tensor* actual = checkpoint.model.Find(name);
      EXPECT_TRUE(actual != nullptr && at::equal(*actual, tensor)) << name;
    }
    const at::Tensor* momentum = checkpoint.solver.Find("momentum.head.weight");
    EXPECT_TRUE(momentum != nullptr && at::equal(*momentum, expected.solver.entries()[0].tensor));
    EXPECT_EQ(checkpoint.model.size(), 2u);
    EXPECT_EQ(checkpoint.facts, expected.facts);
    return checkpoint.iteration;
  }

  std::string File(int64_t iteration, const std::string& name) {
    return absl::StrCat(directory_, "/checkpoint-", iteration, "/", name);
  }

  std::string directory_;
  CheckpointStore store_;
  std::vector<std::string> problems_;
};

TEST_F(CheckpointStoreTest, StartsWithNone) {
  EXPECT_EQ(Latest(), -1);
  EXPECT_THAT(problems_, IsEmpty());
  EXPECT_THAT(store_.Prune(1), IsOk());
}

// A checkpoint does not know the device that its tensors came from.
TEST_F(CheckpointStoreTest, TensorsOfAnotherDeviceAreReadOnTheCpu) {
  const Checkpoint plain = MakeCheckpoint(4);
  Checkpoint far = plain;
  far.model = far.solver = {};
  for (const auto& [name, tensor] : plain.model) {
    far.model.Add(name, tensor.to(ops::testing::FarDevice()));
  }
  for (const auto& [name, tensor] : plain.solver) {
    far.solver.Add(name, tensor.to(ops::testing::FarDevice()));
  }
  ASSERT_THAT(store_.Write(far), IsOk());
  EXPECT_EQ(Latest(), 4);
}

TEST_F(CheckpointStoreTest, ReadsTheNewestByNumber) {
  for (const int64_t iteration : {0, 9, 100, 20}) Write(iteration);
  EXPECT_EQ(Latest(), 100);
  EXPECT_THAT(problems_, IsEmpty());
  EXPECT_THAT(ListCheckpoints(directory_), IsOkAndHolds(ElementsAre(100, 20, 9, 0)));
}

TEST_F(CheckpointStoreTest, ReplacesOneOfTheSameIteration) {
  Write(5);
  Write(5);
  EXPECT_EQ(Latest(), 5);
  EXPECT_THAT(ListCheckpoints(directory_), IsOkAndHolds(ElementsAre(5)));
}

TEST_F(CheckpointStoreTest, PrunesTheOldest) {
  for (const int64_t iteration : {1, 2, 3, 10}) Write(iteration);
  ASSERT_THAT(store_.Prune(2), IsOk());
  EXPECT_THAT(ListCheckpoints(directory_), IsOkAndHolds(ElementsAre(10, 3)));
  ASSERT_THAT(store_.Prune(0), IsOk());
  EXPECT_THAT(ListCheckpoints(directory_), IsOkAndHolds(ElementsAre(10)));
}

TEST_F(CheckpointStoreTest, ClearLeavesOtherFilesAlone) {
  Write(1);
  fs::create_directories(directory_ + "/checkpoint-7.tmp");
  ASSERT_THAT(WriteFileAtomically(directory_ + "/key.txt", "x"), IsOk());
  std::ofstream(absl::StrCat(directory_, "/", kBestWeightsFile)) << "x";
  ASSERT_THAT(store_.Clear(), IsOk());
  EXPECT_FALSE(fs::exists(absl::StrCat(directory_, "/", kBestWeightsFile)));
  EXPECT_TRUE(fs::exists(directory_ + "/key.txt"));
  EXPECT_FALSE(fs::exists(directory_ + "/checkpoint-7.tmp"));
  EXPECT_EQ(Latest(), -1);
}

TEST_F(CheckpointStoreTest, RejectsCheckpointsWithAnotherKey) {
  Write(1);
  ASSERT_THAT(CheckpointStore(directory_, "another").Write(MakeCheckpoint(2)), IsOk());
  EXPECT_EQ(Latest(), 1);
  ASSERT_THAT(problems_, SizeIs(1));
  EXPECT_THAT(problems_[0], HasSubstr("checkpoint 2 cannot be used"));
  EXPECT_THAT(problems_[0], HasSubstr("written with other settings"));
}

TEST_F(CheckpointStoreTest, IgnoresMovedCheckpoints) {
  Write(1);
  Write(2);
  fs::rename(absl::StrCat(directory_, "/checkpoint-2"), absl::StrCat(directory_, "/checkpoint-3"));
  EXPECT_EQ(Latest(), 1);
  EXPECT_THAT(problems_, ElementsAre(HasSubstr("holds iteration 2")));
}

TEST_F(CheckpointStoreTest, IgnoresOtherNames) {
  Write(1);
  for (const char* name : {"checkpoint-", "checkpoint-x", "checkpoint--4", "checkpoint-04",
                           "checkpoint-99999999999999999999", "checkpoint-4.old", "other-5"}) {
    fs::create_directories(absl::StrCat(directory_, "/", name));
  }
  EXPECT_EQ(Latest(), 1);
  EXPECT_THAT(problems_, IsEmpty());
}

TEST_F(CheckpointStoreTest, RemainsAreIgnoredAndRemovedByTheNextWrite) {
  Write(1);
  fs::create_directories(directory_ + "/checkpoint-2.tmp");
  ASSERT_THAT(WriteFileAtomically(directory_ + "/checkpoint-2.tmp/model.safetensors", "x"), IsOk());
  EXPECT_EQ(Latest(), 1);
  Write(2);
  EXPECT_EQ(Latest(), 2);
  EXPECT_FALSE(fs::exists(directory_ + "/checkpoint-2.tmp"));
}

TEST_F(CheckpointStoreTest, IgnoresIncompleteCheckpoints) {
  Write(1);
  for (const std::string name : {"model.safetensors", "solver.safetensors", "manifest.json"}) {
    Write(2);
    fs::remove(File(2, name));
    EXPECT_EQ(Latest(), 1) << name;
    EXPECT_THAT(problems_, ElementsAre(HasSubstr(name)));
  }
}

TEST_F(CheckpointStoreTest, DetectsDamageAndUsesThePreviousCheckpoint) {
  Write(1);
  RandomStream random({.seed = 5, .stage = "", .step = 0, .purpose = "damage"});
  for (const std::string name : {"model.safetensors", "solver.safetensors", "manifest.json"}) {
    Write(2);
    const std::string bytes = *ReadFile(File(2, name));
    for (int i = 0; i < 60; ++i) {
      std::string damaged = bytes;
      const size_t place = static_cast<size_t>(random.UniformInt(bytes.size()));
      if (i % 2 == 0) damaged.resize(place);
      if (i % 2 == 1)
        damaged[place] = static_cast<char>(damaged[place] ^ (1 << random.UniformInt(8)));
      ASSERT_THAT(WriteFileAtomically(File(2, name), damaged), IsOk());
      const auto latest = store_.ReadLatest(nullptr);
      ASSERT_THAT(latest, IsOkAndHolds(::testing::Optional(::testing::_)));
      // The manifest's text had no checksum here, so a fact may have changed.
      if (name == "manifest.json") continue;
      EXPECT_EQ((*latest)->iteration, 1) << name << " " << place;
    }
  }
}

// Reading one to its end would take longer than a test may.
TEST_F(CheckpointStoreTest, AFileThatHasBecomeVeryLongIsDamaged) {
  Write(1);
  for (const std::string name : {"model.safetensors", "solver.safetensors", "manifest.json"}) {
    Write(2);
    fs::resize_file(File(2, name), uintmax_t{1} << 40);
    EXPECT_EQ(Latest(), 1) << name;
    const auto is_damage = ElementsAre(AllOf(HasSubstr(name), HasSubstr("is damaged")));
    EXPECT_THAT(problems_, is_damage);
    EXPECT_THAT(store_.Verify(), IsOkAndHolds(Field(&CheckpointVerification::damage, is_damage)));
  }
}

// As those that a run would resume with.
TEST_F(CheckpointStoreTest, VerifyingTellsTheFactsOfTheNewestIntactOne) {
  EXPECT_THAT(store_.Verify()->facts, IsEmpty());
  for (const int64_t iteration : {9, 10, 11}) Write(iteration);
  EXPECT_EQ(store_.Verify()->facts.at("best"), "11");
  ASSERT_THAT(WriteFileAtomically(File(11, "manifest.json"), "damaged"), IsOk());
  const auto found = store_.Verify();
  ASSERT_THAT(found, IsOk());
  EXPECT_EQ(found->facts, MakeCheckpoint(10).facts);
  EXPECT_EQ(found->files, 6);
  EXPECT_THAT(CheckpointStore(directory_, "another key").Verify()->facts, IsEmpty());
}

// They have every line of a training's metrics.
TEST_F(CheckpointStoreTest, LongFactsAreReadAgain) {
  Checkpoint checkpoint = MakeCheckpoint(3);
  checkpoint.facts["metrics"] = std::string(17 << 20, 'x');
  ASSERT_THAT(store_.Write(checkpoint), IsOk());
  const auto latest = store_.ReadLatest(nullptr);
  ASSERT_THAT(latest, IsOk());
  ASSERT_TRUE(latest->has_value());
  EXPECT_TRUE((*latest)->facts == checkpoint.facts);
}

TEST_F(CheckpointStoreTest, AnyManifestIsReadOrRejected) {
  Write(1);
  Write(2);
  for (const char* text :
       {"", "null", "[]", "{}", "{\"format\":1}", "\xff",
        "{\"format\":2,\"iteration\":2,\"key\":\"\","
        "\"files\":{},\"facts\":{}}",
        "{\"format\":1,\"iteration\":2.5,\"key\":\"\",\"files\":{},"
        "\"facts\":{}}",
        "{\"format\":1,\"iteration\":2,\"key\":3,\"files\":{},\"facts\":{}}",
        "{\"format\":1,\"iteration\":2,\"key\":\"0123456789abcdef0123456789abcdef\",\"files\":[],"
        "\"facts\":{\"a\":1}}",
        "{\"format\":1,\"iteration\":2,\"key\":"
        "\"0123456789abcdef0123456789abcdef\",\"files\":null,\"facts\":{}}"}) {
    ASSERT_THAT(WriteFileAtomically(File(2, "manifest.json"), text), IsOk());
    EXPECT_EQ(Latest(), 1) << text;
    EXPECT_THAT(problems_, SizeIs(1)) << text;
  }
}

TEST_F(CheckpointStoreTest, FullDiskIsAnErrorAndKeepsTheEarlierCheckpoint) {
  Write(1);
  signal(SIGXFSZ, SIG_IGN);
  rlimit before;
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  for (const rlim_t bytes : {0, 100, 2000}) {
    const rlimit limit = {bytes, before.rlim_max};
    ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
    const absl::Status status = store_.Write(MakeCheckpoint(2, 1000));
    ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kResourceExhausted,
                                 AllOf(HasSubstr("checkpoint 2 was not written"),
                                       HasSubstr("free some space"))));
    EXPECT_EQ(Latest(), 1);
    EXPECT_FALSE(fs::exists(directory_ + "/checkpoint-2.tmp"));
  }
}

// The run directory has been moved: there must not be a new one with nothing but a checkpoint.
TEST_F(CheckpointStoreTest, AMissingDirectoryIsNotMade) {
  fs::remove_all(directory_);
  EXPECT_THAT(store_.Write(MakeCheckpoint(1)), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_FALSE(fs::exists(directory_));
}

TEST_F(CheckpointStoreTest, KillAtAnyTimeKeepsTheLastCompleteCheckpoint) {
  Write(1);
  int64_t latest = 1;
  RandomStream random({.seed = 6, .stage = "", .step = 0, .purpose = "kills"});
  // On a busy machine few children get to a second checkpoint.
  for (int i = 0; i < 25 || (latest <= 10 && i < 1000); ++i) {
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      for (int64_t iteration = latest + 1;; ++iteration) {
        if (!store_.Write(MakeCheckpoint(iteration)).ok() || !store_.Prune(2).ok()) _exit(3);
      }
    }
    usleep(static_cast<useconds_t>(random.UniformInt(60000)));
    kill(child, SIGKILL);
    int status = 0;
    waitpid(child, &status, 0);
    ASSERT_TRUE(WIFSIGNALED(status));
    const int64_t after = Latest();
    ASSERT_GE(after, latest);
    ASSERT_THAT(problems_, IsEmpty()) << "iteration " << after;
    latest = after;
  }
  EXPECT_GT(latest, 10);
}

// As --verify while a scheduler works: checkpoints are written, replaced and deleted.
TEST_F(CheckpointStoreTest, VerifyingDuringARunFindsNoDamage) {
  Write(1);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    for (int64_t iteration = 2;; ++iteration) {
      const Checkpoint checkpoint = MakeCheckpoint(iteration);
      for (int i = 0; i < 2; ++i) {
        if (!store_.Write(checkpoint).ok() || !store_.Prune(1).ok()) _exit(3);
      }
    }
  }
  absl::StatusOr<CheckpointVerification> found = CheckpointVerification();
  absl::StatusOr<std::vector<int64_t>> iterations = std::vector<int64_t>();
  // Each is replaced and deleted once: this many chances to see one disappear.
  constexpr int64_t kCheckpoints = 40;
  int64_t files = 0, newest = 0;
  while (found.ok() && found->damage.empty() && iterations.ok() && newest < kCheckpoints &&
         waitpid(child, nullptr, WNOHANG) == 0) {
    found = store_.Verify();
    if (found.ok()) files += found->files;
    iterations = ListCheckpoints(directory_);
    if (iterations.ok() && !iterations->empty()) newest = iterations->front();
  }
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  ASSERT_THAT(found, IsOk());
  EXPECT_THAT(found->damage, IsEmpty());
  EXPECT_THAT(iterations, IsOk());
  EXPECT_GE(newest, kCheckpoints) << "the writer ended";
  EXPECT_GT(files, 0);
}

// A checkpoint of the iteration that goes with the best weights so far, `best`.
void WriteWithBest(CheckpointStore& store, const std::string& directory, int64_t iteration,
                   const std::string& best) {
  Checkpoint checkpoint = MakeCheckpoint(iteration);
  checkpoint.best_weights = directory + "/" + kBestWeightsFile;
  checkpoint.best_digest = WriteFileAtomically(checkpoint.best_weights, best).value();
  ASSERT_THAT(store.Write(checkpoint), IsOk());
}

TEST_F(CheckpointStoreTest, EachKeepsTheBestWeightsOfItsTime) {
  WriteWithBest(store_, directory_, 1, "first");
  WriteWithBest(store_, directory_, 2, "second");
  EXPECT_EQ(ReadFile(store_.ReadLatest(nullptr).value()->best_weights).value(), "second");
  fs::remove_all(directory_ + "/checkpoint-2");
  EXPECT_EQ(ReadFile(store_.ReadLatest(nullptr).value()->best_weights).value(), "first");
  Write(3);
  EXPECT_EQ(store_.ReadLatest(nullptr).value()->best_weights, "");
  ASSERT_THAT(store_.Clear(), IsOk());
  EXPECT_TRUE(fs::is_empty(directory_));
}

TEST_F(CheckpointStoreTest, DetectsTornBestWeights) {
  WriteWithBest(store_, directory_, 1, "first");
  WriteWithBest(store_, directory_, 2, "second");
  fs::resize_file(directory_ + "/" + kBestWeightsFile, 3);
  EXPECT_EQ(Latest(), 1);
  EXPECT_THAT(problems_, ElementsAre(HasSubstr("checkpoint-2/best.safetensors is damaged")));
  // Nor does the next checkpoint accept them.
  Checkpoint next = MakeCheckpoint(3);
  next.best_weights = directory_ + "/" + kBestWeightsFile;
  next.best_digest = Digest("second");
  EXPECT_THAT(store_.Write(next), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_EQ(ListCheckpoints(directory_)->front(), 2);
  fs::remove(File(1, kBestWeightsFile));
  EXPECT_EQ(Latest(), -1);
  EXPECT_THAT(problems_, SizeIs(2));
}

TEST(LinkOrCopyTest, ReplacesAndLeavesNoOtherFiles) {
  const std::string directory = FreshDirectory();
  const std::string from = directory + "/from", to = directory + "/to";
  ASSERT_THAT(WriteFileAtomically(from, "new"), IsOk());
  ASSERT_THAT(WriteFileAtomically(to, "old"), IsOk());
  for (int i = 0; i < 2; ++i) {  // the second time they are one file already
    ASSERT_THAT(LinkOrCopy(from, to), IsOk());
    EXPECT_EQ(ReadFile(to).value(), "new");
    EXPECT_EQ(std::distance(fs::directory_iterator(directory), {}), 2);
  }
  EXPECT_THAT(LinkOrCopy(directory + "/nothing", to), ::testing::Not(IsOk()));
  EXPECT_EQ(ReadFile(to).value(), "new");
}

// It may be the same file. No user can follow a link to a name that is too long.
TEST(LinkOrCopyTest, WhatCannotBeExaminedNowIsNotReplaced) {
  const std::string directory = FreshDirectory();
  const std::string from = directory + "/from", to = directory + "/to";
  ASSERT_THAT(WriteFileAtomically(from, "new"), IsOk());
  fs::create_symlink(std::string(300, 'x'), to);
  EXPECT_THAT(LinkOrCopy(from, to),
              StatusIs(absl::StatusCode::kUnavailable, ::testing::HasSubstr(to)));
  EXPECT_TRUE(fs::is_symlink(to));
  EXPECT_EQ(std::distance(fs::directory_iterator(directory), {}), 2);
}

}  // namespace
}  // namespace rcnn::training
