#include "rcnn/training/plan/verify_plan.h"

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/testing/fresh_directory.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/configs/dataset.pb.h"
#include "rcnn/data/sources/split_lists.h"
#include "rcnn/data/split/plan_split.h"
#include "rcnn/training/plan/stored_plan.h"

namespace rcnn::training {
namespace {

namespace fs = std::filesystem;
using data::SplitSide;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kFolder[] = "/data/cells";

// A run directory with a plan of four images and their split.
class VerifyPlanTest : public testing::Test {
 protected:
  VerifyPlanTest() : run_(FreshDirectory()) {
    auto lists = data::SplitLists::Read(In("split"), kFolder);
    EXPECT_THAT(lists, IsOk());
    EXPECT_THAT(lists->Add(SplitSide::kTrain, 0, "a.jpg"), IsOk());
    EXPECT_THAT(lists->Add(SplitSide::kTrain, 0, "b.jpg"), IsOk());
    EXPECT_THAT(lists->Add(SplitSide::kVal, 0, "c.jpg"), IsOk());
    EXPECT_THAT(lists->Add(SplitSide::kTest, 0, "d.jpg"), IsOk());
    EXPECT_THAT(lists->Write(), IsOk());
    WritePlan(lists->Path(SplitSide::kTest, 0));
  }

  // The test images are those of the list, or of a folder if that is empty.
  void WritePlan(const std::string& test_list) {
    StoredPlan plan;
    plan.config.set_name("cells");
    plan.basis.set_folder(kFolder);
    configs::DatasetPaths& paths = *plan.config.mutable_data()->mutable_test()->mutable_paths();
    paths.set_folder(kFolder);
    if (!test_list.empty()) paths.set_image_list(test_list);
    EXPECT_THAT(WriteStoredPlan(run_, plan), IsOk());
  }

  std::string In(const std::string& name) const { return absl::StrCat(run_, "/", name); }

  void Put(const std::string& name, const std::string& bytes) {
    EXPECT_THAT(WriteFileAtomically(In(name), bytes), IsOk());
  }

  std::vector<VerifiedDirectory> Verify() {
    const auto found = VerifyPlan(run_);
    EXPECT_THAT(found, IsOk());
    return found.value_or(std::vector<VerifiedDirectory>());
  }

  std::vector<std::string> Damage() {
    std::vector<std::string> damage;
    for (const VerifiedDirectory& one : Verify()) {
      damage.insert(damage.end(), one.damage.begin(), one.damage.end());
    }
    return damage;
  }

  const std::string run_;
};

TEST_F(VerifyPlanTest, APlanAndItsSplitAreCompared) {
  const std::vector<VerifiedDirectory> found = Verify();
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].name, "plan");
  EXPECT_EQ(found[0].state, "plan");
  EXPECT_EQ(found[0].files, 2);
  EXPECT_EQ(found[1].name, "split");
  EXPECT_EQ(found[1].state, "lists of the split");
  EXPECT_EQ(found[1].files, 4);
  for (const VerifiedDirectory& one : found) {
    EXPECT_THAT(one.damage, IsEmpty());
    EXPECT_THAT(one.notices, IsEmpty());
  }
}

// A run of an experiment's file has neither.
TEST_F(VerifyPlanTest, ADirectoryWithoutThemHasNothing) {
  fs::create_directories(In("other"));
  EXPECT_THAT(VerifyPlan(In("other")), IsOkAndHolds(IsEmpty()));
  EXPECT_THAT(VerifyPlan(In("missing")), IsOkAndHolds(IsEmpty()));
}

TEST_F(VerifyPlanTest, AFlippedBitStopsTheNextRun) {
  for (const std::string name :
       {"split/train.txt", "split/val.txt", "split/test.txt", "split/checksums.txt",
        "split/folder.txt", "plan_basis.textproto"}) {
    const std::string whole = ReadFile(In(name)).value();
    std::string flipped = whole;
    flipped[whole.size() / 2] ^= 1;
    Put(name, flipped);
    EXPECT_THAT(Damage(), ElementsAre(AllOf(HasSubstr(name), HasSubstr("the next run stops"))))
        << name;
    fs::remove(In(name));
    if (name != "split/checksums.txt") {
      EXPECT_THAT(Damage(), ElementsAre(HasSubstr(fs::path(name).filename().string()))) << name;
    }
    Put(name, whole);
    EXPECT_THAT(Damage(), IsEmpty()) << name;
  }
}

