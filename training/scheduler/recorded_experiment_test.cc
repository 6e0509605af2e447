#include "rcnn/training/scheduler/recorded_experiment.h"

#include <filesystem>
#include <fstream>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/experiment_copy.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/testing/fresh_directory.h"
#include "rcnn/base/testing/status_matchers.h"

namespace rcnn::training {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

constexpr char kText[] = "name: \"cells\"\nseed: 5\n";

class RecordedExperimentTest : public testing::Test {
 protected:
  RecordedExperimentTest()
      : run_(FreshDirectory()),
        first_(run_ + "/experiment.textproto"),
        second_(run_ + "/copies/experiment.textproto") {
    EXPECT_THAT(WriteRecordedExperiment(run_, kText), IsOk());
  }

  static void Put(const std::string& path, const std::string& bytes) {
    std::ofstream(path, std::ios::binary) << bytes;
  }

  RecordedExperiment Read() {
    const absl::StatusOr<RecordedExperiment> recorded = ReadRecordedExperiment(run_);
    EXPECT_THAT(recorded, IsOk());
    return recorded.ok() ? *recorded : RecordedExperiment();
  }

  const std::string run_, first_, second_;
};

TEST_F(RecordedExperimentTest, ReadsWhatWasWritten) {
  const RecordedExperiment recorded = Read();
  ASSERT_TRUE(recorded.config.has_value());
  EXPECT_EQ(recorded.config->name(), "cells");
  EXPECT_TRUE(recorded.is_sealed);
  EXPECT_EQ(recorded.text, kText);
  EXPECT_EQ(recorded.problem, "");
  EXPECT_EQ(recorded.copy_problem, "");
  EXPECT_THAT(ReadFile(first_), IsOkAndHolds(kText)) << "it can be given with --config";
}

// They would take many times the file's size in memory.
TEST_F(RecordedExperimentTest, OneOfManyEmptyMessagesIsDamaged) {
  fs::remove(second_);
  std::string text = kText;
  while (text.size() < size_t{2} << 20) text += "stages{}";
  Put(first_, text);
  const RecordedExperiment recorded = Read();
  EXPECT_FALSE(recorded.config.has_value());
  EXPECT_EQ(recorded.problem, first_ + " is damaged");
}

TEST_F(RecordedExperimentTest, EveryFlippedBitIsNoticed) {
  const std::string copy = *ReadFile(second_);
  for (const std::string& path : {first_, second_}) {
    const std::string bytes = *ReadFile(path);
    for (size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
      std::string flipped = bytes;
      flipped[bit / 8] ^= static_cast<char>(1 << bit % 8);
      Put(path, flipped);
      const RecordedExperiment recorded = Read();
      ASSERT_TRUE(recorded.config.has_value()) << bit;
      EXPECT_EQ(recorded.config->name(), "cells") << bit;
      EXPECT_EQ(recorded.problem.empty(), path == second_) << bit;
      EXPECT_EQ(recorded.copy_problem.empty(), path == first_) << bit;
    }
    ASSERT_THAT(WriteRecordedExperiment(run_, kText), IsOk());
    EXPECT_THAT(ReadFile(first_), IsOkAndHolds(kText));
    EXPECT_THAT(ReadFile(second_), IsOkAndHolds(copy));
  }
}

TEST_F(RecordedExperimentTest, TheSecondCopyKnowsTheName) {
  for (const std::string& other :
       {std::string("name: \"cellS\"\n"), std::string("nonsense"), std::string(20'000'000, '#')}) {
    Put(first_, other);
    EXPECT_EQ(Read().config->name(), "cells");
    EXPECT_THAT(Read().problem, HasSubstr("experiment.textproto is "));
  }
  fs::remove(first_);
  EXPECT_EQ(Read().config->name(), "cells");
  EXPECT_THAT(Read().problem, HasSubstr("experiment.textproto is missing"));
  fs::create_directories(first_ + "/mine");
  EXPECT_EQ(Read().config->name(), "cells");
  ASSERT_THAT(WriteRecordedExperiment(run_, kText), IsOk());
  EXPECT_EQ(Read().problem, "");
  EXPECT_TRUE(fs::exists(first_ + ".before/mine"));
}

TEST_F(RecordedExperimentTest, RunsOfEarlierVersionsHaveNoSecondCopy) {
  fs::remove_all(run_ + "/copies");
  EXPECT_EQ(Read().config->name(), "cells");
  EXPECT_FALSE(Read().is_sealed);
  EXPECT_EQ(Read().copy_problem, "");
  Put(first_, "nonsense");
  EXPECT_FALSE(Read().config.has_value());
  EXPECT_TRUE(Read().is_there);
  fs::remove(first_);
  EXPECT_FALSE(Read().is_there);
}

TEST_F(RecordedExperimentTest, ALinkInThePlaceOfTheCopiesIsNotFollowed) {
  const std::string foreign = run_ + "/foreign", copies = run_ + "/copies";
  fs::create_directories(foreign);
  Put(foreign + "/experiment.textproto", ExperimentCopyText("name: \"other\"\n"));
  fs::remove_all(copies);
  fs::create_directory_symlink(foreign, copies);
  EXPECT_EQ(Read().config->name(), "cells");
  ASSERT_THAT(WriteRecordedExperiment(run_, kText), IsOk());
  EXPECT_FALSE(fs::is_symlink(copies));
  EXPECT_TRUE(Read().is_sealed);
  EXPECT_THAT(ReadFile(foreign + "/experiment.textproto"),
              IsOkAndHolds(ExperimentCopyText("name: \"other\"\n")));
}

TEST_F(RecordedExperimentTest, WhatCannotBeReadNowIsNotDamaged) {
  for (const std::string& path : {first_, second_}) {
    fs::rename(path, run_ + "/aside");
    fs::create_symlink(path, path);
    EXPECT_THAT(ReadRecordedExperiment(run_), StatusIs(absl::StatusCode::kUnavailable));
    EXPECT_THAT(WriteRecordedExperiment(run_, kText), StatusIs(absl::StatusCode::kUnavailable));
    fs::remove(path);
    fs::rename(run_ + "/aside", path);
  }
}

}  // namespace
}  // namespace rcnn::training
