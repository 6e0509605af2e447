#include "rcnn/training/config/bundled_config.h"

#include <filesystem>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/training/config/check_experiment.h"
#include "rcnn/training/config/experiment.h"

namespace rcnn::training {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(BundledConfigTest, FindsAnExperimentByEachOfItsNames) {
  EXPECT_THAT(BundledConfigs(), IsOkAndHolds(Contains("shapes_tiny_alternating")));
  for (const char* name :
       {"shapes_tiny_alternating", "configs/shapes_tiny_alternating",
        "shapes_tiny_alternating.textproto", "configs/shapes_tiny_alternating.textproto"}) {
    const auto path = FindConfig(name);
    ASSERT_THAT(path, IsOk());
    EXPECT_THAT(*path, ::testing::EndsWith("configs/shapes_tiny_alternating.textproto"));
  }
}

TEST(BundledConfigTest, EveryBundledExperimentIsValidAndNamedAsItsFile) {
  const absl::StatusOr<std::vector<std::string>> names = BundledConfigs();
  ASSERT_THAT(names, IsOk());
  for (const std::string& name : *names) {
    const auto config = LoadExperiment(FindConfig(name).value());
    ASSERT_THAT(config, IsOk());
    EXPECT_THAT(CheckExperiment(*config), IsOk()) << name;
    EXPECT_EQ(config->name(), name);
  }
}

// A link to itself can be read as little as a file on a disk with errors. The bundled experiment of
// the same name would replace the stages of the other.
TEST(BundledConfigTest, AFileThatCannotBeExaminedNowIsNotTheBundledOne) {
  const fs::path before = fs::current_path();
  const fs::path folder = fs::path(::testing::TempDir()) / "experiments";
  fs::remove_all(folder);
  fs::create_directories(folder);
  fs::create_directory_symlink(before / "configs", folder / "configs");
  fs::current_path(folder);
  const std::string name = "shapes_tiny_alternating.textproto";
  EXPECT_THAT(FindConfig(name), IsOk());
  fs::create_symlink(name, name);
  EXPECT_THAT(FindConfig(name), StatusIs(absl::StatusCode::kUnavailable,
                                         AllOf(HasSubstr("--config"), HasSubstr(name))));
  fs::current_path(before);
}

TEST(BundledConfigTest, ErrorListsTheExperiments) {
  for (const char* name : {"", "shapes", "nothing/shapes_tiny_alternating", "configs", "/"}) {
    const auto path = FindConfig(name);
    ASSERT_THAT(path, StatusIs(absl::StatusCode::kNotFound, HasSubstr("shapes_tiny_alternating")))
        << name;
  }
}

TEST(BundledConfigTest, OfANameThatIsTooLongTheErrorShowsTheBeginning) {
  for (const size_t size : {300, 5000}) {
    const std::string name(size, 'x');
    EXPECT_THAT(
        FindConfig(name),
        StatusIs(absl::StatusCode::kNotFound,
                 AllOf(HasSubstr(absl::StrCat("--config=", name.substr(0, 60), "... (", size,
                                              " bytes): no such file, and not the name of an")),
                       HasSubstr("shapes_tiny_alternating"), Not(HasSubstr(name)))));
  }
}

TEST(BundledConfigTest, ErrorNamesTheNearest) {
  for (const char* name : {"shapes_tiny_alternatin", "configs/shapes_tny_alternating.textproto"}) {
    EXPECT_THAT(FindConfig(name), StatusIs(absl::StatusCode::kNotFound,
                                           HasSubstr("; did you mean shapes_tiny_alternating")))
        << name;
  }
  EXPECT_THAT(FindConfig("nothing_like_this_at_all"),
              StatusIs(absl::StatusCode::kNotFound, Not(HasSubstr("did you mean"))));
}

}  // namespace
}  // namespace rcnn::training
