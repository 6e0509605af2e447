#include "rcnn/training/config/bundled_config.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/training/config/check_experiment.h"
#include "rcnn/training/config/experiment.h"

namespace rcnn::training {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(BundledConfigTest, FindsAnExperimentByEachOfItsNames) {
  EXPECT_THAT(BundledConfigs(), Contains("shapes_tiny_alternating"));
  for (const char* name :
       {"shapes_tiny_alternating", "configs/shapes_tiny_alternating",
        "shapes_tiny_alternating.textproto", "configs/shapes_tiny_alternating.textproto"}) {
    const auto path = FindConfig(name);
    ASSERT_THAT(path, IsOk());
    EXPECT_THAT(*path, ::testing::EndsWith("configs/shapes_tiny_alternating.textproto"));
  }
}

TEST(BundledConfigTest, EveryBundledExperimentIsValidAndNamedAsItsFile) {
  for (const std::string& name : BundledConfigs()) {
    const auto config = LoadExperiment(FindConfig(name).value());
    ASSERT_THAT(config, IsOk());
    EXPECT_THAT(CheckExperiment(*config), IsOk()) << name;
    EXPECT_EQ(config->name(), name);
  }
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