TEST_F(VerifyPlanTest, EveryDamagedFileIsNamed) {
  Put("plan_basis.textproto", "folder: ");
  Put("split/train.txt", "a.jpg\n");
  Put("split/test.txt", "");
  EXPECT_THAT(
      Damage(),
      ElementsAre(AllOf(HasSubstr("plan_basis.textproto"), HasSubstr("give it with --config")),
                  HasSubstr("train.txt: is damaged"), HasSubstr("test.txt: is damaged")));
}

// The scheduler uses it, and says so.
TEST_F(VerifyPlanTest, AnEditedPlanIsNotDamage) {
  const std::string text = ReadFile(In("plan.textproto")).value();
  Put("plan.textproto", text + "# mine\n");
  const std::vector<VerifiedDirectory> found = Verify();
  ASSERT_EQ(found.size(), 2u);
  EXPECT_THAT(found[0].damage, IsEmpty());
  EXPECT_THAT(found[0].notices,
              ElementsAre(AllOf(HasSubstr(In("plan.textproto") + " was edited since it was made"),
                                HasSubstr("the next run uses it"))));
}

TEST_F(VerifyPlanTest, AnUnusablePlanStopsTheNextRun) {
  Put("plan.textproto", "name: \"cells\"\nsed: 3\n");
  EXPECT_THAT(Damage(),
              ElementsAre(AllOf(HasSubstr("plan.textproto:2:"), HasSubstr("the next run stops"))));
  // Nobody has time to read it to its end.
  fs::resize_file(In("plan.textproto"), uintmax_t{1} << 40);
  EXPECT_THAT(Damage(),
              ElementsAre(AllOf(HasSubstr(In("plan.textproto")), HasSubstr("the next run stops"))));
}

TEST_F(VerifyPlanTest, OneFileOfAPlanAloneIsDamage) {
  const std::string basis = ReadFile(In("plan_basis.textproto")).value();
  fs::remove(In("plan_basis.textproto"));
  EXPECT_THAT(Damage(),
              ElementsAre(AllOf(HasSubstr("plan_basis.textproto is missing; the next run makes"),
                                HasSubstr("plan.previous.textproto"))));
  Put("plan_basis.textproto", basis);
  fs::remove(In("plan.textproto"));
  EXPECT_THAT(Damage(),
              ElementsAre(HasSubstr(In("plan.textproto") + " is missing; the next run makes")));
}

TEST_F(VerifyPlanTest, AMissingSplitIsDamageIfThePlanUsesIt) {
  fs::remove_all(In("split"));
  EXPECT_THAT(Damage(), ElementsAre(HasSubstr("/split has no lists; the next run makes")));
  // As of a folder with the parts val and test.
  WritePlan("");
  EXPECT_THAT(Damage(), IsEmpty());
  EXPECT_EQ(Verify().size(), 1u);
}

TEST_F(VerifyPlanTest, EarlierVersionsHaveRecordedNoChecksums) {
  Put("plan_basis.textproto", absl::StrCat("folder: \"", kFolder, "\"\n"));
  fs::remove(In("split/checksums.txt"));
  const std::vector<VerifiedDirectory> found = Verify();
  ASSERT_EQ(found.size(), 2u);
  for (const VerifiedDirectory& one : found) {
    EXPECT_THAT(one.state, HasSubstr(", without"));
    EXPECT_EQ(one.files, 0);
    EXPECT_THAT(one.damage, IsEmpty());
  }
}

// A link to itself can be read as little as a file on a disk with errors.
TEST_F(VerifyPlanTest, AFileThatCannotBeReadNowIsAnError) {
  for (const std::string name : {"plan_basis.textproto", "split/val.txt"}) {
    const std::string whole = ReadFile(In(name)).value();
    fs::remove(In(name));
    fs::create_symlink(fs::path(name).filename(), In(name));
    EXPECT_THAT(VerifyPlan(run_), StatusIs(absl::StatusCode::kUnavailable, HasSubstr(name)));
    fs::remove(In(name));
    Put(name, whole);
  }
}

}  // namespace
}  // namespace rcnn::training
