#include "rcnn/training/plan/stored_plan.h"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/testing/status_matchers.h"

namespace rcnn::training {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

StoredPlan Plan() {
  StoredPlan plan;
  plan.config.set_name("cells");
  plan.config.set_seed(7);
  plan.basis.set_folder("/data/cells");
  plan.basis.set_budget_seconds(1200);
  plan.basis.set_recipe("joint");
  plan.basis.set_train("aa");
  plan.basis.add_explanation("scale: 240 px");
  return plan;
}

std::string Fresh() {
  const std::string directory = testing::TempDir() + "/plan";
  std::filesystem::remove_all(directory);
  return directory;
}

TEST(StoredPlanTest, IsReadAsItWasWritten) {
  const std::string directory = Fresh();
  auto read = ReadStoredPlan(directory);
  ASSERT_THAT(read, IsOk());
  EXPECT_FALSE(read->has_value());
  ASSERT_THAT(WriteStoredPlan(directory, Plan()), IsOk());
  read = ReadStoredPlan(directory);
  ASSERT_THAT(read, IsOk());
  ASSERT_TRUE(read->has_value());
  EXPECT_EQ((*read)->config.DebugString(), Plan().config.DebugString());
  EXPECT_EQ((*read)->basis.DebugString(), Plan().basis.DebugString());
  EXPECT_TRUE((*read)->has_checksum);
  EXPECT_FALSE((*read)->edited);
  EXPECT_THAT(*ReadFile(PlanPath(directory)), HasSubstr("\n# scale: 240 px\n"));
}

// Of a class or a file.
TEST(StoredPlanTest, NamesInTheExplanationAreNoPartOfThePlan) {
  const std::string directory = Fresh();
  StoredPlan plan = Plan();
  plan.basis.add_explanation(
      "rare classes: \xe2\x80\xae"
      "cat\nname: \"other\"");
  ASSERT_THAT(WriteStoredPlan(directory, plan), IsOk());
  const auto read = ReadStoredPlan(directory);
  ASSERT_THAT(read, IsOk());
  EXPECT_EQ((*read)->config.name(), "cells");
  EXPECT_THAT(*ReadFile(PlanPath(directory)),
              HasSubstr("# rare classes: \\u202ecat\\nname: \"other\"\n"));
}

// It is written last, so that half a plan is none.
TEST(StoredPlanTest, WithoutItsBasisThereIsNone) {
  const std::string directory = Fresh();
  ASSERT_THAT(WriteStoredPlan(directory, Plan()), IsOk());
  std::filesystem::remove(directory + "/plan_basis.textproto");
  const auto read = ReadStoredPlan(directory);
  ASSERT_THAT(read, IsOk());
  EXPECT_FALSE(read->has_value());
}

// Without it nothing tells whether the plan was edited, and a new plan is on its way.
TEST(StoredPlanTest, AMissingBasisDoesNotCostAnEditedPlan) {
  const std::string directory = Fresh();
  const std::string previous = directory + "/plan.previous";
  ASSERT_THAT(WriteStoredPlan(directory, Plan()), IsOkAndHolds(""));
  for (const std::string number : {"", "-2", "-3"}) {
    const std::string edited = "seed: 77 # edited" + number + "\n";
    ASSERT_THAT(WriteFileAtomically(PlanPath(directory), edited), IsOk());
    std::filesystem::remove(directory + "/plan_basis.textproto");
    EXPECT_THAT(WriteStoredPlan(directory, Plan()), IsOkAndHolds(previous + number + ".textproto"));
    EXPECT_THAT(ReadFile(previous + number + ".textproto"), IsOkAndHolds(edited));
    EXPECT_THAT(ReadFile(PlanPath(directory)), IsOkAndHolds(HasSubstr("seed: 7\n")));
  }
  EXPECT_THAT(ReadFile(previous + ".textproto"), IsOkAndHolds("seed: 77 # edited\n"));
}

TEST(StoredPlanTest, KeepsWhatMayHaveBeenEditedAlone) {
  const std::string directory = Fresh();
  ASSERT_THAT(WriteStoredPlan(directory, Plan()), IsOk());
  StoredPlan next = Plan();
  next.config.set_seed(8);
  EXPECT_THAT(WriteStoredPlan(directory, next), IsOkAndHolds(""));
  const std::string text = *ReadFile(PlanPath(directory));
  // The same plan after the basis was lost.
  std::filesystem::remove(directory + "/plan_basis.textproto");
  EXPECT_THAT(WriteStoredPlan(directory, next), IsOkAndHolds(""));
  // Edited while its basis is there, twice in the same way.
  const std::string kept = directory + "/plan.previous.textproto";
  for (int i = 0; i < 2; ++i) {
    ASSERT_THAT(WriteFileAtomically(PlanPath(directory), text + "# mine\n"), IsOk());
    EXPECT_THAT(WriteStoredPlan(directory, Plan()), IsOkAndHolds(kept));
    EXPECT_THAT(ReadFile(kept), IsOkAndHolds(text + "# mine\n"));
  }
  EXPECT_FALSE(std::filesystem::exists(directory + "/plan.previous-2.textproto"));
}

TEST(StoredPlanTest, ADamagedBasisDoesNotCostAnEditedPlan) {
  const std::string directory = Fresh();
  const std::string path = directory + "/plan_basis.textproto";
  ASSERT_THAT(WriteStoredPlan(directory, Plan()), IsOk());
  const std::string whole = *ReadFile(path);
  const std::string other_budget = absl::StrReplaceAll(whole, {{": 1200", ": 1000"}});
  ASSERT_NE(other_budget, whole);
  for (const std::string& text : {other_budget, std::string("budget_seconds: {")}) {
    ASSERT_THAT(WriteFileAtomically(path, text), IsOk());
    EXPECT_THAT(ReadStoredPlan(directory),
                StatusIs(absl::StatusCode::kDataLoss,
                         AllOf(HasSubstr(path), HasSubstr("give it with --config"))));
  }
}

// Also one that ends after a whole line, which is a text of the format.
TEST(StoredPlanTest, ABasisThatEndsTooEarlyIsDamaged) {
  const std::string directory = Fresh();
  const std::string path = directory + "/plan_basis.textproto";
  ASSERT_THAT(WriteStoredPlan(directory, Plan()), IsOk());
  const std::string whole = *ReadFile(path);
  for (size_t size = 0; size < whole.size(); ++size) {
    ASSERT_THAT(WriteFileAtomically(path, whole.substr(0, size)), IsOk());
    EXPECT_THAT(ReadStoredPlan(directory),
                StatusIs(absl::StatusCode::kDataLoss, HasSubstr("give it with --config")))
        << size << " of " << whole.size() << " bytes";
  }
}

TEST(StoredPlanTest, ABasisOfAnEarlierVersionHasItsChecksumAtTheEndOrNone) {
  const std::string directory = Fresh();
  const std::string path = directory + "/plan_basis.textproto";
  ASSERT_THAT(WriteStoredPlan(directory, Plan()), IsOk());
  const std::string text = *ReadFile(path);
  const size_t line = text.find('\n') + 1;
  const std::string checksum = text.substr(0, line), basis = text.substr(line);
  ASSERT_THAT(checksum, HasSubstr("# CRC-32C "));
  for (const std::string& earlier : {basis + checksum, basis}) {
    ASSERT_THAT(WriteFileAtomically(path, earlier), IsOk());
    const auto read = ReadStoredPlan(directory);
    ASSERT_THAT(read, IsOk());
    ASSERT_TRUE(read->has_value());
    EXPECT_EQ((*read)->basis.budget_seconds(), 1200);
  }
  ASSERT_THAT(WriteFileAtomically(path, "threads: 1\n" + basis + checksum), IsOk());
  EXPECT_THAT(ReadStoredPlan(directory), StatusIs(absl::StatusCode::kDataLoss));
}

// A flipped bit of a number still is a plan.
TEST(StoredPlanTest, TellsThatThePlanIsNotAsItWasWritten) {
  const std::string directory = Fresh();
  ASSERT_THAT(WriteStoredPlan(directory, Plan()), IsOk());
  const std::string text = *ReadFile(PlanPath(directory));
  ASSERT_THAT(
      WriteFileAtomically(PlanPath(directory), absl::StrReplaceAll(text, {{"seed: 7", "seed: 6"}})),
      IsOk());
  auto read = ReadStoredPlan(directory);
  ASSERT_THAT(read, IsOk());
  EXPECT_TRUE((*read)->edited);
  EXPECT_EQ((*read)->config.seed(), 6u);
  // Without the checksum, as earlier versions wrote it, nothing is known.
  ASSERT_THAT(WriteFileAtomically(directory + "/plan_basis.textproto", "folder: \"/data/cells\"\n"),
              IsOk());
  read = ReadStoredPlan(directory);
  ASSERT_THAT(read, IsOk());
  EXPECT_FALSE((*read)->has_checksum);
  EXPECT_FALSE((*read)->edited);
}

// Of links only the links are replaced, and a plan that one led to is kept.
TEST(StoredPlanTest, LinksAreNotFollowedWhenAPlanIsWritten) {
  const std::string directory = Fresh(), kept = directory + "/plan.previous.textproto";
  for (const std::string& path : {PlanPath(directory), directory + "/plan_basis.textproto"}) {
    Fresh();
    const std::string mine = testing::TempDir() + "/mine";
    ASSERT_THAT(WriteFileAtomically(mine, "seed: 77 # mine\n"), IsOk());
    std::filesystem::create_directories(directory);
    std::filesystem::create_symlink(mine, path);
    EXPECT_THAT(WriteStoredPlan(directory, Plan()),
                IsOkAndHolds(path == PlanPath(directory) ? kept : ""));
    EXPECT_THAT(ReadFile(mine), IsOkAndHolds("seed: 77 # mine\n"));
    EXPECT_FALSE(std::filesystem::is_symlink(path));
    const auto read = ReadStoredPlan(directory);
    ASSERT_THAT(read, IsOk());
    EXPECT_TRUE(read->has_value());
  }
}

// With the plan, that link would lead to the new one.
TEST(StoredPlanTest, ALinkToThePlanDoesNotKeepIt) {
  const std::string directory = Fresh(), kept = directory + "/plan.previous";
  ASSERT_THAT(WriteStoredPlan(directory, Plan()), IsOk());
  ASSERT_THAT(WriteFileAtomically(PlanPath(directory), "seed: 77 # mine\n"), IsOk());
  std::filesystem::create_symlink("plan.textproto", kept + ".textproto");
  EXPECT_THAT(WriteStoredPlan(directory, Plan()), IsOkAndHolds(kept + "-2.textproto"));
  EXPECT_THAT(ReadFile(kept + "-2.textproto"), IsOkAndHolds("seed: 77 # mine\n"));
  EXPECT_TRUE(std::filesystem::is_symlink(kept + ".textproto"));
}

TEST(StoredPlanTest, WhatIsInThePlaceOfAPlanMakesWay) {
  for (const std::string name : {"plan.textproto", "plan_basis.textproto"}) {
    const std::string directory = Fresh(), path = absl::StrCat(directory, "/", name);
    std::filesystem::create_directories(path);
    ASSERT_THAT(WriteFileAtomically(path + "/mine", "x"), IsOk());
    EXPECT_THAT(WriteStoredPlan(directory, Plan()), IsOkAndHolds(""));
    EXPECT_THAT(ReadFile(path + ".before/mine"), IsOkAndHolds("x"));
    std::filesystem::remove(path);
    std::filesystem::create_symlink(path, path);  // to itself
    EXPECT_THAT(WriteStoredPlan(directory, Plan()), IsOk());
    const auto read = ReadStoredPlan(directory);
    ASSERT_THAT(read, IsOk());
    EXPECT_TRUE(read->has_value());
  }
}

// Reading one to its end would take longer than a test may.
TEST(StoredPlanTest, AFileThatHasBecomeVeryLongIsNotReadAsAPlan) {
  const std::string directory = Fresh(), basis = directory + "/plan_basis.textproto";
  ASSERT_THAT(WriteStoredPlan(directory, Plan()), IsOk());
  std::filesystem::resize_file(basis, uintmax_t{1} << 40);
  EXPECT_THAT(ReadStoredPlan(directory),
              StatusIs(absl::StatusCode::kDataLoss,
                       AllOf(HasSubstr(basis), HasSubstr("give it with --config"))));
  std::filesystem::remove(basis);
  std::filesystem::resize_file(PlanPath(directory), uintmax_t{1} << 40);
  const std::string aside = PlanPath(directory) + ".before";
  EXPECT_THAT(WriteStoredPlan(directory, Plan()), IsOkAndHolds(aside));
  EXPECT_EQ(std::filesystem::file_size(aside), uintmax_t{1} << 40);
  const auto read = ReadStoredPlan(directory);
  ASSERT_THAT(read, IsOk());
  EXPECT_TRUE(read->has_value());
}

TEST(StoredPlanTest, AnErrorInAnEditedPlanNamesItsPlace) {
  const std::string directory = Fresh();
  ASSERT_THAT(WriteStoredPlan(directory, Plan()), IsOk());
  ASSERT_THAT(WriteFileAtomically(PlanPath(directory), "name: \"cells\"\nsed: 3\n"), IsOk());
  EXPECT_THAT(ReadStoredPlan(directory).status().ToString(), HasSubstr("plan.textproto:2:"));
}

TEST(PlanChangesTest, NamesWhatDiffers) {
  const PlanBasis before = Plan().basis;
  EXPECT_THAT(PlanChanges(before, before), IsEmpty());
  PlanBasis now = before;
  now.set_threads(8);
  EXPECT_THAT(PlanChanges(before, now), IsEmpty());
  now.set_budget_seconds(600);
  now.set_train("bb");
  now.set_recipe("alternating");
  now.set_pretrained("/weights/resnet18.pth");
  now.set_pretrained_digest("5 bytes");
  EXPECT_THAT(PlanChanges(before, now),
              ElementsAre(HasSubstr("20m00s, now 10m00s"), HasSubstr("joint, now alternating"),
                          HasSubstr("none, now /weights/resnet18.pth"), HasSubstr("training")));
}

}  // namespace
}  // namespace rcnn::training
